//! The plain HTTP port: how a phone comes to trust the hub, and the way to HTTPS. Nothing else, but for one thing: while
//! nobody owns the hub and it has no clock, it takes a phone's time, as else the phone might see a certificate of another
//! year.

use base::Timestamp;
use bytes::Bytes;
use http::header::{
    CACHE_CONTROL, CONTENT_DISPOSITION, CONTENT_TYPE, HeaderName, HeaderValue, LOCATION, ORIGIN, USER_AGENT, VARY,
};
use http::{HeaderMap, Method, Request, Response, StatusCode, Uri};
use http_body_util::{BodyExt, Full, Limited};
use serde::Deserialize;
use tls::Authority;

use crate::ApiError;
use crate::dispatch::BODY_TIMEOUT;
use crate::host::HostPort;
use crate::problem::{Document, status};
use crate::route::{Hub, Peer};
use base::ProblemKind;

mod page;
mod pictures;
mod steps;

/// Where the set-up page's link to the hub's own page goes: an address that is sent on, as only a request says by which
/// name the hub was reached.
const OPEN: &str = "/open";
/// A time in JSON is no longer.
const MAX_TIME_BYTES: usize = 256;
/// The page: all of it from here, nothing inside of it.
const PAGE_POLICY: &str = "default-src 'none'; style-src 'self'; img-src 'self'; script-src 'self'; connect-src 'self'; \
                           base-uri 'none'; form-action 'none'; frame-ancestors 'none'";
const FILE_POLICY: &str = "default-src 'none'; frame-ancestors 'none'";

/// What the plain port serves. Anybody may know all of it.
pub struct Plain {
    root_pem: Bytes,
    root_der: Bytes,
    ios_profile: Bytes,
    facts: page::Facts,
    host: String,
    https_port: u16,
}

impl Plain {
    /// Of a hub whose HTTPS is on this port.
    pub fn new(authority: &Authority, https_port: u16) -> Self {
        let host = authority.names().dns.first().cloned().unwrap_or_default();
        let words = authority.fingerprint_words().join(" ");
        Self {
            root_pem: authority.root_pem().to_owned().into(),
            root_der: authority.root_der().to_vec().into(),
            ios_profile: authority.ios_profile().into(),
            facts: page::Facts { host: host.clone(), words, sha256: authority.fingerprint_sha256() },
            host,
            https_port,
        }
    }

    /// Answers a request.
    pub(crate) async fn answer<C, B>(&self, hub: &C, peer: Peer, request: Request<B>) -> Response<Full<Bytes>>
    where
        C: Hub,
        B: hyper::body::Body + Send,
        B::Data: Send,
        B::Error: Into<Box<dyn std::error::Error + Send + Sync>>,
    {
        let (head, body) = request.into_parts();
        let (uri, headers) = (&head.uri, &head.headers);
        match (&head.method, uri.path()) {
            (&Method::POST, "/time") => match self.take_time(hub, peer, uri, headers, body).await {
                Ok(()) => empty(StatusCode::NO_CONTENT),
                Err(error) => refused(&error),
            },
            (&Method::GET | &Method::HEAD, "/") => {
                let user_agent = headers.get(USER_AGENT).and_then(|value| value.to_str().ok()).unwrap_or_default();
                let page = page::page(&self.facts, user_agent, hub.wants_time().await);
                let mut response = file("text/html; charset=utf-8", page.into(), PAGE_POLICY);
                response.headers_mut().insert(VARY, HeaderValue::from_static("user-agent"));
                response
            }
            (&Method::GET | &Method::HEAD, path) => match self.file(path) {
                Some(response) => response,
                None => self.redirect(uri, headers, |host| hub.knows_host(host)),
            },
            _ => empty(StatusCode::METHOD_NOT_ALLOWED),
        }
    }

