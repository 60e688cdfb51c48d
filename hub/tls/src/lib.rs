//! The hub's own certificate authority and its TLS configurations.
//!
//! The first start makes a root, an intermediate and a leaf. The root's private key never leaves the memory of that
//! start; the intermediate's name constraints bind it to this home's own names and addresses, so that a stolen hub
//! can mint nothing that is worth anything elsewhere. Works offline for ever.

mod authority;
mod config;
mod make;
mod names;
mod show;

pub use authority::{Authority, TlsError};
pub use config::{client_config, server_config, web_client_config};
pub use names::{Names, host_name, local_addresses};
