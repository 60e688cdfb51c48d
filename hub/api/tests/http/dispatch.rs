//! Who is let through to which route, and what the others are told.

use crate::fake::{self, COOKIE, Running, SECRETS, start};

const JSON: &str = "content-type: application/json";

fn bearer(secret: &str) -> String {
    format!("authorization: Bearer {secret}")
}

impl Running {
    async fn as_owner(&self, request: &str, headers: &[&str], body: &str) -> fake::Answer {
        self.send(request, &[&["authorization: Bearer owner"], headers].concat(), body).await
    }
}

#[tokio::test]
async fn without_a_session_only_the_open_routes_answer_anything_but_401() {
    let hub = start();
    let camera = hub.hub.granted.to_string();
    for route in hub.table.routes() {
        let path = route.path.replace("{id}", &camera);
        let answer = hub.send(&format!("{} {path}", route.method), &[], "").await;
        let open = route.access == api::Access::Open;
        assert_eq!(answer.status != 401, open, "{route:?}: {answer:?}");
        if !open {
            assert_eq!(answer.problem(), "not-signed-in");
            assert_eq!(answer.header("www-authenticate"), Some("Bearer"));
        }
    }
    // Nor can anybody find out what there is, or that a request was wrong in another way.
    for request in [
        "GET /api/v1/nothing",
        "GET /nothing",
        "DELETE /api/v1/open",
        "DELETE /",
        "GET /api/v1/cameras/nonsense",
        "OPTIONS /api/v1/things",
        "GET /api/v1/../v1/things",
    ] {
        assert_eq!(hub.send(request, &[], "").await.problem(), "not-signed-in", "{request}");
    }
    let foreign = ["origin: https://evil.example", "content-type: text/plain", "upgrade: websocket"];
    assert_eq!(hub.send("POST /api/v1/things", &foreign, "{").await.problem(), "not-signed-in");
    for wrong in [
        "authorization: Bearer stranger",
        "authorization: Basic b3duZXI6",
        "cookie: __Host-keepsight=stranger",
        "authorization: Bearer ",
    ] {
        assert_eq!(hub.send("GET /api/v1/things", &[wrong], "").await.problem(), "not-signed-in", "{wrong}");
    }
}

#[tokio::test]
async fn each_kind_of_caller_gets_what_it_may_have() {
    let hub = start();
    let (granted, hidden) = (hub.hub.granted, hub.hub.hidden);
    let unknown = base::CameraId::new(&base::SimClock::default());
    let cases = [
        ("GET /api/v1/things".to_owned(), [200, 200, 200]),
        ("POST /api/v1/cameras/probe".into(), [200, 403, 403]),
        ("GET /metrics".into(), [200, 403, 200]),
        (format!("GET /api/v1/cameras/{granted}"), [200, 200, 404]),
        (format!("GET /api/v1/cameras/{hidden}"), [200, 404, 404]),
        (format!("GET /api/v1/cameras/{unknown}"), [404, 404, 404]),
        ("GET /api/v1/cameras/nonsense".into(), [404, 404, 404]),
        ("GET /api/v1/cameras/probe".into(), [404, 404, 404]),
        (format!("GET /api/v1/cameras/{granted}/playback"), [200, 403, 404]),
        (format!("GET /api/v1/cameras/{hidden}/playback"), [200, 404, 404]),
        (format!("GET /api/v1/cameras/{granted}/live"), [426, 426, 404]),
        (format!("GET /api/v1/cameras/{hidden}/live"), [426, 404, 404]),
        ("GET /api/v1/nothing".into(), [404, 404, 404]),
        ("GET /api/v1/things/".into(), [404, 404, 404]),
        ("GET /api/v1//things".into(), [404, 404, 404]),
    ];
    for (request, expected) in &cases {
        for (secret, expected) in SECRETS.iter().zip(expected) {
            let answer = hub.send(request, &[&bearer(secret)], "").await;
            assert_eq!(answer.status, *expected, "{secret}: {request}: {answer:?}");
        }
    }
    let member = bearer("member");
    let answer = hub.send(&format!("GET /api/v1/cameras/{granted}/playback"), &[&member], "").await;
    assert_eq!(answer.problem(), "not-granted");
    let answer = hub.send("POST /api/v1/cameras/probe", &[&member], "").await;
    assert_eq!(answer.problem(), "not-allowed");
}

