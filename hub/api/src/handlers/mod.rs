//! The handlers, one file for each family of routes.

mod cameras;
mod footage;
mod live;
mod people;
mod system;

pub(crate) use people::claim_hub;

use crate::hub::Ctx;
use crate::route::Route;

/// Every route of the hub.
pub(crate) fn routes() -> Vec<Route<Ctx>> {
    [people::routes(), cameras::routes(), footage::routes(), live::routes(), system::routes()].into_iter().flatten().collect()
}
