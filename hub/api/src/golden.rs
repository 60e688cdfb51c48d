//! `docs/openapi.json` is the document that the hub serves: clients are made from it, reviews see its changes.

#[test]
fn the_documents_openapi_is_the_hubs() {
    let document = crate::table().openapi();
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../../docs/openapi.json");
    if std::env::var_os("KEEPSIGHT_BLESS").is_some() {
        std::fs::write(path, &document).unwrap();
    }
    let on_disk = std::fs::read_to_string(path).unwrap_or_default();
    assert!(
        on_disk == document,
        "docs/openapi.json differs from the route table: run this test with KEEPSIGHT_BLESS=1"
    );
}

/// The open routes are a part of the design: one more needs a decision, not only a line of code.
#[test]
fn the_open_routes_are_these() {
    let table = crate::table();
    let open = table.routes().iter().filter(|route| route.access == crate::Access::Open);
    let mut open: Vec<_> = open.map(|route| format!("{} {}", route.method, route.path)).collect();
    open.sort_unstable();
    let expected = [
        "GET /",
        "GET /api/openapi.json",
        "GET /app.js",
        "GET /healthz",
        "GET /icon.svg",
        "GET /style.css",
        "POST /api/v1/claim",
        "POST /api/v1/sessions",
    ];
    assert_eq!(open, expected);
}
