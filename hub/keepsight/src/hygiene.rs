//! What the process is, before it holds a secret: no core dump, not readable by other processes of the same user,
//! files for its own user only, and as many open files as the system allows.

use nix::sys::resource::{Resource, getrlimit, setrlimit};
use nix::sys::stat::{Mode, umask};

/// Called first in every command: each of them holds a password, a key or footage for a moment.
///
/// Nothing here can fail in a way that should stop a hub: what the system refuses is logged.
pub fn harden() {
    umask(Mode::from_bits_truncate(0o077));
    // Not dumpable: no core dump, and no ptrace or /proc/PID/mem for others of the same user.
    report("be not dumpable", nix::sys::prctl::set_dumpable(false));
    report("refuse core dumps", setrlimit(Resource::RLIMIT_CORE, 0, 0));
    // The soft limit of 1024 is for programs that use select(2); each camera, connection and sled file takes one.
    let raised =
        getrlimit(Resource::RLIMIT_NOFILE).and_then(|(_, hard)| setrlimit(Resource::RLIMIT_NOFILE, hard, hard));
    report("open more files", raised);
}

fn report(what: &str, result: nix::Result<()>) {
    if let Err(error) = result {
        tracing::warn!(%error, "the process could not {what}");
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_process_keeps_its_memory_and_files_to_itself() {
        harden();
        assert!(!nix::sys::prctl::get_dumpable().unwrap());
        assert_eq!(getrlimit(Resource::RLIMIT_CORE).unwrap(), (0, 0));
        let (soft, hard) = getrlimit(Resource::RLIMIT_NOFILE).unwrap();
        assert_eq!(soft, hard);
        assert_eq!(umask(Mode::from_bits_truncate(0o077)), Mode::from_bits_truncate(0o077));
    }
}
