//! Cameras' passwords: one file per camera under `<data>/secrets/cameras`, readable by the hub only.
//!
//! They cannot be sealed: a hub that has just rebooted, with nobody signed in, must sign in to its cameras. SECURITY.md
//! says so.

use std::path::{Path, PathBuf};

use base::CameraId;
use base::footage::StreamName;
use base::fs::{self, FsError};
use serde::{Deserialize, Serialize};
use zeroize::{Zeroize, ZeroizeOnDrop, Zeroizing};

/// A password file cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum PasswordError {
    /// It cannot be read or written.
    #[error("camera passwords")]
    File(#[from] FsError),
    /// It is not what the hub writes.
    #[error("{path} is damaged", path = .0.display())]
    Damaged(PathBuf, #[source] serde_json::Error),
}

/// The folder of camera passwords.
pub(crate) struct Passwords(PathBuf);

/// Longest file that is read: two passwords.
const MAX_BYTES: u64 = 64 << 10;

#[derive(Default, Serialize, Deserialize, Zeroize, ZeroizeOnDrop)]
struct File {
    #[serde(skip_serializing_if = "Option::is_none")]
    main: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    sub: Option<String>,
}

impl Passwords {
    pub(crate) fn in_folder(secrets: &Path) -> Result<Self, FsError> {
        let dir = secrets.join("cameras");
        fs::create_dir(&dir, 0o700)?;
        Ok(Self(dir))
    }

    pub(crate) fn load(
        &self,
        camera: CameraId,
        stream: StreamName,
    ) -> Result<Option<Zeroizing<String>>, PasswordError> {
        let mut file = self.read(camera)?;
        Ok(file.of(stream).take().map(Zeroizing::new))
    }

    pub(crate) fn save(&self, camera: CameraId, stream: StreamName, new: Option<&str>) -> Result<(), PasswordError> {
        let mut file = self.read(camera)?;
        *file.of(stream) = new.map(str::to_owned);
        let json = Zeroizing::new(serde_json::to_vec(&file).expect("plain strings are always JSON"));
        Ok(fs::write_atomic(&self.path(camera), &json, 0o600)?)
    }

    pub(crate) fn remove(&self, camera: CameraId) -> Result<(), PasswordError> {
        let path = self.path(camera);
        match std::fs::remove_file(&path) {
            Err(e) if e.kind() != std::io::ErrorKind::NotFound => Err(FsError::on("remove", &path)(e).into()),
            _ => Ok(fs::sync_dir(&self.0)?),
        }
    }

    fn read(&self, camera: CameraId) -> Result<File, PasswordError> {
        let path = self.path(camera);
        match fs::read(&path, MAX_BYTES).map(Zeroizing::new) {
            Ok(json) => serde_json::from_slice(&json).map_err(|e| PasswordError::Damaged(path, e)),
            Err(e) if e.is_not_found() => Ok(File::default()),
            Err(e) => Err(e.into()),
        }
    }

    fn path(&self, camera: CameraId) -> PathBuf {
        self.0.join(format!("{camera}.json"))
    }
}

impl File {
    fn of(&mut self, stream: StreamName) -> &mut Option<String> {
        match stream {
            StreamName::Main => &mut self.main,
            StreamName::Sub => &mut self.sub,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use base::SimClock;

    #[test]
    fn each_stream_has_its_own_password_and_a_damaged_file_is_an_error() {
        let dir = tempfile::tempdir().unwrap();
        let passwords = Passwords::in_folder(dir.path()).unwrap();
        let camera = CameraId::new(&SimClock::default());
        let kept = |stream| passwords.load(camera, stream).map(|p| p.map(|p| p.to_string()));
        assert_eq!(kept(StreamName::Main).unwrap(), None);
        passwords.save(camera, StreamName::Main, Some("s3cret")).unwrap();
        assert_eq!(kept(StreamName::Main).unwrap().as_deref(), Some("s3cret"));
        assert_eq!(kept(StreamName::Sub).unwrap(), None);
        std::fs::write(passwords.path(camera), "{").unwrap();
        assert!(matches!(kept(StreamName::Main), Err(PasswordError::Damaged(..))));
        passwords.remove(camera).unwrap();
        assert_eq!(kept(StreamName::Main).unwrap(), None);
    }
}
