//! The plain HTTP port: how a phone comes to trust the hub, and the way to HTTPS. Nothing else.

use bytes::Bytes;
use http::header::{CACHE_CONTROL, CONTENT_DISPOSITION, CONTENT_TYPE, HeaderValue, LOCATION};
use http::{HeaderMap, Method, Response, StatusCode, Uri};
use http_body_util::Full;
use tls::Authority;

use crate::host::HostPort;

/// Where the set-up page's link to the hub's own page goes: an address that is sent on, as only a request says by which
/// name the hub was reached.
const OPEN: &str = "/open";

/// What the plain port serves. Anybody may know all of it.
pub struct Plain {
    root_pem: Bytes,
    ios_profile: Bytes,
    page: Bytes,
    host: String,
    https_port: u16,
}

impl Plain {
    /// Of a hub whose HTTPS is on this port.
    pub fn new(authority: &Authority, https_port: u16) -> Self {
        let host = authority.names().dns.first().cloned().unwrap_or_default();
        let page = page(&authority.fingerprint_words().join(" "), &authority.fingerprint_sha256());
        Self {
            root_pem: authority.root_pem().to_owned().into(),
            ios_profile: authority.ios_profile().into(),
            page: page.into(),
            host,
            https_port,
        }
    }

    /// Answers a request. `knows_host` as [`crate::Hub::knows_host`]: whoever came by a foreign name is sent to the
    /// hub's own.
    pub(crate) fn answer(
        &self,
        method: &Method,
        uri: &Uri,
        headers: &HeaderMap,
        knows_host: impl Fn(&str) -> bool,
    ) -> Response<Full<Bytes>> {
        let (content_type, file, body) = match uri.path() {
            _ if !matches!(*method, Method::GET | Method::HEAD) => return empty(StatusCode::METHOD_NOT_ALLOWED),
            "/" => ("text/html; charset=utf-8", None, &self.page),
            "/ca.pem" => ("application/x-x509-ca-cert", Some("keepsight-ca.pem"), &self.root_pem),
            "/ca.mobileconfig" => {
                ("application/x-apple-aspen-config", Some("keepsight.mobileconfig"), &self.ios_profile)
            }
            _ => return self.redirect(uri, headers, knows_host),
        };
        let mut response = Response::new(Full::new(body.clone()));
        let headers = response.headers_mut();
        headers.insert(CONTENT_TYPE, HeaderValue::from_static(content_type));
        headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
        headers
            .insert("content-security-policy", HeaderValue::from_static("default-src 'none'; frame-ancestors 'none'"));
        headers.insert("x-content-type-options", HeaderValue::from_static("nosniff"));
        if let Some(Ok(name)) = file.map(|file| HeaderValue::from_str(&format!("attachment; filename=\"{file}\""))) {
            headers.insert(CONTENT_DISPOSITION, name);
        }
        response
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

fn empty(status: StatusCode) -> Response<Full<Bytes>> {
    let mut response = Response::new(Full::new(Bytes::new()));
    *response.status_mut() = status;
    // A browser that kept a redirect would keep it for whatever hub comes to this address next.
    response.headers_mut().insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    response
}

fn page(words: &str, sha256: &str) -> String {
    format!(
        r#"<!doctype html>
<html lang="en">
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>Keepsight: set up this device</title>
<h1>Set up this device</h1>
<p>Your hub speaks to you encrypted only. For that, this device has to know the hub's own certificate. It is good for
the hub's own names and for nothing else.</p>
<ol>
<li><p>Install it: <a href="/ca.mobileconfig">iPhone or iPad</a>, <a href="/ca.pem">any other device</a>.</p>
<p>On an iPhone then open Settings, General, VPN and Device Management, and install the profile; after that switch it on
under General, About, Certificate Trust Settings.</p></li>
<li><p>Compare these four words with those on the hub's own screen: <strong>{words}</strong>. If they differ, somebody
stands between you and the hub: remove the certificate again.</p></li>
<li><p><a href="{OPEN}">Open the hub</a>.</p></li>
</ol>
<p><small>SHA-256: {sha256}</small></p>
"#
    )
}
