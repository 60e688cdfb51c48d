//! Whose turn it is: a lock that root holds as long as it does something that the hub asked for, so that another does not begin,
//! and the hub knows when one ended without a word.

use std::fs::{File, OpenOptions, Permissions};
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use base::fs::FsError;
use nix::errno::Errno;
use nix::fcntl::{Flock, FlockArg};

/// Takes it. `None`: somebody has it, if only to look.
///
/// # Errors
/// The file cannot be made or locked.
pub(crate) fn take(path: &Path) -> Result<Option<Flock<File>>, FsError> {
    match Flock::lock(made(path)?, FlockArg::LockExclusiveNonblock) {
        Ok(lock) => Ok(Some(lock)),
        Err((_, Errno::EWOULDBLOCK)) => Ok(None),
        Err((_, errno)) => Err(FsError::on("lock", path)(errno.into())),
    }
}

/// Takes it once whoever has it is done.
///
/// # Errors
/// As [`take`].
pub(crate) fn wait(path: &Path) -> Result<Flock<File>, FsError> {
    Flock::lock(made(path)?, FlockArg::LockExclusive).map_err(|(_, errno)| FsError::on("lock", path)(errno.into()))
}

fn made(path: &Path) -> Result<File, FsError> {
    base::fs::create_dir(path.parent().unwrap_or(Path::new("/")), 0o755)?;
    let file = OpenOptions::new().create(true).truncate(false).write(true).open(path);
    let file = file.map_err(FsError::on("open", path))?;
    // For the hub's user, whatever the umask says.
    file.set_permissions(Permissions::from_mode(0o644)).map_err(FsError::on("change", path))?;
    Ok(file)
}

/// Somebody has it.
pub(crate) fn is_taken(path: &Path) -> bool {
    let Ok(file) = File::open(path) else { return false };
    matches!(Flock::lock(file, FlockArg::LockSharedNonblock), Err((_, Errno::EWOULDBLOCK)))
}
