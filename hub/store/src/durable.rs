//! The one call that makes sled durable: `sync_file_range` is `fdatasync` in this program.
//!
//! sled 0.34.7 "flushes" with `sync_file_range`, which guarantees nothing on a drive with a volatile cache: simulated
//! power cuts lost nearly everything that had been acknowledged. So this crate defines the symbol for the whole program;
//! the store refuses to open where the definition did not win. Nothing else in the hub uses the call.
//!
//! Answering ENOSYS would do as well: sled then calls `fsync`, which also writes the times of its file to the file
//! system's journal each time, and costs a card that much more.

use std::sync::atomic::{AtomicU64, Ordering};

use nix::libc::{c_int, c_uint, off64_t};

static CALLS: AtomicU64 = AtomicU64::new(0);

/// Makes the whole file durable. Overrides the C library's function of the same name and signature.
#[unsafe(no_mangle)]
pub extern "C" fn sync_file_range(fd: c_int, _offset: off64_t, _bytes: off64_t, _flags: c_uint) -> c_int {
    CALLS.fetch_add(1, Ordering::SeqCst);
    // SAFETY: no pointers are passed; a number that is no open file is answered with EBADF.
    unsafe { nix::libc::fdatasync(fd) }
}

/// Is [`sync_file_range`] what this program calls by that name?
pub fn is_durable() -> bool {
    let before = CALLS.load(Ordering::SeqCst);
    // SAFETY: no pointers are passed, and −1 is no open file.
    let answer = unsafe { nix::libc::sync_file_range(-1, 0, 0, 0) };
    answer == -1 && CALLS.load(Ordering::SeqCst) > before
}