#[tokio::test]
async fn a_hidden_camera_and_one_that_is_not_there_look_the_same() {
    let hub = start();
    let member = bearer("member");
    let unknown = base::CameraId::new(&base::SimClock::default());
    for rest in ["", "/playback", "/live"] {
        let ask = async |id| hub.send(&format!("GET /api/v1/cameras/{id}{rest}"), &[&member], "").await;
        let (hidden, unknown) = (ask(hub.hub.hidden).await, ask(unknown).await);
        assert_eq!(hidden.body, unknown.body);
        assert_eq!(hidden.problem(), "not-found");
    }
}

#[tokio::test]
async fn another_method_is_405_with_those_that_work() {
    let hub = start();
    let answer = hub.as_owner("DELETE /api/v1/things", &[], "").await;
    assert_eq!(answer.problem(), "method-not-allowed");
    assert_eq!(answer.header("allow"), Some("GET, POST"));
    let answer = hub.as_owner("HEAD /api/v1/things", &[], "").await;
    assert_eq!((answer.status, answer.body.as_str()), (200, ""));
    // A literal part wins over a variable one, method by method.
    assert_eq!(hub.as_owner("POST /api/v1/cameras/probe", &[], "").await.body, "\"probed\"");
}

#[tokio::test]
async fn attack_dns_rebinding_only_the_hubs_own_names_are_answered_to() {
    let hub = start();
    let port = hub.https.port();
    let own = hub.hub.authority.names().dns[0].clone();
    for good in
        [format!("127.0.0.1:{port}"), "localhost".into(), format!("{}.:9", own.to_uppercase()), "[::1]:8443".into()]
    {
        assert_eq!(hub.send("GET /healthz", &[&format!("host: {good}")], "").await.status, 200, "{good}");
    }
    for bad in
        ["evil.example", "evil.example:443", "192.168.77.7", "localhost.evil.example", "localhost@evil.example", ""]
    {
        for path in ["/healthz", "/", "/api/v1/things"] {
            let answer = hub.send(&format!("GET {path}"), &[&format!("host: {bad}")], "").await;
            assert_eq!((answer.status, answer.problem().as_str()), (421, "wrong-host"), "{bad}");
        }
    }
    let answer = hub.send("GET https://evil.example/healthz", &["host: localhost"], "").await;
    assert_eq!(answer.problem(), "wrong-host");
    let answer = hub.send("GET /healthz", &["host: localhost", "host: evil.example"], "").await;
    assert!(matches!(answer.status, 400 | 421), "{answer:?}");
}

#[tokio::test]
async fn attack_csrf_a_change_by_cookie_needs_the_hubs_own_origin() {
    let hub = start();
    let body = r#"{"name":"x"}"#;
    let (own, foreign) = (hub.origin(), "origin: https://evil.example");
    let post = async |headers: &[&str]| hub.send("POST /api/v1/things", &[&[JSON], headers].concat(), body).await;
    assert_eq!(post(&[COOKIE, &own]).await.status, 201);
    assert_eq!(post(&[COOKIE]).await.problem(), "foreign-origin");
    let other_port = format!("origin: https://127.0.0.1:{}", hub.https.port() ^ 1);
    let other_scheme = format!("origin: http://{}", hub.https);
    for foreign in [foreign, "origin: null", &other_port, &other_scheme, "origin: https://localhost"] {
        assert_eq!(post(&[COOKIE, foreign]).await.problem(), "foreign-origin", "{foreign}");
        assert_eq!(post(&["authorization: Bearer owner", foreign]).await.problem(), "foreign-origin", "{foreign}");
    }
    // A token is sent by no browser by itself; a cookie beside it plays no part.
    assert_eq!(post(&["authorization: Bearer owner"]).await.status, 201);
    assert_eq!(post(&["authorization: Bearer owner", COOKIE]).await.status, 201);
    assert_eq!(post(&["authorization: Bearer stranger", COOKIE, &own]).await.problem(), "not-signed-in");
    // Open routes: absent is fine, foreign is not, and an old cookie does not matter.
    let open = async |headers: &[&str]| hub.send("POST /api/v1/open", &[&[JSON], headers].concat(), body).await;
    assert_eq!(open(&[]).await.status, 201);
    assert_eq!(open(&[COOKIE]).await.status, 201);
    assert_eq!(open(&[foreign]).await.problem(), "foreign-origin");
    // Reading needs no origin, but another page's script gets nothing.
    assert_eq!(hub.send("GET /api/v1/things", &[COOKIE], "").await.status, 200);
    assert_eq!(hub.send("GET /api/v1/things", &[COOKIE, foreign], "").await.problem(), "foreign-origin");
}

