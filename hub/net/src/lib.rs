//! The hub on the network that it is in: so far, the name by which phones find it without anybody's name server.

mod mdns;

pub use mdns::{Mdns, Named, Reach};
