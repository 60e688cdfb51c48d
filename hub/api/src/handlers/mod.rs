//! The handlers, one file for each family of routes.

mod audit;
mod cameras;
mod claim;
mod disks;
mod events;
mod export;
mod footage;
mod health;
mod invitations;
mod live;
mod local;
mod me;
mod members;
mod mode;
mod objects;
mod preview;
mod recovery;
mod reset;
mod rules;
mod sessions;
mod snapshot;
pub(crate) mod storage;
mod system;
mod time;
mod tokens;
mod updates;
mod wifi;

pub(crate) use claim::claim_hub;
pub(crate) use me::PendingTotp;

use base::ProblemKind;
use serde::{Deserialize, Deserializer};

use crate::hub::Ctx;
use crate::problem::ApiError;
use crate::route::{Request, Route};

/// Every route of the hub.
pub(crate) fn routes() -> Vec<Route<Ctx>> {
    let families = [
        claim::routes(),
        sessions::routes(),
        me::routes(),
        members::routes(),
        invitations::routes(),
        tokens::routes(),
        recovery::routes(),
        audit::routes(),
        events::routes(),
        rules::routes(),
        preview::routes(),
        mode::routes(),
        cameras::routes(),
        footage::routes(),
        export::routes(),
        live::routes(),
        snapshot::routes(),
        local::routes(),
        health::routes(),
        storage::routes(),
        disks::routes(),
        system::routes(),
        time::routes(),
        updates::routes(),
        objects::routes(),
        wifi::routes(),
        reset::routes(),
    ];
    families.into_iter().flatten().collect()
}

/// How many items of a list a request asks for.
fn page_length(request: &Request<Ctx>, usual: usize, longest: usize) -> Result<usize, ApiError> {
    match request.query.value::<usize>("limit")? {
        None => Ok(usual),
        Some(limit) if (1..=longest).contains(&limit) => Ok(limit),
        Some(_) => {
            Err(ApiError::with(ProblemKind::BadRequest, format!("The query's limit is not from 1 to {longest}")))
        }
    }
}

/// Tells `"x": null` from no `x` at all.
fn given<'de, T: Deserialize<'de>, D: Deserializer<'de>>(d: D) -> Result<Option<T>, D::Error> {
    T::deserialize(d).map(Some)
}

#[cfg(test)]
mod tests {
    use crate::route::Access;

    #[test]
    fn the_openapi_document_is_the_one_in_the_documents() {
        crate::openapi::check_golden(&crate::table().openapi());
    }

    #[test]
    fn access_matrix_open_without_a_session_is_what_the_design_says_and_nothing_else() {
        let table = crate::table();
        let mut open: Vec<_> = table
            .routes()
            .iter()
            .filter(|r| r.access == Access::Open)
            .map(|r| format!("{} {}", r.method, r.path))
            .collect();
        open.sort();
        assert_eq!(
            open,
            [
                "GET /",
                "GET /api/openapi.json",
                "GET /app.css",
                "GET /app.js",
                "GET /healthz",
                "GET /icon-192.png",
                "GET /icon-512.png",
                "GET /icon-maskable-512.png",
                "GET /icon.svg",
                "GET /manifest.webmanifest",
                "GET /sw.js",
                "POST /api/v1/claim",
                "POST /api/v1/invitations/accept",
                "POST /api/v1/sessions",
            ]
        );
    }

    #[test]
    fn access_matrix_whatever_names_a_camera_asks_for_a_right_on_it() {
        for route in crate::table().routes() {
            if route.path.contains("/cameras/{id}") {
                assert!(matches!(route.access, Access::Camera(_)), "{route:?}");
            }
        }
    }
}
