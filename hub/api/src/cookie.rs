//! The session cookie, the only one the hub sets.
//!
//! `__Host-` makes browsers insist on `Secure`, `Path=/` and no `Domain`: no other name can set or read it.

use std::time::Duration;

use http::HeaderMap;
use http::header::{COOKIE, HeaderValue, SET_COOKIE};
use zeroize::Zeroizing;

use crate::reply::Response;

/// The cookie's name.
pub const NAME: &str = "__Host-keepsight";

/// The longest value that is looked at, in bytes: a session token is 43.
const MAX_VALUE_BYTES: usize = 256;

/// Browsers keep no cookie for longer than 400 days. A session ends when it is revoked, not before.
const MAX_AGE: Duration = Duration::from_secs(400 * 24 * 3600);

/// Hands a browser its session. The token must be letters, digits, `-` and `_`, as base64url is; no other is sent.
pub fn set(response: &mut Response, token: &str) {
    if !is_token(token) {
        return tracing::error!("a session token cannot be a cookie");
    }
    let max_age = MAX_AGE.as_secs();
    let text = format!("{NAME}={token}; Path=/; Secure; HttpOnly; SameSite=Strict; Max-Age={max_age}");
    if let Ok(mut value) = HeaderValue::from_str(&Zeroizing::new(text)) {
        value.set_sensitive(true); // HTTP/2 does not keep it in its compression table
        response.headers_mut().append(SET_COOKIE, value);
    }
}

/// Makes a browser forget its session.
pub fn clear(response: &mut Response) {
    let gone = HeaderValue::from_static("__Host-keepsight=; Path=/; Secure; HttpOnly; SameSite=Strict; Max-Age=0");
    response.headers_mut().append(SET_COOKIE, gone);
}

/// The session token in a request's cookies. Two different ones are none: one of them was planted.
pub fn token(headers: &HeaderMap) -> Option<Zeroizing<String>> {
    let mut found: Option<&str> = None;
    // HTTP/2 may split cookies over several headers (RFC 9113 §8.2.3).
    for header in headers.get_all(COOKIE) {
        for pair in header.to_str().ok()?.split(';') {
            let Some((name, value)) = pair.trim().split_once('=') else { continue };
            if name != NAME {
                continue;
            }
            if !is_token(value) || found.is_some_and(|other| other != value) {
                return None;
            }
            found = Some(value);
        }
    }
    found.map(|token| Zeroizing::new(token.to_owned()))
}

/// Is the text what a session token may be made of: 1 to 256 characters of base64url?
pub(crate) fn is_token(text: &str) -> bool {
    (1..=MAX_VALUE_BYTES).contains(&text.len())
        && text.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-' || b == b'_')
}

#[cfg(test)]
mod tests {
    use super::*;

    fn headers(cookies: &[&str]) -> HeaderMap {
        cookies.iter().map(|c| (COOKIE, HeaderValue::from_str(c).unwrap())).collect()
    }

    #[test]
    fn a_cookie_that_was_set_reads_back() {
        let mut response = crate::reply::no_content();
        set(&mut response, "AbC-_9");
        let set = &response.headers()[SET_COOKIE];
        let text = set.to_str().unwrap();
        assert_eq!(text, "__Host-keepsight=AbC-_9; Path=/; Secure; HttpOnly; SameSite=Strict; Max-Age=34560000");
        assert_eq!(token(&headers(&[text.split(';').next().unwrap()])).unwrap().as_str(), "AbC-_9");
        assert!(set.is_sensitive());
    }

    #[test]
    fn a_cookie_that_was_cleared_is_none() {
        let mut response = crate::reply::no_content();
        clear(&mut response);
        let text = response.headers()[SET_COOKIE].to_str().unwrap();
        assert!(text.ends_with("Path=/; Secure; HttpOnly; SameSite=Strict; Max-Age=0"), "{text}");
        assert!(token(&headers(&[text.split(';').next().unwrap()])).is_none());
    }

    #[test]
    fn it_is_found_among_others_and_over_several_headers() {
        assert_eq!(token(&headers(&["a=b; __Host-keepsight=tok ;c=d"])).unwrap().as_str(), "tok");
        assert_eq!(token(&headers(&["a=b", "__Host-keepsight=tok"])).unwrap().as_str(), "tok");
        assert_eq!(token(&headers(&["__Host-keepsight=tok; __Host-keepsight=tok"])).unwrap().as_str(), "tok");
    }

    #[test]
    fn what_is_not_one_good_token_is_none() {
        for bad in [
            "",
            "keepsight=tok",
            "__host-keepsight=tok",
            "__Host-keepsight=",
            "__Host-keepsight=a b",
            "__Host-keepsight=\"tok\"",
            "__Host-keepsight=one; __Host-keepsight=two",
            &format!("__Host-keepsight={}", "x".repeat(257)),
        ] {
            assert!(token(&headers(&[bad])).is_none(), "{bad}");
        }
        let mut response = crate::reply::no_content();
        set(&mut response, "a;b");
        assert!(response.headers().is_empty());
    }

    proptest::proptest! {
        #[test]
        fn no_cookie_header_makes_it_panic(text in "[ -~]{0,80}") {
            token(&headers(&[&text]));
        }
    }
}
