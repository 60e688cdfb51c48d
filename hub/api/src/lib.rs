//! Accept loop, routes, sign-in, live, playback, OpenAPI, the embedded page.
//!
//! A request comes in through [`server`], passes the checks of [`dispatch`], and reaches the handler of its
//! [`route`]. Handlers stand in `handlers/`, one file for each family of routes; each file has a
//! `routes() -> Vec<Route<…>>`, and the hub's [`dispatch::Table`] is made of those.

mod claiming;
mod connections;
pub mod cookie;
pub mod decoders;
pub mod dispatch;
mod encoders;
pub mod ends;
mod export;
mod grants;
mod handlers;
pub mod home;
pub mod host;
pub mod hub;
pub mod limit;
pub mod listen;
mod metrics;
pub mod objects;
pub mod openapi;
pub mod page;
mod parts;
pub mod plain;
mod playback;
mod preview;
pub mod problem;
pub mod range;
pub mod reply;
pub mod route;
mod secrets;
pub mod server;
mod watch;

pub use dispatch::Table;
pub use problem::ApiError;
pub use reply::Response;
pub use route::{Access, Caller, Credentials, Hub, Peer, Request, Right, Rights, Route, Standing};

/// Every route of the hub, from which the filters, the OpenAPI document and the access tests are made.
pub fn table() -> Table<hub::Ctx> {
    Table::new(handlers::routes())
}
