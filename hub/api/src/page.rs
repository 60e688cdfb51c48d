//! The page: a few files inside the binary, and `/healthz`.
//!
//! No build step and nothing from elsewhere, so that it works with the internet unplugged and under a strict
//! Content-Security-Policy.

use bytes::Bytes;
use http::header::{CACHE_CONTROL, ETAG, HeaderValue, IF_NONE_MATCH};
use http::{HeaderMap, StatusCode};

use crate::reply::{self, Response};
use crate::route::{Access, Hub, Route};

struct File {
    path: &'static str,
    content_type: &'static str,
    content: &'static str,
    summary: &'static str,
}

const FILES: [File; 4] = [
    File {
        path: "/",
        content_type: "text/html; charset=utf-8",
        content: include_str!("page/index.html"),
        summary: "The page.",
    },
    File {
        path: "/app.js",
        content_type: "text/javascript; charset=utf-8",
        content: include_str!("page/app.js"),
        summary: "The page's script.",
    },
    File {
        path: "/style.css",
        content_type: "text/css; charset=utf-8",
        content: include_str!("page/style.css"),
        summary: "The page's looks.",
    },
    File {
        path: "/icon.svg",
        content_type: "image/svg+xml",
        content: include_str!("page/icon.svg"),
        summary: "The page's icon.",
    },
];

/// The page's routes and `/healthz`, all open.
pub(crate) fn routes<C: Hub>() -> Vec<Route<C>> {
    let files = FILES.iter().map(|file| {
        let etag = etag(file.content);
        Route::get(file.path, Access::Open, file.summary, move |_, request: crate::route::Request<C>| {
            let response = answer(file, &etag, &request.headers);
            async move { Ok(response) }
        })
        .answers_with(200, "The file.", Some(file.content_type))
        .answers_with(304, "The file has not changed.", None)
    });
    let healthz = Route::get("/healthz", Access::Open, "Is the hub alive?", async |_, _| {
        Ok(reply::bytes("text/plain; charset=utf-8", Bytes::from_static(b"ok\n")))
    });
    let healthz = healthz.answers_with(200, "Yes. It says nothing else.", Some("text/plain; charset=utf-8")).local();
    files.chain([healthz]).collect()
}

fn answer(file: &'static File, etag: &HeaderValue, headers: &HeaderMap) -> Response {
    let known = headers.get_all(IF_NONE_MATCH).iter().filter_map(|value| value.to_str().ok());
    let known = known.flat_map(|list| list.split(',')).map(|tag| tag.trim().trim_start_matches("W/"));
    let unchanged = known.into_iter().any(|tag| tag == "*" || tag.as_bytes() == etag.as_bytes());
    let mut response = reply::bytes(file.content_type, if unchanged { "" } else { file.content });
    if unchanged {
        *response.status_mut() = StatusCode::NOT_MODIFIED;
    }
    response.headers_mut().insert(ETAG, etag.clone());
    // Kept, but asked for again each time: an update of the hub shows at once.
    response.headers_mut().insert(CACHE_CONTROL, HeaderValue::from_static("no-cache"));
    response
}

/// A name for a content; FNV-1a, as nobody has a reason to forge it.
fn etag(content: &str) -> HeaderValue {
    let hash = content
        .bytes()
        .fold(0xcbf2_9ce4_8422_2325_u64, |hash, byte| (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3));
    HeaderValue::from_str(&format!("\"{hash:016x}\"")).unwrap_or(HeaderValue::from_static("\"\""))
}