#[tokio::test]
async fn what_is_wrong_with_a_body_is_said() {
    let hub = start();
    let good = r#"{"name":"x"}"#;
    let cases: &[(&[&str], &str, u16, &str)] = &[
        (&[JSON], "", 400, "bad-body"),
        (&[JSON], "{", 400, "bad-body"),
        (&[JSON], "{}", 400, "bad-body"),
        (&[JSON], r#"{"name":1}"#, 400, "bad-body"),
        (&[JSON], r#"{"name":"x","nmae":"y"}"#, 400, "bad-body"),
        (&[JSON], "\u{0}\u{1}", 400, "bad-body"),
        (&[], good, 415, "unsupported-media-type"),
        (&["content-type: text/plain"], good, 415, "unsupported-media-type"),
        (&["content-type: application/jsonp"], good, 415, "unsupported-media-type"),
    ];
    for (headers, body, status, code) in cases {
        let answer = hub.as_owner("POST /api/v1/things", headers, body).await;
        assert_eq!((answer.status, answer.problem().as_str()), (*status, *code), "{headers:?} {body:?}");
    }
    let charset = "content-type: application/JSON; charset=utf-8";
    assert_eq!(hub.as_owner("POST /api/v1/things", &[charset], good).await.status, 201);
    // The place is told, the value is not: it may be a password.
    let answer = hub.as_owner("POST /api/v1/things", &[JSON], r#"{"name":"x","passwort":"hunter2"}"#).await;
    assert!(answer.body.contains("line 1, column") && !answer.body.contains("hunter2"), "{answer:?}");
}

#[tokio::test]
async fn a_body_may_be_as_long_as_its_route_allows_and_not_a_byte_longer() {
    let hub = start();
    let body = |bytes: usize| format!(r#"{{"name":"{}"}}"#, "x".repeat(bytes - 11));
    let chunked = |body: &str| format!("{:x}\r\n{body}\r\n0\r\n\r\n", body.len());
    assert_eq!(body(1000).len(), 1000);
    assert_eq!(hub.as_owner("POST /api/v1/things", &[JSON], &body(1000)).await.status, 201);
    assert_eq!(hub.as_owner("POST /api/v1/things", &[JSON], &body(1001)).await.problem(), "body-too-large");
    let headers = [JSON, "transfer-encoding: chunked"];
    assert_eq!(hub.as_owner("POST /api/v1/things", &headers, &chunked(&body(1000))).await.status, 201);
    assert_eq!(hub.as_owner("POST /api/v1/things", &headers, &chunked(&body(1001))).await.problem(), "body-too-large");
    // Refused by what it announces, before a byte of it is read.
    let announced = [JSON, "content-length: 1000000000000"];
    assert_eq!(hub.as_owner("POST /api/v1/things", &announced, "").await.status, 413);
}

#[tokio::test]
async fn a_handler_that_fails_or_panics_tells_nothing_of_the_inside() {
    let hub = start();
    assert_eq!(hub.as_owner("GET /api/v1/panic", &[], "").await.problem(), "internal");
    let answer = hub.send("GET /api/v1/things", &["authorization: Bearer broken"], "").await;
    assert_eq!((answer.status, answer.problem().as_str()), (500, "internal"));
    assert!(!answer.body.contains("fire"), "{answer:?}");
    assert_eq!(hub.as_owner("GET /api/v1/things", &[], "").await.status, 200);
}

#[tokio::test]
async fn queries_are_decoded_and_bad_ones_named() {
    let hub = start();
    let path = format!("GET /api/v1/cameras/{}/playback", hub.hub.granted);
    let answer = hub.as_owner(&format!("{path}?from=7&name=a%20b+%C3%BC"), &[], "").await;
    assert!(answer.body.ends_with(r#",7,"a b ü"]"#), "{answer:?}");
    let answer = hub.as_owner(&format!("{path}?from=soon"), &[], "").await;
    assert_eq!(answer.problem(), "bad-request");
    assert!(answer.body.contains("from"), "{answer:?}");
}

#[tokio::test]
async fn attack_clickjacking_every_answer_has_the_headers_that_protect_it() {
    let hub = start();
    for (request, headers) in [
        ("GET /", &[][..]),
        ("GET /api/v1/things", &[COOKIE]),
        ("GET /api/v1/nothing", &[]),
        ("GET /healthz", &["host: evil"]),
    ] {
        let answer = hub.send(request, headers, "").await;
        let policy = answer.header("content-security-policy").unwrap();
        assert!(policy.starts_with("default-src 'self';") && policy.contains("frame-ancestors 'none'"), "{policy}");
        assert!(!policy.contains("unsafe"), "{policy}");
        assert_eq!(answer.header("x-content-type-options"), Some("nosniff"));
        assert_eq!(answer.header("referrer-policy"), Some("same-origin"));
        let kept = if request == "GET /" { "no-cache" } else { "no-store" };
        assert_eq!(answer.header("cache-control"), Some(kept), "{request}");
        assert_eq!(answer.header("access-control-allow-origin"), None);
    }
}

#[tokio::test]
async fn the_page_is_whole_and_asked_for_again_only_when_it_changed() {
    let hub = start();
    let page = hub.send("GET /", &[], "").await;
    assert_eq!(page.header("content-type"), Some("text/html; charset=utf-8"));
    let etag = page.header("etag").unwrap().to_owned();
    for tag in [etag.clone(), format!("W/{etag}"), format!("\"other\", {etag}"), "*".into()] {
        let again = hub.send("GET /", &[&format!("if-none-match: {tag}")], "").await;
        assert_eq!((again.status, again.body.as_str(), again.header("etag")), (304, "", Some(etag.as_str())), "{tag}");
    }
    assert_eq!(hub.send("GET /", &["if-none-match: \"other\""], "").await.status, 200);
    for (file, content_type) in [
        ("/app.js", "text/javascript"),
        ("/app.css", "text/css"),
        ("/icon.svg", "image/svg+xml"),
        ("/manifest.webmanifest", "application/manifest+json"),
    ] {
        assert!(page.body.contains(&format!("\"{file}\"")), "the page names {file}");
        let answer = hub.send(&format!("GET {file}"), &[], "").await;
        assert_eq!(answer.status, 200);
        assert!(answer.header("content-type").unwrap().starts_with(content_type), "{answer:?}");
        // Nothing from elsewhere; what looks like an address is a name of XML's, or where the framework explains an error.
        let own = answer.body.replace("http://www.w3.org/", "").replace("https://svelte.dev/e/", "");
        assert!(!own.contains("http://") && !own.contains("https://"), "{file}");
    }
    for forbidden in ["<style", " style=", "<script>", " onclick=", " onload=", "javascript:"] {
        assert!(!page.body.contains(forbidden), "the policy forbids {forbidden}");
    }
}

#[tokio::test]
async fn the_openapi_document_is_what_is_served() {
    let hub = start();
    let answer = hub.send("GET /api/openapi.json", &[], "").await;
    assert_eq!(answer.body, hub.table.openapi());
    let document: serde_json::Value = serde_json::from_str(&answer.body).unwrap();
    for route in hub.table.routes() {
        let operation = &document["paths"][route.path][route.method.as_str().to_lowercase()];
        assert_eq!(operation["summary"], route.summary, "{route:?}");
        assert_eq!(operation["security"].is_null(), route.access == api::Access::Open, "{route:?}");
        assert!(operation["responses"]["default"].is_object(), "{route:?}");
    }
    let body = &document["paths"]["/api/v1/things"]["post"]["requestBody"]["content"]["application/json"]["schema"];
    assert_eq!(body["$ref"], "#/components/schemas/Thing");
    assert_eq!(document["components"]["schemas"]["Thing"]["properties"]["name"]["type"], "string");
    assert!(document["components"]["schemas"]["Problem"]["properties"]["remedy"].is_object());
    let list = &document["paths"]["/api/v1/things"]["get"]["responses"]["200"]["content"]["application/json"]["schema"];
    assert_eq!(
        (list["type"].as_str(), list["items"]["$ref"].as_str()),
        (Some("array"), Some("#/components/schemas/Thing"))
    );
    let parameters = &document["paths"]["/api/v1/cameras/{id}/playback"]["get"]["parameters"];
    assert_eq!((parameters[0]["in"].as_str(), parameters[1]["name"].as_str()), (Some("path"), Some("from")));
}

#[test]
#[should_panic(expected = "is there twice")]
fn a_route_cannot_be_mounted_twice() {
    use api::{Access, Route, Table, reply};
    let route = || Route::<fake::FakeHub>::get("/x", Access::Open, "X.", async |_, _| Ok(reply::no_content()));
    Table::new(vec![route(), route()]);
}

#[test]
#[should_panic(expected = "has no camera in its path")]
fn a_right_on_a_camera_needs_a_camera_in_the_path() {
    use api::{Access, Right, Route, Table, reply};
    let access = Access::Camera(Right::Any);
    Table::new(vec![Route::<fake::FakeHub>::get("/x/{id}", access, "X.", async |_, _| Ok(reply::no_content()))]);
}
