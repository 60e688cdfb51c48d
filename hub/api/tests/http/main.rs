//! The API's ways in, over real sockets and TLS, with a hub that has no cameras.

mod dispatch;
mod fake;
mod server;
