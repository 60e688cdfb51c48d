//! The claim token: who can read it has physical access to the hub, and becomes its owner.

use std::path::{Path, PathBuf};
use std::sync::Mutex;
use std::time::Duration;

use base::fs::{self, FsError};
use base::{Mono, SharedClock};
use vault::{ClaimToken, Zeroizing};

/// How long a token is open after start, and after it was printed again.
const OPEN_FOR: Duration = Duration::from_secs(30 * 60);

/// The token of an unclaimed hub. It is kept in a file, so that a QR code printed before a restart holds after it.
pub(crate) struct Claiming {
    path: PathBuf,
    clock: SharedClock,
    /// Lock order: a leaf.
    token: Mutex<Option<Open>>,
}

struct Open {
    token: ClaimToken,
    until: Mono,
}

impl Claiming {
    pub(crate) fn open(secrets: &Path, clock: SharedClock) -> Result<Self, FsError> {
        let path = secrets.join("claim-token");
        let kept = match fs::read(&path, 1024).map(Zeroizing::new) {
            Ok(text) => std::str::from_utf8(&text).ok().and_then(|t| ClaimToken::parse(t.trim()).ok()),
            Err(e) if e.is_not_found() => None,
            Err(e) => return Err(e),
        };
        let token = kept.map(|token| Open { token, until: clock.mono() + OPEN_FOR });
        Ok(Self { path, clock, token: Mutex::new(token) })
    }

    /// The token, open for half an hour from now; made if there is none. Only for an unclaimed hub.
    pub(crate) fn reopen(&self) -> Result<Zeroizing<String>, FsError> {
        let mut open = self.token.lock().unwrap_or_else(|poisoned| poisoned.into_inner());
        let token = match open.take() {
            Some(open) => open.token,
            None => {
                let token = ClaimToken::generate();
                fs::write_atomic(&self.path, token.reveal().as_bytes(), 0o600)?;
                token
            }
        };
        let text = token.reveal();
        *open = Some(Open { token, until: self.clock.mono() + OPEN_FOR });
        Ok(text)
    }

    /// The token, and for how long it is open yet; `None` if there is none, or it is shut.
    pub(crate) fn shown(&self) -> Option<(Zeroizing<String>, Duration)> {
        let open = self.token.lock().unwrap_or_else(|poisoned| poisoned.into_inner());
        let open = open.as_ref()?;
        let left = open.until.since(self.clock.mono());
        (!left.is_zero()).then(|| (open.token.reveal(), left))
    }

    /// Is this the token, and is it open?
    pub(crate) fn accepts(&self, typed: &str) -> bool {
        let Ok(typed) = ClaimToken::parse(typed) else { return false };
        let open = self.token.lock().unwrap_or_else(|poisoned| poisoned.into_inner());
        open.as_ref().is_some_and(|open| open.token == typed && self.clock.mono() < open.until)
    }

    /// The hub has an owner: the token is worth nothing any more.
    pub(crate) fn close(&self) {
        *self.token.lock().unwrap_or_else(|poisoned| poisoned.into_inner()) = None;
        if let Err(e) = std::fs::remove_file(&self.path) {
            tracing::warn!(path = %self.path.display(), error = %e, "the used claim token stays in its file");
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use base::SimClock;
    use std::sync::Arc;

    #[test]
    fn a_token_is_open_for_half_an_hour_outlives_a_restart_and_ends_with_the_claim() {
        let dir = tempfile::tempdir().unwrap();
        let clock = SimClock::default();
        let claiming = Claiming::open(dir.path(), Arc::new(clock.clone())).unwrap();
        let token = claiming.reopen().unwrap();
        assert!(claiming.accepts(&token));
        assert!(!claiming.accepts(&ClaimToken::generate().reveal()));
        assert!(!claiming.accepts(""));
        clock.advance(Duration::from_secs(60));
        assert_eq!(claiming.shown(), Some((token.clone(), OPEN_FOR - Duration::from_secs(60))));

        clock.advance(OPEN_FOR - Duration::from_secs(60));
        assert_eq!(claiming.shown(), None);
        assert!(!claiming.accepts(&token), "after half an hour it is shut");
        assert_eq!(*claiming.reopen().unwrap(), *token, "printing it again opens the same one");
        assert!(claiming.accepts(&token));

        let restarted = Claiming::open(dir.path(), Arc::new(clock.clone())).unwrap();
        assert!(restarted.accepts(&token));
        restarted.close();
        assert!(!restarted.accepts(&token));
        assert!(!Claiming::open(dir.path(), Arc::new(clock)).unwrap().accepts(&token));
    }
}
