//! The one line that makes sled durable: `sync_file_range` answers ENOSYS in this program.
//!
//! sled 0.34.7 "flushes" with `sync_file_range`, which guarantees nothing on a drive with a volatile cache: simulated
//! power cuts lost nearly everything that had been acknowledged. Only when that call answers ENOSYS does sled fall
//! back to a real `fsync` (its `pagecache/iobuf.rs`). So this crate defines the symbol for the whole program; the
//! store refuses to open where the definition did not win. Nothing else in the hub uses the call.

use nix::errno::Errno;
use nix::libc::{c_int, c_uint, off64_t};

/// Says that there is no such system call. Overrides the C library's function of the same name and signature.
#[unsafe(no_mangle)]
pub extern "C" fn sync_file_range(_fd: c_int, _offset: off64_t, _bytes: off64_t, _flags: c_uint) -> c_int {
    Errno::ENOSYS.set();
    -1
}

/// Is [`sync_file_range`] what this program calls by that name?
pub fn is_durable() -> bool {
    Errno::clear();
    // SAFETY: no pointers are passed, and −1 is no open file: the real call would answer EBADF.
    let answer = unsafe { nix::libc::sync_file_range(-1, 0, 0, 0) };
    answer == -1 && Errno::last() == Errno::ENOSYS
}
