//! The app: its files, inside the binary, and `/healthz`.
//!
//! `hub/web` has its sources; `scripts/web` builds `hub/web/dist`, which is committed, so that building the hub needs no
//! Node. Nothing of it is from elsewhere: it works with the internet unplugged and under a strict
//! Content-Security-Policy.

use bytes::Bytes;
use http::header::{CACHE_CONTROL, ETAG, HeaderValue, IF_NONE_MATCH};
use http::{HeaderMap, StatusCode};

use crate::reply::{self, Response};
use crate::route::{Access, Hub, Route};

struct File {
    path: &'static str,
    content_type: &'static str,
    content: &'static [u8],
    summary: &'static str,
}

macro_rules! files {
    ($($path:literal $name:literal $content_type:literal $summary:literal)*) => {
        [$(File {
            path: $path,
            content_type: $content_type,
            content: include_bytes!(concat!("../../web/dist/", $name)),
            summary: $summary,
        }),*]
    };
}

/// All that is in `hub/web/dist`.
const FILES: &[File] = &files! {
    "/" "index.html" "text/html; charset=utf-8" "The app."
    "/app.js" "app.js" "text/javascript; charset=utf-8" "The app's script."
    "/app.css" "app.css" "text/css; charset=utf-8" "The app's looks."
    "/sw.js" "sw.js" "text/javascript; charset=utf-8" "The app's service worker, which keeps the app's own files."
    "/manifest.webmanifest" "manifest.webmanifest" "application/manifest+json" "What a phone needs to install the app."
    "/icon.svg" "icon.svg" "image/svg+xml" "The app's icon."
    "/icon-192.png" "icon-192.png" "image/png" "The app's icon, 192 pixels wide."
    "/icon-512.png" "icon-512.png" "image/png" "The app's icon, 512 pixels wide."
    "/icon-maskable-512.png" "icon-maskable-512.png" "image/png" "The app's icon, to be cut to a phone's own shape."
};

/// The app's routes and `/healthz`, all open.
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
    let mut response = reply::bytes(file.content_type, if unchanged { b"".as_slice() } else { file.content });
    if unchanged {
        *response.status_mut() = StatusCode::NOT_MODIFIED;
    }
    response.headers_mut().insert(ETAG, etag.clone());
    // Kept, but asked for again each time: an update of the hub shows at once.
    response.headers_mut().insert(CACHE_CONTROL, HeaderValue::from_static("no-cache"));
    response
}

/// A name for a content; FNV-1a, as nobody has a reason to forge it.
fn etag(content: &[u8]) -> HeaderValue {
    let hash = content
        .iter()
        .fold(0xcbf2_9ce4_8422_2325_u64, |hash, byte| (hash ^ u64::from(*byte)).wrapping_mul(0x0100_0000_01b3));
    HeaderValue::from_str(&format!("\"{hash:016x}\"")).unwrap_or(HeaderValue::from_static("\"\""))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_file_of_the_built_app_is_served_and_nothing_else() {
        let dist = concat!(env!("CARGO_MANIFEST_DIR"), "/../web/dist");
        let name = |entry: std::io::Result<std::fs::DirEntry>| entry.unwrap().file_name().into_string().unwrap();
        let mut built: Vec<_> = std::fs::read_dir(dist).unwrap().map(name).collect();
        let mut served: Vec<_> =
            FILES.iter().map(|f| if f.path == "/" { "index.html" } else { &f.path[1..] }).collect();
        built.sort();
        served.sort_unstable();
        assert_eq!(built, served);
    }
}
