//! Key files: age identity files whose comments say whose key each line is.
//!
//! ```text
//! # Keepsight camera keys. Whoever has them can open this camera's pictures.
//! # camera=01kdw… epoch=01kdw… purpose=live
//! AGE-SECRET-KEY-1…
//! # camera=01kdw… epoch=01kdw… purpose=footage
//! AGE-SECRET-KEY-1…
//! ```
//!
//! `age -d -i FILE` takes them as they are. The comments are hints: what makes a key a camera's is that it opens what
//! was sealed to that camera.

use zeroize::Zeroizing;

use crate::Purpose;
use crate::camera_keys::{CameraKey, KeyLabel};
use crate::error::BadKeyFile;
use crate::secret::Secret;

/// The longest key file that is read.
const MAX_BYTES: usize = 1024 * 1024;

const FIRST_LINE: &str = "# Keepsight camera keys. Whoever has them can open this camera's pictures.\n";

pub(crate) fn write(keys: &[CameraKey]) -> Zeroizing<String> {
    use std::fmt::Write;
    // 256 is more than a key's two lines take: it must not grow and leave copies.
    let mut text = Zeroizing::new(String::with_capacity(FIRST_LINE.len() + 256 * keys.len()));
    text.push_str(FIRST_LINE);
    for key in keys {
        if let Some(KeyLabel { camera, epoch, purpose }) = key.label {
            writeln!(text, "# camera={camera} epoch={epoch} purpose={}", word(purpose)).expect("a String takes all");
        }
        text.push_str(&key.secret.text());
        text.push('\n');
    }
    text
}

pub(crate) fn parse(text: &str) -> Result<Vec<CameraKey>, BadKeyFile> {
    if text.len() > MAX_BYTES {
        return Err(BadKeyFile { detail: "It is too long" });
    }
    let mut keys = Vec::new();
    let mut label = None;
    for line in text.lines().map(str::trim) {
        if let Some(comment) = line.strip_prefix('#') {
            label = parse_label(comment);
        } else if !line.is_empty() {
            let secret = Secret::parse(line).ok_or(BadKeyFile { detail: "A line is neither a key nor a comment" })?;
            keys.push(CameraKey { label: label.take(), secret });
        }
    }
    if keys.is_empty() { Err(BadKeyFile { detail: "It holds no key" }) } else { Ok(keys) }
}

fn parse_label(comment: &str) -> Option<KeyLabel> {
    let mut words = comment.split_whitespace();
    let mut value = |name: &str| words.next()?.strip_prefix(name)?.strip_prefix('=');
    let camera = value("camera")?.parse().ok()?;
    let epoch = value("epoch")?.parse().ok()?;
    let purpose = value("purpose")?;
    let purpose = [Purpose::Live, Purpose::Footage].into_iter().find(|p| word(*p) == purpose)?;
    Some(KeyLabel { camera, epoch, purpose })
}

fn word(purpose: Purpose) -> &'static str {
    match purpose {
        Purpose::Live => "live",
        Purpose::Footage => "footage",
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use base::{CameraId, EpochId, SimClock};
    use proptest::prelude::*;

    fn key() -> CameraKey {
        let clock = SimClock::default();
        let (camera, epoch) = (CameraId::new(&clock), EpochId::new(&clock));
        CameraKey { label: Some(KeyLabel { camera, epoch, purpose: Purpose::Footage }), secret: Secret::generate() }
    }

    fn same(a: &[CameraKey], b: &[CameraKey]) -> bool {
        a.len() == b.len() && a.iter().zip(b).all(|(a, b)| a.label == b.label && a.secret.expose() == b.secret.expose())
    }

    #[test]
    fn a_key_file_reads_back() {
        let keys = [key(), CameraKey { label: None, secret: Secret::generate() }, key()];
        let text = write(&keys);
        assert!(same(&parse(&text).unwrap(), &keys), "{}", *text);
        assert!(same(&parse(&text.replace('\n', "\r\n  ")).unwrap(), &keys));
    }

    #[test]
    fn a_label_counts_for_the_next_key_only() {
        let [a, b] = [key(), key()];
        let text = format!("{}{}\n", *write(&[a]), *b.secret.text());
        assert_eq!(parse(&text).unwrap()[1].label, None);
    }

    #[test]
    fn what_is_no_key_file_is_refused_without_repeating_it() {
        for (text, detail) in [
            ("", "It holds no key"),
            ("# only a comment\n\n", "It holds no key"),
            ("hunter2", "A line is neither a key nor a comment"),
            ("AGE-SECRET-KEY-1QQQ", "A line is neither a key nor a comment"),
            (&"#".repeat(MAX_BYTES + 1), "It is too long"),
        ] {
            assert_eq!(parse(text).unwrap_err(), BadKeyFile { detail });
        }
    }

    proptest! {
        #[test]
        fn any_text_is_read_or_refused(text in "(# camera=[0-9a-z]{0,26} epoch=\\PC{0,8}|AGE-SECRET-KEY-1[A-Z0-9]{0,58}|\\PC|\n){0,12}") {
            let _ = parse(&text);
        }
        #[test]
        fn a_comment_nobody_knows_is_only_a_comment(comment in "[^\r\n]{0,60}") {
            let secret = Secret::generate();
            let keys = parse(&format!("#{comment}\n{}", *secret.text())).unwrap();
            prop_assert_eq!(keys[0].secret.expose(), secret.expose());
        }
    }
}
