//! What can go wrong with keys, and what a person is told of it.

use std::io;

use base::{Problem, ProblemKind};

/// A sealed key did not give the key that was asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum KeyError {
    /// It is sealed to somebody else.
    #[error("the secret does not open this sealed key")]
    WrongKey,
    /// It opens, but says inside that it is of another camera, epoch or purpose than its label.
    #[error("the sealed key is of another camera, epoch or purpose than its label says")]
    Mismatch,
    /// It is not what the vault writes: cut, changed, or something else altogether.
    #[error("the sealed key is damaged")]
    Damaged,
}

/// A [`Viewer`](crate::Viewer) did not open something.
#[derive(Debug, thiserror::Error)]
pub enum ViewError {
    /// The viewer holds no such key of this camera (and this epoch, if one was named). Said before any I/O.
    #[error("the viewer was not granted this camera")]
    NotGranted,
    /// The viewer holds keys of this camera, and none of them opens this.
    #[error("no key of this camera opens it")]
    WrongKey,
    /// A wrapped key, or a gate, says inside that it is of another camera, epoch or purpose than its label: a mix-up,
    /// and no key.
    #[error("a key or gate is of another camera, epoch or purpose than its label says")]
    Mismatch,
    /// The sealed thing, or a key that is needed for it, is damaged from its start: nothing of it can be shown.
    #[error("it is damaged from its start")]
    Damaged,
    /// It could not be read.
    #[error("it cannot be read")]
    Io(#[source] io::Error),
}

/// A text is not a key file, a recovery kit, or either's JSON.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("not a key file: {detail}")]
pub struct BadKeyFile {
    /// What is wrong, without a word of the text: it may be a secret.
    pub detail: &'static str,
}

impl From<KeyError> for ViewError {
    fn from(e: KeyError) -> Self {
        match e {
            KeyError::WrongKey => ViewError::WrongKey,
            KeyError::Mismatch => ViewError::Mismatch,
            KeyError::Damaged => ViewError::Damaged,
        }
    }
}

impl From<&ViewError> for Problem {
    fn from(e: &ViewError) -> Self {
        match e {
            ViewError::NotGranted => ProblemKind::NotGranted.into(),
            ViewError::WrongKey => ProblemKind::WrongKey.into(),
            ViewError::Mismatch => ProblemKind::FootageForeign.into(),
            ViewError::Damaged => ProblemKind::FootageDamaged.into(),
            ViewError::Io(e) => Problem::with(ProblemKind::FileError, e),
        }
    }
}

impl From<ViewError> for Problem {
    fn from(e: ViewError) -> Self {
        Problem::from(&e)
    }
}

impl From<BadKeyFile> for Problem {
    fn from(e: BadKeyFile) -> Self {
        Problem::with(ProblemKind::BadKeyFile, e.detail)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_person_is_told_what_happened_and_what_to_do() {
        let told = |e: ViewError| Problem::from(e).to_string();
        assert_eq!(told(ViewError::NotGranted), "You were not given this camera. Ask the owner of the hub for access.");
        assert_eq!(
            told(ViewError::WrongKey),
            "This key does not open the file. Use the key file of the camera and time that the file is from."
        );
        assert_eq!(
            told(ViewError::Io(io::Error::other("The disk is gone"))),
            "A file could not be read or written. The disk is gone. Check that it is there, its permissions and the space on the disk."
        );
    }
}
