//! A disk whose syncs take as long as a test wants.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use crate::preload;

/// The syncs of a program below a folder.
#[derive(Debug)]
pub struct SlowDisk {
    control: PathBuf,
}

impl SlowDisk {
    /// Has `command` run with syncs below `folder` that can be made slow. `scratch` is for the test's own files.
    ///
    /// # Panics
    /// If there is no C compiler.
    pub fn below(folder: &Path, command: &mut Command, scratch: &Path) -> SlowDisk {
        let control = scratch.join("slow-ms");
        let library = preload::library("slow/sync.c", scratch);
        command.env("LD_PRELOAD", library).env("SLOW_BELOW", folder).env("SLOW_MS", &control);
        let disk = SlowDisk { control };
        disk.take(Duration::ZERO);
        disk
    }

    /// From now on each sync takes so much longer.
    ///
    /// # Panics
    /// If the test's own file cannot be written.
    pub fn take(&self, longer: Duration) {
        std::fs::write(&self.control, longer.as_millis().to_string()).expect("a file in a temporary folder");
    }
}
