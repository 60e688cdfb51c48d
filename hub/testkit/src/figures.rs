//! Figures of long tests: a line for each round, in the folder that `KEEPSIGHT_RESULTS` names; without it nowhere. A run that was ended
//! early goes on from what is there.

use std::fs::OpenOptions;
use std::io::Write;
use std::path::{Path, PathBuf};

use serde_json::Value;

/// A file of figures, or none.
pub struct Figures(Option<PathBuf>);

impl Figures {
    /// The file of this name in that folder.
    pub fn of(name: &str) -> Self {
        Self(std::env::var_os("KEEPSIGHT_RESULTS").map(|folder| Path::new(&folder).join(name)))
    }

    /// What all rounds before had of this, together.
    pub fn sum(&self, of: &str) -> u64 {
        let Some(file) = &self.0 else { return 0 };
        let lines = std::fs::read_to_string(file).unwrap_or_default(); // there is none at first
        lines.lines().filter_map(|line| serde_json::from_str::<Value>(line).ok()?[of].as_u64()).sum()
    }

    /// Adds a round's.
    ///
    /// # Panics
    /// If they cannot be written.
    pub fn keep(&self, figures: &Value) {
        let Some(file) = &self.0 else { return };
        let mut file = OpenOptions::new().create(true).append(true).open(file).expect("a file of figures");
        writeln!(file, "{figures}").expect("room for a line");
    }
}
