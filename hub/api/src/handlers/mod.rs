//! The handlers, one file for each family of routes.

mod cameras;
mod export;
mod footage;
mod live;
mod local;
mod people;
mod snapshot;
pub(crate) mod storage;
mod system;

pub(crate) use people::claim_hub;

use crate::hub::Ctx;
use crate::route::Route;

/// Every route of the hub.
pub(crate) fn routes() -> Vec<Route<Ctx>> {
    let families = [
        people::routes(),
        cameras::routes(),
        footage::routes(),
        export::routes(),
        live::routes(),
        snapshot::routes(),
        local::routes(),
        storage::routes(),
        system::routes(),
    ];
    families.into_iter().flatten().collect()
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
