//! Who may play: Basic and Digest authentication as RTSP took them from HTTP (RFC 2617, RFC 7616).
//!
//! Digest with MD5 is what cameras speak. It keeps the password off the wire and is worth no more than that.

use aws_lc_rs::constant_time::verify_slices_are_equal;
use md5::{Digest, Md5};

use crate::request::{Request, target};
use crate::sdp::base64;

const REALM: &str = "keepsight";

/// How a server asks for the password.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Scheme {
    /// Digest of RFC 2617 with `qop="auth"`.
    Digest,
    /// Digest of RFC 2069, as old cameras have it: without `qop`.
    DigestWithoutQop,
    /// The password in the clear.
    Basic,
}

/// A user name and what is left of its password: enough to check it, and never shown.
#[derive(Clone)]
pub struct Credentials {
    user: String,
    /// H(A1) of RFC 2617 §3.2.2.2: as good as the password, for this realm only.
    digest: String,
    /// SHA-256 of what Basic sends.
    basic: [u8; 32],
}

impl Credentials {
    /// Of this user and password.
    pub fn new(user: &str, password: &str) -> Self {
        Self {
            user: user.to_owned(),
            digest: md5_hex(&[user, REALM, password]),
            basic: sha256(&base64(format!("{user}:{password}").as_bytes())),
        }
    }
}

