//! What the system has done as root on a hub's behalf: other programs run, files of the hub touched as the hub's user, and waiting.

use std::io::Write;
use std::process::{Command, Stdio};
use std::time::Duration;

use base::{Clock, Problem, SystemClock};
use nix::unistd::{Gid, Uid, setfsgid, setfsuid};

use crate::cli::wait_for;

/// Does something with files as somebody may: a hub that was broken into must not have root read or write for it.
pub(crate) fn as_user<T>(user: (Uid, Gid), does: impl FnOnce() -> T) -> T {
    struct Back((Uid, Gid));
    impl Drop for Back {
        fn drop(&mut self) {
            setfsgid(self.0.1);
            setfsuid(self.0.0);
        }
    }
    let gid = setfsgid(user.1);
    let _back = Back((setfsuid(user.0), gid));
    does()
}

/// Runs a program to its end.
///
/// # Errors
/// It does not start, or fails: its name and its last word.
pub(crate) fn run(program: &str, words: &[&str], input: &[u8]) -> Result<(), String> {
    let starts = || {
        let mut child = Command::new(program)
            .args(words)
            .env("LC_ALL", "C.UTF-8")
            .stdin(Stdio::piped())
            .stdout(Stdio::null())
            .stderr(Stdio::piped())
            .spawn()?;
        // Who does not read it says why at its end.
        let _ = child.stdin.take().map(|mut stdin| stdin.write_all(input));
        child.wait_with_output()
    };
    let done = starts().map_err(|e| format!("{program}: {e}"))?;
    if done.status.success() {
        return Ok(());
    }
    let said = String::from_utf8_lossy(&done.stderr);
    let last = said.lines().rfind(|line| !line.trim().is_empty()).unwrap_or("it failed without a word");
    Err(format!("{program}: {last}"))
}

/// Waits until something is there; `false`: it does not come.
pub(crate) fn comes(is: impl Fn() -> bool, within: Duration) -> Result<bool, Problem> {
    wait_for(async {
        let began = SystemClock.mono();
        while !is() {
            if SystemClock.mono().since(began) > within {
                return false;
            }
            SystemClock.sleep(Duration::from_millis(50)).await;
        }
        true
    })
}
