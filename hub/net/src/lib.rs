//! The hub on the network that it is in: the name by which phones find it without anybody's name server, and which of them
//! are at home.

mod mdns;
mod presence;

pub use mdns::{Mdns, Named, Reach};
pub use presence::{Neighbour, Place, Presence, ask, neighbours};
