//! What can go wrong with the store, and what a person is told of it.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use base::{HubId, Problem, ProblemKind};

use crate::engine::{EngineError, Tree};
use crate::row::{RowError, RowTooLong};

/// A call of the store failed. A write that failed with [`StoreError::Engine`] may or may not be there afterwards; with any
/// other error nothing of it is.
#[derive(Debug, Clone, thiserror::Error)]
pub enum StoreError {
    /// `sync_file_range` is not overridden in this program.
    #[error("this program would not make the store durable: sync_file_range is not overridden")]
    Unsafe,
    /// Another process, or another handle in this one, has the store open.
    #[error("the store {} is in use", dir.display())]
    Busy {
        /// The store's folder.
        dir: PathBuf,
    },
    /// The store cannot be opened.
    #[error("cannot open the store {}", dir.display())]
    Open {
        /// The store's folder.
        dir: PathBuf,
        /// What the engine said.
        source: Arc<EngineError>,
    },
    /// The store opens, but what must be in it is not, or is damaged.
    #[error("the store {} is damaged: {what}", dir.display())]
    Damaged {
        /// The store's folder.
        dir: PathBuf,
        /// What was found.
        what: String,
    },
    /// The store is another hub's.
    #[error("the store {} is of hub {found}, not of {expected}", dir.display())]
    Foreign {
        /// The store's folder.
        dir: PathBuf,
        /// This hub.
        expected: HubId,
        /// Whose it is.
        found: HubId,
    },
    /// Written by a newer program.
    #[error("{what} was written by a newer program")]
    Newer {
        /// What was.
        what: String,
    },
    /// A file beside the engine's could not be read or written.
    #[error(transparent)]
    File(Arc<base::fs::FsError>),
    /// The engine failed during this call, or while it made it durable.
    #[error("the store {} failed and is being opened again", dir.display())]
    Engine {
        /// The store's folder.
        dir: PathBuf,
        /// What the engine said.
        source: Arc<EngineError>,
    },
    /// The engine failed before, and could not be opened again yet.
    #[error("the store {} is not available", dir.display())]
    Unavailable {
        /// The store's folder.
        dir: PathBuf,
        /// Why not.
        source: Arc<StoreError>,
    },
    /// The store was closed.
    #[error("the store is closed")]
    Closed,
    /// Too many calls wait.
    #[error("too many calls wait for the store")]
    Overloaded,
    /// The call itself panicked: a fault of this program.
    #[error("a call of the store panicked")]
    Panicked,
    /// A row is damaged.
    #[error("a row of {} is damaged (key {key})", tree.name())]
    Row {
        /// In which tree.
        tree: Tree,
        /// Under which key, in hexadecimal.
        key: String,
        /// How.
        source: Arc<RowError>,
    },
    /// A row would be too long.
    #[error("too much was to be kept in {}", tree.name())]
    TooLong {
        /// In which tree.
        tree: Tree,
        /// How much.
        source: RowTooLong,
    },
    /// One call changed too many rows.
    #[error("one call changed too much: {rows} rows, {bytes} bytes")]
    CallTooLarge {
        /// Number of changed rows.
        rows: usize,
        /// Bytes in them.
        bytes: usize,
    },
    /// Somebody claimed the hub before.
    #[error("the hub is claimed already")]
    AlreadyClaimed,
    /// Nobody has claimed the hub.
    #[error("the hub is not claimed")]
    NotClaimed,
    /// Another principal has this name.
    #[error("the name is taken")]
    NameTaken,
    /// Something with this id is there already.
    #[error("this {0} is there already")]
    Exists(&'static str),
    /// Nothing with this id is there.
    #[error("there is no such {0}")]
    NoSuch(&'static str),
    /// What was to be written contradicts itself or a rule: a fault of this program.
    #[error("refused: {0}")]
    Refused(&'static str),
    /// An export cannot be read.
    #[error("{} is not a whole export: {what}", path.display())]
    BadExport {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        what: String,
    },
}

impl StoreError {
    /// Opening the same folder again will not help: it must be set aside and rebuilt.
    pub fn is_damage(&self) -> bool {
        match self {
            StoreError::Open { source, .. } | StoreError::Engine { source, .. } => source.is_damage(),
            StoreError::Damaged { .. } => true,
            StoreError::Row { source, .. } => !matches!(**source, RowError::Newer(_)),
            StoreError::Unavailable { source, .. } => source.is_damage(),
            _ => false,
        }
    }

    pub(crate) fn row(tree: Tree, key: &[u8], source: RowError) -> Self {
        StoreError::Row { tree, key: hex(key), source: Arc::new(source) }
    }

    pub(crate) fn export(path: &Path, what: impl Into<String>) -> Self {
        StoreError::BadExport { path: path.to_owned(), what: what.into() }
    }
}

impl From<base::fs::FsError> for StoreError {
    fn from(e: base::fs::FsError) -> Self {
        StoreError::File(Arc::new(e))
    }
}

impl From<&StoreError> for Problem {
    fn from(e: &StoreError) -> Self {
        use ProblemKind as K;
        match e {
            StoreError::Unsafe => K::StoreUnsafe.into(),
            StoreError::Busy { dir } => Problem::with(K::StoreBusy, dir.display()),
            StoreError::Open { dir, source } | StoreError::Engine { dir, source } => {
                Problem::with(engine_kind(source), dir.display())
            }
            StoreError::Unavailable { source, .. } => Problem::from(&**source),
            StoreError::Damaged { dir, what } => {
                Problem::with(K::StoreDamaged, format_args!("{}: {what}", dir.display()))
            }
            StoreError::Foreign { dir, .. } => Problem::with(K::BadFile, format!("{} is another hub's", dir.display())),
            StoreError::Newer { what } => Problem::with(K::NewerFormat, what),
            StoreError::Row { source, .. } if matches!(**source, RowError::Newer(_)) => K::NewerFormat.into(),
            StoreError::Row { .. } => K::StoreDamaged.into(),
            StoreError::File(e) if e.source.kind() == std::io::ErrorKind::StorageFull => {
                Problem::with(K::DiskFull, e.path.display())
            }
            StoreError::File(e) => Problem::with(K::FileError, e.path.display()),
            StoreError::Closed => K::ShuttingDown.into(),
            StoreError::Overloaded => K::TooBusy.into(),
            StoreError::TooLong { .. } => K::BodyTooLarge.into(),
            StoreError::AlreadyClaimed => K::AlreadyClaimed.into(),
            StoreError::NotClaimed => K::NotClaimed.into(),
            StoreError::NameTaken => K::NameTaken.into(),
            StoreError::NoSuch(_) => K::NotFound.into(),
            StoreError::BadExport { path, what } => Problem::with(K::BadExport, format!("{}: {what}", path.display())),
            StoreError::Panicked | StoreError::CallTooLarge { .. } | StoreError::Exists(_) | StoreError::Refused(_) => {
                K::Internal.into()
            }
        }
    }
}

impl From<StoreError> for Problem {
    fn from(e: StoreError) -> Self {
        Problem::from(&e)
    }
}

fn engine_kind(e: &EngineError) -> ProblemKind {
    if e.is_full() {
        ProblemKind::DiskFull
    } else if e.is_damage() {
        ProblemKind::StoreDamaged
    } else {
        match e {
            EngineError::Io(_) => ProblemKind::DiskError,
            _ => ProblemKind::Internal,
        }
    }
}

pub(crate) fn hex(bytes: &[u8]) -> String {
    use std::fmt::Write;
    bytes.iter().fold(String::with_capacity(bytes.len() * 2), |mut text, b| {
        let _ = write!(text, "{b:02x}"); // a String takes everything
        text
    })
}

/// From [`hex`], exactly `N` bytes in lower case.
pub(crate) fn unhex<const N: usize>(text: &str) -> Option<[u8; N]> {
    let digits = text.as_bytes();
    if digits.len() != 2 * N || !digits.iter().all(|d| matches!(d, b'0'..=b'9' | b'a'..=b'f')) {
        return None;
    }
    let mut bytes = [0; N];
    for (byte, pair) in bytes.iter_mut().zip(digits.chunks_exact(2)) {
        let value = |digit: u8| char::from(digit).to_digit(16).map(|v| v as u8);
        *byte = value(pair[0])? << 4 | value(pair[1])?;
    }
    Some(bytes)
}