    fn file(&self, path: &str) -> Option<Response<Full<Bytes>>> {
        const CERTIFICATE: &str = "application/x-x509-ca-cert";
        const PICTURE: &str = "image/svg+xml";
        let (content_type, name, body) = match path {
            "/ca.pem" => (CERTIFICATE, Some("keepsight-ca.pem"), self.root_pem.clone()),
            "/ca.crt" => (CERTIFICATE, Some("keepsight-ca.crt"), self.root_der.clone()),
            "/ca.mobileconfig" => {
                ("application/x-apple-aspen-config", Some("keepsight.mobileconfig"), self.ios_profile.clone())
            }
            "/setup.css" => ("text/css; charset=utf-8", None, Bytes::from_static(include_bytes!("plain/setup.css"))),
            "/setup.js" => {
                ("text/javascript; charset=utf-8", None, Bytes::from_static(include_bytes!("plain/setup.js")))
            }
            "/icon.svg" => (PICTURE, None, Bytes::from_static(include_bytes!("plain/icon.svg"))),
            path => (PICTURE, None, picture(path.strip_prefix("/pictures/")?)?.into()),
        };
        let mut response = file(content_type, body, FILE_POLICY);
        if let Some(Ok(name)) = name.map(|name| HeaderValue::from_str(&format!("attachment; filename=\"{name}\""))) {
            response.headers_mut().insert(CONTENT_DISPOSITION, name);
        }
        Some(response)
    }

    /// A phone's time, from the page's own script: another site's page cannot send it, as this is no form's content type,
    /// and its origin is another one.
    async fn take_time<C, B>(
        &self,
        hub: &C,
        peer: Peer,
        uri: &Uri,
        headers: &HeaderMap,
        body: B,
    ) -> Result<(), ApiError>
    where
        C: Hub,
        B: hyper::body::Body + Send,
        B::Data: Send,
        B::Error: Into<Box<dyn std::error::Error + Send + Sync>>,
    {
        #[derive(Deserialize)]
        #[serde(deny_unknown_fields)]
        struct Told {
            time: Timestamp,
        }
        let host =
            HostPort::of(uri, headers).filter(|host| hub.knows_host(&host.host)).ok_or(ProblemKind::WrongHost)?;
        if let Some(origin) = headers.get(ORIGIN) {
            let origin = origin.to_str().ok().and_then(|text| text.strip_prefix("http://")).and_then(HostPort::parse);
            let own = origin.is_some_and(|o| o.host == host.host && o.port.unwrap_or(80) == host.port.unwrap_or(80));
            own.then_some(()).ok_or(ProblemKind::ForeignOrigin)?;
        }
        if headers.get(CONTENT_TYPE).is_none_or(|value| value != "application/json") {
            return Err(ProblemKind::UnsupportedMediaType.into());
        }
        let body = Limited::new(body, MAX_TIME_BYTES).collect();
        let body = base::clock::timeout(&**hub.clock(), BODY_TIMEOUT, body).await;
        let body = body.ok_or(ProblemKind::RequestTimeout)?.map_err(|_| ProblemKind::BadBody)?.to_bytes();
        let told: Told = serde_json::from_slice(&body).map_err(|_| ProblemKind::BadBody)?;
        hub.take_time(told.time, peer).await
    }

    fn redirect(&self, uri: &Uri, headers: &HeaderMap, knows_host: impl Fn(&str) -> bool) -> Response<Full<Bytes>> {
        let asked = HostPort::of(uri, headers).map(|asked| asked.host).filter(|host| knows_host(host));
        let host = match asked.unwrap_or_else(|| self.host.clone()) {
            v6 if v6.contains(':') => format!("[{v6}]"),
            host => host,
        };
        let port = if self.https_port == 443 { String::new() } else { format!(":{}", self.https_port) };
        let path = match uri.path_and_query().map_or("/", |path| path.as_str()) {
            OPEN => "/", // the page here is `/` too
            path => path,
        };
        let Ok(location) = HeaderValue::from_str(&format!("https://{host}{port}{path}")) else {
            return empty(StatusCode::BAD_REQUEST);
        };
        let mut response = empty(StatusCode::PERMANENT_REDIRECT);
        response.headers_mut().insert(LOCATION, location);
        response
    }
}

/// The picture of this file name, as SVG.
fn picture(name: &str) -> Option<String> {
    let name = name.strip_suffix(".svg")?;
    let (name, dark) = name.strip_suffix("-dark").map_or((name, false), |name| (name, true));
    let mut screens = steps::PLATFORMS.iter().flat_map(|p| p.steps).filter_map(|step| step.picture.as_ref());
    screens.find(|screen| screen.file == name).map(|screen| screen.svg(dark))
}