/// The challenge of a 401 answer: the value of `WWW-Authenticate`.
pub(crate) fn challenge(scheme: Scheme, nonce: &str) -> String {
    match scheme {
        Scheme::Digest => format!(r#"Digest realm="{REALM}", nonce="{nonce}", algorithm=MD5, qop="auth""#),
        Scheme::DigestWithoutQop => format!(r#"Digest realm="{REALM}", nonce="{nonce}""#),
        Scheme::Basic => format!(r#"Basic realm="{REALM}""#),
    }
}

/// A number used once per connection, as text.
pub(crate) fn nonce() -> String {
    let mut random = [0; 16];
    base::random(&mut random);
    hex(&random)
}

/// Does the request prove that it knows the password, by the scheme that was asked for?
pub(crate) fn check(credentials: &Credentials, scheme: Scheme, nonce: &str, request: &Request) -> bool {
    let Some((kind, rest)) = request.header("Authorization").and_then(|v| v.trim().split_once(' ')) else {
        return false;
    };
    match scheme {
        Scheme::Basic => {
            kind.eq_ignore_ascii_case("Basic")
                && verify_slices_are_equal(&sha256(rest.trim()), &credentials.basic).is_ok()
        }
        Scheme::Digest | Scheme::DigestWithoutQop => {
            kind.eq_ignore_ascii_case("Digest") && check_digest(credentials, nonce, request, rest).unwrap_or(false)
        }
    }
}

fn check_digest(credentials: &Credentials, nonce: &str, request: &Request, header: &str) -> Option<bool> {
    let params = params(header);
    let param = |name: &str| params.iter().find(|(n, _)| n.eq_ignore_ascii_case(name)).map(|(_, v)| v.as_str());
    let uri = param("uri")?;
    // Clients write the address in different ways, but it must be of the same mount.
    if param("username")? != credentials.user
        || param("nonce")? != nonce
        || param("realm")? != REALM
        || target(uri).0 != target(&request.uri).0
    {
        return Some(false);
    }
    let ha2 = md5_hex(&[&request.method, uri]);
    let expected = match param("qop") {
        None => md5_hex(&[&credentials.digest, nonce, &ha2]),
        Some("auth") => md5_hex(&[&credentials.digest, nonce, param("nc")?, param("cnonce")?, "auth", &ha2]),
        Some(_) => return Some(false),
    };
    let response = param("response")?.to_ascii_lowercase();
    Some(verify_slices_are_equal(response.as_bytes(), expected.as_bytes()).is_ok())
}

/// `name=value` pairs with commas between; a value may be quoted, with backslashes. What does not fit is left out.
fn params(text: &str) -> Vec<(String, String)> {
    let mut params = Vec::new();
    let mut rest = text;
    while let Some((name, after)) = rest.split_once('=') {
        let name = name.trim_start_matches([',', ' ', '\t']).trim().to_owned();
        let after = after.trim_start();
        let mut value = String::new();
        if let Some(quoted) = after.strip_prefix('"') {
            let mut chars = quoted.char_indices();
            rest = "";
            while let Some((i, c)) = chars.next() {
                match c {
                    '"' => {
                        rest = &quoted[i + 1..];
                        break;
                    }
                    '\\' => value.extend(chars.next().map(|(_, c)| c)),
                    c => value.push(c),
                }
            }
        } else {
            let end = after.find(',').unwrap_or(after.len());
            value.push_str(after[..end].trim());
            rest = &after[end..];
        }
        params.push((name, value));
    }
    params
}

fn md5_hex(parts: &[&str]) -> String {
    hex(&Md5::digest(parts.join(":")))
}

fn sha256(text: &str) -> [u8; 32] {
    let digest = aws_lc_rs::digest::digest(&aws_lc_rs::digest::SHA256, text.as_bytes());
    digest.as_ref().try_into().expect("SHA-256 has 32 bytes")
}

pub(crate) fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|b| format!("{b:02x}")).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::request::{Incoming, next};
    use proptest::prelude::*;

    fn request(method: &str, uri: &str, authorization: &str) -> Request {
        let text = format!("{method} {uri} RTSP/1.0\r\nCSeq: 1\r\nAuthorization: {authorization}\r\n\r\n");
        match next(&mut text.as_bytes().into()) {
            Ok(Some(Incoming::Request(request))) => request,
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn the_digest_is_that_of_rfc_2617() {
        // The example of RFC 2617 §3.5, whose realm is another one.
        let mut credentials = Credentials::new("Mufasa", "Circle Of Life");
        credentials.digest = md5_hex(&["Mufasa", "testrealm@host.com", "Circle Of Life"]);
        assert_eq!(credentials.digest, "939e7578ed9e3c518a452acee763bce9");
        let ha2 = md5_hex(&["GET", "/dir/index.html"]);
        let nonce = "dcd98b7102dd2f0e8b11d0f600bfb0c093";
        assert_eq!(
            md5_hex(&[&credentials.digest, nonce, "00000001", "0a4f113b", "auth", &ha2]),
            "6629fae49393a05397450978507c4ef1"
        );
    }

    #[test]
    fn a_digest_is_good_for_its_nonce_method_and_mount_only() {
        let credentials = Credentials::new("admin", "s3cret");
        let uri = "rtsp://h:554/cam01/main/";
        let answer = |password: &str, method: &str, uri: &str| {
            let ha2 = md5_hex(&[method, uri]);
            let digest = Credentials::new("admin", password).digest;
            let response = md5_hex(&[&digest, "n0", "00000001", "abc", "auth", &ha2]);
            format!(
                r#"Digest username="admin", realm="{REALM}", nonce="n0", uri="{uri}", qop=auth, nc=00000001, cnonce="abc", response="{response}""#
            )
        };
        let good = answer("s3cret", "PLAY", uri);
        let check = |nonce, request| check(&credentials, Scheme::Digest, nonce, &request);
        assert!(check("n0", request("PLAY", uri, &good)));
        assert!(check("n0", request("PLAY", "rtsp://other-name/cam01/main", &good)));
        assert!(!check("n1", request("PLAY", uri, &good)));
        assert!(!check("n0", request("TEARDOWN", uri, &good)));
        assert!(!check("n0", request("PLAY", "rtsp://h:554/cam02/main", &good)));
        assert!(!check("n0", request("PLAY", uri, &answer("wrong", "PLAY", uri))));
        assert!(!check("n0", request("PLAY", uri, "Digest")));
        assert!(!check("n0", request("PLAY", uri, "Basic YWRtaW46czNjcmV0")));
    }

    #[test]
    fn basic_compares_the_whole_pair() {
        let credentials = Credentials::new("admin", "s3cret");
        let check = |text| check(&credentials, Scheme::Basic, "", &request("PLAY", "rtsp://h/a", text));
        assert!(check("Basic YWRtaW46czNjcmV0"));
        assert!(!check("Basic YWRtaW46czNjcmV1"));
        assert!(!check("Basic"));
    }

    #[test]
    fn parameters_may_be_quoted() {
        assert_eq!(
            params(r#"a="x, \"y\"", b = z ,c="#),
            [("a", r#"x, "y""#), ("b", "z"), ("c", "")].map(|(n, v)| (n.to_owned(), v.to_owned()))
        );
    }

    proptest! {
        #[test]
        fn any_header_is_refused_without_a_panic(text in "\\PC*") {
            params(&text);
        }
    }
}
