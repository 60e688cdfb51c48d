//! `keepsight open`: one sealed file, without a hub: what was sealed comes out, as far as it authenticates.

use std::fs::{File, OpenOptions};
use std::io::{self, Read, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use base::{CameraId, EpochId, Problem, ProblemKind};
use clap::Args;
use vault::{Ending, Opened, RecoveryKit, ViewError, Viewer};
use zeroize::Zeroizing;

use crate::out::{self, Failure};

/// Room for the keys of every epoch of a camera's life.
const MAX_KEY_BYTES: u64 = 1024 * 1024;
/// A sealed key file is about 1 KiB.
const MAX_KIT_FILE_BYTES: u64 = 64 * 1024;

/// `keepsight open`.
#[derive(Debug, Args)]
pub struct Open {
    /// The sealed file: a segment or a thumbnail
    file: PathBuf,
    /// A camera's key file, or the recovery kit (the claim's JSON, the 24 words or the AGE-SECRET-KEY)
    // The kit opens the key files beside the footage: <camera>/keys/<epoch>.age.
    #[arg(long, value_name = "FILE")]
    key: PathBuf,
    /// Where to write what was sealed; stdout if not given
    #[arg(short, long, value_name = "FILE")]
    output: Option<PathBuf>,
}

impl Open {
    /// Writes what was sealed. A file that a power cut left short is given as far as it goes, with a notice.
    pub fn run(&self) -> Result<(), Failure> {
        if self.output.is_none() && out::is_terminal() {
            return Err(Failure::Usage(
                "This would fill the terminal. Give a file with -o, or a player to pipe to.".into(),
            ));
        }
        let key = read(&self.key, MAX_KEY_BYTES)?;
        let key = std::str::from_utf8(&key).map_err(|_| Problem::with(ProblemKind::BadKeyFile, "It is not text"))?;
        let mut opened = unseal(&self.file, key)?;

        // Looked at before the output is made: what cannot be opened leaves no file behind.
        let mut buffer = Zeroizing::new(vec![0; vault::CHUNK_BYTES as usize]);
        let mut len = read_from(&mut opened, &mut buffer, &self.file)?;
        if len == 0 && opened.ending() != Some(Ending::Whole) {
            return Err(Problem::from(ProblemKind::FootageDamaged).into());
        }
        let mut output: Box<dyn Write> = match &self.output {
            None => Box::new(io::stdout().lock()),
            Some(path) => Box::new(create(path)?),
        };
        let mut written = 0;
        while len > 0 {
            match output.write_all(&buffer[..len]) {
                Err(e) if e.kind() == io::ErrorKind::BrokenPipe => return Ok(()), // a player that was closed
                done => done.map_err(|e| self.cannot_write(&e))?,
            }
            written += len;
            len = read_from(&mut opened, &mut buffer, &self.file)?;
        }
        output.flush().map_err(|e| self.cannot_write(&e))?;
        match opened.ending() {
            Some(Ending::Whole) => Ok(()),
            Some(Ending::Damaged) => Err(Failure::PartlyDamaged { file: self.file.clone(), written }),
            _ => {
                out::notice(&format!(
                    "{} was cut short, as by a power failure: the {written} bytes up to there were given.",
                    self.file.display()
                ));
                Ok(())
            }
        }
    }

    fn cannot_write(&self, error: &io::Error) -> Problem {
        let to = self.output.as_deref().unwrap_or(Path::new("stdout"));
        Problem::with(ProblemKind::FileError, format_args!("cannot write {}: {error}", to.display()))
    }
}

/// Opens with a key file, or with the recovery kit and the key files that lie beside the footage.
fn unseal(file: &Path, key: &str) -> Result<Opened<File>, Problem> {
    let refused = match Viewer::from_identities(key) {
        Ok(viewer) => match viewer.open_any(sealed(file)?) {
            Err(ViewError::WrongKey) => ProblemKind::WrongKey.into(),
            done => return Ok(done?),
        },
        Err(bad) => Problem::from(bad),
    };
    // One AGE-SECRET-KEY line can be either.
    let kit = match RecoveryKit::parse_file(key) {
        Ok(found) => found.kit,
        Err(_) if refused.kind == ProblemKind::WrongKey => return Err(refused),
        Err(bad) => return Err(bad.into()),
    };
    let (folder, files) = kit_files(file)?;
    if files.is_empty() {
        return match refused.kind {
            ProblemKind::WrongKey => Err(refused),
            _ => Err(Problem::with(
                ProblemKind::WrongKey,
                format_args!(
                    "The recovery kit opens the camera's key files, and there are none in {}",
                    folder.display()
                ),
            )),
        };
    }
    let (viewer, _) = Viewer::from_recovery_kit(&kit, files); // key files of another kit or camera are not for us
    Ok(viewer.open_any(sealed(file)?)?)
}

type KitFile = (CameraId, EpochId, Vec<u8>);

/// The key files of the camera in whose folder a sealed file lies: `<camera>/keys/`, next to `<camera>/<day>/<file>`.
fn kit_files(file: &Path) -> Result<(PathBuf, Vec<KitFile>), Problem> {
    let real = file.canonicalize().map_err(|e| cannot_read(file, &e))?;
    let camera_folder = real.parent().and_then(Path::parent).unwrap_or(Path::new("/"));
    let folder = camera_folder.join("keys");
    let camera = camera_folder.file_name().and_then(|name| name.to_str()).and_then(|name| name.parse().ok());
    let (Some(camera), Ok(entries)) = (camera, folder.read_dir()) else { return Ok((folder, Vec::new())) };
    let mut files = Vec::new();
    for entry in entries {
        let path = entry.map_err(|e| cannot_read(&folder, &e))?.path();
        // <epoch>.age, and <epoch>.<kit>.age for a later kit.
        let name = path.file_name().and_then(|name| name.to_str()).and_then(|name| name.strip_suffix(".age"));
        let epoch = name.and_then(|name| name.split('.').next()).and_then(|epoch| epoch.parse().ok());
        if let Some(epoch) = epoch {
            files.push((camera, epoch, read(&path, MAX_KIT_FILE_BYTES)?.to_vec()));
        }
    }
    Ok((folder, files))
}

fn sealed(file: &Path) -> Result<File, Problem> {
    File::open(file).map_err(|e| cannot_read(file, &e))
}

fn read_from(opened: &mut Opened<File>, buffer: &mut [u8], file: &Path) -> Result<usize, Problem> {
    opened.read(buffer).map_err(|e| cannot_read(file, &e))
}

fn read(path: &Path, limit: u64) -> Result<Zeroizing<Vec<u8>>, Problem> {
    base::fs::read(path, limit).map(Zeroizing::new).map_err(|e| cannot_read(path, &e.source))
}

fn cannot_read(path: &Path, error: &io::Error) -> Problem {
    Problem::with(ProblemKind::FileError, format_args!("cannot read {}: {error}", path.display()))
}

/// Never overwrites: the name may be the sealed file's own.
fn create(path: &Path) -> Result<File, Failure> {
    match OpenOptions::new().write(true).create_new(true).mode(0o600).open(path) {
        Err(e) if e.kind() == io::ErrorKind::AlreadyExists => {
            Err(Failure::Usage(format!("{} is there already. Give another name with -o.", path.display())))
        }
        created => Ok(created.map_err(|e| {
            Problem::with(ProblemKind::FileError, format_args!("cannot create {}: {e}", path.display()))
        })?),
    }
}