fn file(content_type: &'static str, body: Bytes, policy: &'static str) -> Response<Full<Bytes>> {
    let mut response = Response::new(Full::new(body));
    let headers = response.headers_mut();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static(content_type));
    for (name, value) in [
        ("cache-control", "no-store"),
        ("content-security-policy", policy),
        ("x-content-type-options", "nosniff"),
        ("x-frame-options", "DENY"),
        ("referrer-policy", "no-referrer"),
    ] {
        headers.insert(HeaderName::from_static(name), HeaderValue::from_static(value));
    }
    response
}

fn refused(error: &ApiError) -> Response<Full<Bytes>> {
    let document = serde_json::to_vec(&Document::of(&error.problem)).unwrap_or_default();
    let mut response = file("application/problem+json", document.into(), FILE_POLICY);
    *response.status_mut() = status(error.problem.kind);
    response.headers_mut().extend(error.headers.iter().cloned());
    response
}

fn empty(status: StatusCode) -> Response<Full<Bytes>> {
    let mut response = Response::new(Full::new(Bytes::new()));
    *response.status_mut() = status;
    // A browser that kept a redirect would keep it for whatever hub comes to this address next.
    response.headers_mut().insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    response
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_device_sees_its_own_steps_first_and_open_and_the_others_folded() {
        let facts = page::Facts { host: "h".into(), words: "a b c d".into(), sha256: "AB".into() };
        for (user_agent, expected) in [
            ("Mozilla/5.0 (iPhone; CPU iPhone OS 18_0 like Mac OS X) AppleWebKit/605.1.15 Safari/604.1", &["ios"][..]),
            (
                "Mozilla/5.0 (Linux; Android 15; Pixel 9) AppleWebKit/537.36 Chrome/130.0 Mobile Safari/537.36",
                &["android"],
            ),
            ("Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 Chrome/130.0 Safari/537.36", &["windows"]),
            ("Mozilla/5.0 (Macintosh; Intel Mac OS X 10_15_7) AppleWebKit/605.1.15 Safari/605.1.15", &["macos", "ios"]),
            ("Mozilla/5.0 (X11; Linux x86_64; rv:128.0) Gecko/20100101 Firefox/128.0", &["linux"]),
            ("curl/8.0 \"><script>", &[]),
        ] {
            let page = page::page(&facts, user_agent, false);
            let all: Vec<&str> = page.split("<details id=\"").skip(1).map(|d| d.split('"').next().unwrap()).collect();
            let open = page.matches("<details id=\"").count() - page.matches("\">\n<summary>").count();
            assert_eq!((&all[..expected.len()], open, all.len()), (expected, expected.len(), 5), "{user_agent}");
            assert!(!page.contains("<script"), "only a hub without a clock has one");
        }
        assert!(page::page(&facts, "", true).contains("<script src=\"/setup.js\" defer></script>"));
    }

    #[test]
    fn every_picture_that_a_page_names_is_there_in_light_and_dark_and_has_nothing_inside_that_the_policy_forbids() {
        let facts = page::Facts { host: "h".into(), words: "a b c d".into(), sha256: "AB".into() };
        let page = page::page(&facts, "", true);
        let named: Vec<&str> = page.split("/pictures/").skip(1).map(|rest| rest.split('"').next().unwrap()).collect();
        assert!(named.len() >= 20 && named.iter().filter(|n| n.ends_with("-dark.svg")).count() == named.len() / 2);
        for name in named {
            let svg = picture(name).unwrap_or_else(|| panic!("{name} is not there"));
            assert!(svg.starts_with("<svg ") && svg.ends_with("</svg>\n"));
            assert!(!["<style", "style=", "<script", "href", " onload"].iter().any(|word| svg.contains(word)), "{svg}");
        }
        assert!(picture("../ca.svg").is_none() && picture("ios-trust").is_none() && picture("").is_none());
        for forbidden in ["<style", " style=", "<script>", " onclick=", "javascript:", "http:", "https:"] {
            assert!(!page.contains(forbidden), "the policy forbids {forbidden}");
        }
    }
}
