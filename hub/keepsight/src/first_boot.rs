//! `keepsight first-boot`: what a person wrote onto the card before the first start, or later.

use std::fmt::Display;
use std::path::{Path, PathBuf};

use base::{Problem, ProblemKind};
use clap::Args;
use system::first_boot::{FirstBoot, Machine};
use zeroize::Zeroizing;

use crate::out::{self, Failure};

/// Longer files are something else.
const MAX_BYTES: u64 = 64 * 1024;

/// `keepsight first-boot`.
#[derive(Debug, Args)]
pub struct FirstBootCommand {
    /// Only look whether this file can be used; nothing is changed
    #[arg(long, value_name = "FILE", conflicts_with = "root")]
    check: Option<PathBuf>,
    /// Where the machine's files begin
    #[arg(long, value_name = "FOLDER", default_value = "/")]
    root: PathBuf,
}

impl FirstBootCommand {
    /// Does it, and prints what was done, after everything that is wrong.
    ///
    /// # Errors
    /// Something was wrong; what is right was done nevertheless.
    pub fn run(&self) -> Result<(), Failure> {
        let (wrong, done) = match &self.check {
            Some(file) => check(file)?,
            None => {
                let outcome = Machine::new(&self.root).first_boot();
                (outcome.wrong, outcome.done)
            }
        };
        for line in wrong.iter().chain(&done) {
            out::text(&out::printable(line))?;
        }
        if wrong.is_empty() { Ok(()) } else { Err(Failure::Found(wrong.len())) }
    }
}

/// What is wrong with a file, or that nothing is.
fn check(file: &Path) -> Result<(Vec<String>, Vec<String>), Problem> {
    let unreadable =
        |why: &dyn Display| Problem::with(ProblemKind::FileError, format_args!("{}: {why}", file.display()));
    let bytes = Zeroizing::new(base::fs::read(file, MAX_BYTES).map_err(|e| unreadable(&e.source))?);
    let text = std::str::from_utf8(&bytes).map_err(|_| unreadable(&"it is not UTF-8"))?;
    Ok(match FirstBoot::parse(text) {
        Ok(_) => (Vec::new(), vec!["The file can be used.".into()]),
        Err(wrong) => (wrong.iter().map(|one| format!("{}, {one}.", file.display())).collect(), Vec::new()),
    })
}
