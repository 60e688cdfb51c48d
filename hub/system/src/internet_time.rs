//! Time from the internet, if an owner wants it: the hub may neither set this machine's clock nor start a service, so it says
//! in a file in memory what is wanted, and `keepsight-time.path` of the image looks at it.

use std::path::PathBuf;

use base::fs::FsError;
use serde::{Deserialize, Serialize};

/// The name of the file.
pub const INTERNET_TIME: &str = "internet-time";
/// The name under which the store has [`TimeSettings`].
pub const TIME_SETTINGS: &str = "time";

/// What people decide about the time. As flashed nobody outside is asked for it.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TimeSettings {
    /// Time servers on the internet (or those that the router names) are asked.
    pub internet: bool,
}

/// Where it is said whether time servers are to be asked.
#[derive(Debug, Clone)]
pub struct InternetTime(Option<PathBuf>);

impl InternetTime {
    /// Says it in this file, in the hub's own folder in memory; `None`: on this machine it is not the hub's to say.
    pub fn new(file: Option<PathBuf>) -> Self {
        Self(file)
    }

    /// Does anybody look at what is said?
    pub fn is_there(&self) -> bool {
        self.0.is_some()
    }

    /// Says it. Blocks: a small file.
    ///
    /// # Errors
    /// When the file cannot be written.
    pub fn say(&self, wanted: TimeSettings) -> Result<(), FsError> {
        let Some(file) = &self.0 else { return Ok(()) };
        base::fs::write_atomic(file, if wanted.internet { b"on\n" } else { b"off\n" }, 0o600)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_wanted_is_said_where_somebody_looks() {
        let folder = tempfile::tempdir().unwrap();
        let time = InternetTime::new(Some(folder.path().join(INTERNET_TIME)));
        assert!(time.is_there());
        let said = || std::fs::read_to_string(folder.path().join(INTERNET_TIME)).unwrap();
        time.say(TimeSettings { internet: true }).unwrap();
        assert_eq!(said(), "on\n");
        time.say(TimeSettings::default()).unwrap();
        assert_eq!(said(), "off\n", "as flashed nobody is asked");
        let nobody = InternetTime::new(None);
        assert!(!nobody.is_there());
        nobody.say(TimeSettings { internet: true }).unwrap();
    }
}
