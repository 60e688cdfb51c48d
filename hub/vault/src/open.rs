//! Opening: age v1 files, read from any place, whole or cut short.

use std::io::{self, BufReader, Read, Seek, SeekFrom};
use std::iter;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use age::DecryptError;
use age::stream::StreamReader;
use zeroize::Zeroizing;

use crate::camera_keys::{CameraKey, KeyLabel};
use crate::error::ViewError;

/// Plaintext bytes of each of age's chunks but the last.
pub const CHUNK_BYTES: u64 = 64 * 1024;
/// The same sealed: Poly1305 adds 16 bytes.
const SEALED_CHUNK_BYTES: u64 = CHUNK_BYTES + TAG_BYTES;
const TAG_BYTES: u64 = 16;
/// More than any header for one recipient: about 650 bytes with what age adds at random.
const MAX_HEADER_BYTES: u64 = 8 * 1024;

/// Why nothing can be read from some place on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Ending {
    /// This is the end of what was sealed, and it was finished in order.
    Whole,
    /// The file was cut, as by a power failure, or is being written: it ends before the end of what was sealed.
    Truncated,
    /// The next bytes were changed: they are not what was sealed at this place.
    Damaged,
}

/// Where a sealed file ends, see [`Opened::find_end`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct End {
    /// Plaintext bytes up to the end of the last chunk that opens.
    pub len: u64,
    /// Why nothing comes after it.
    pub ending: Ending,
}

/// A sealed file that is being read. Every byte that comes out of it is a byte that was sealed, at that place. Memory is
/// bounded: one chunk.
///
/// Reading ends with `Ok(0)` where nothing more can be shown, be it the end or not: [`Opened::ending`] says why. `Err` is
/// only ever a failure of the reader below, and may be tried again. The length of the file is the one it had when it was
/// opened: what is appended later is not seen.
///
/// Seeking is possible to any place, also in files that are cut short: a place is looked at when it is read. A seek from
/// the end counts from [`Opened::find_end`].
pub struct Opened<R> {
    source: Source<R>,
    key: CameraKey,
    header_len: u64,
    payload_len: u64,
    /// `None` before the first read and after any failure: age's reader cannot be used after one.
    stream: Option<StreamReader<BufReader<Source<R>>>>,
    /// The chunk that `stream` gives next without a seek.
    next: Option<u64>,
    chunk: Zeroizing<Vec<u8>>,
    /// Which chunk `chunk` is.
    index: Option<u64>,
    /// Did the last chunk say that it is the last? Known once it was read.
    finished: Option<bool>,
    position: u64,
    ending: Option<Ending>,
}

impl<R> std::fmt::Debug for Opened<R> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Opened(at {}, {:?})", self.position, self.ending)
    }
}

impl<R: Read + Seek> Opened<R> {
    pub(crate) fn new(source: Source<R>, key: CameraKey) -> Result<Self, ViewError> {
        let header_len = source.header_len().map_err(ViewError::Io)?.ok_or(ViewError::Damaged)?;
        let mut opened = Self {
            payload_len: source.len().saturating_sub(header_len),
            source,
            key,
            header_len,
            stream: None,
            next: None,
            chunk: Zeroizing::new(Vec::new()),
            index: None,
            finished: None,
            position: 0,
            ending: None,
        };
        opened.start().map_err(|e| match e {
            DecryptError::NoMatchingKeys => ViewError::WrongKey,
            DecryptError::Io(e) if opened.source.take_failed() => ViewError::Io(e),
            _ => ViewError::Damaged,
        })?;
        Ok(opened)
    }

    /// Which key opened it; `None` if that came from a key file without comments.
    pub fn key_label(&self) -> Option<KeyLabel> {
        self.key.label()
    }

    /// Reads some bytes at a place; the place of [`Read`] does not move. At most to the end of the chunk that they are
    /// in. `Ok(0)`: nothing can be read there, and [`Opened::ending`] says why.
    pub fn read_at(&mut self, position: u64, buf: &mut [u8]) -> io::Result<usize> {
        self.ending = None;
        if buf.is_empty() {
            return Ok(0);
        }
        let Some(last) = self.chunks().checked_sub(1) else {
            self.ending = Some(Ending::Truncated);
            return Ok(0);
        };
        let index = position / CHUNK_BYTES;
        if let Err(ending) = self.load(index.min(last))? {
            self.ending = Some(ending);
            return Ok(0);
        }
        let offset = usize::try_from(position - index.min(last) * CHUNK_BYTES).unwrap_or(usize::MAX);
        let Some(here) = self.chunk.get(offset..).filter(|here| !here.is_empty()) else {
            self.ending = Some(self.after_last());
            return Ok(0);
        };
        let len = here.len().min(buf.len());
        buf[..len].copy_from_slice(&here[..len]);
        Ok(len)
    }

    /// Why the last read gave nothing; `None` while reads give bytes.
    pub fn ending(&self) -> Option<Ending> {
        self.ending
    }

    /// Finds the end of what can be read, from behind: usually only the last chunk is looked at. A file that is damaged
    /// in the middle and whole at its end is `Whole` here: reading tells.
    pub fn find_end(&mut self) -> io::Result<End> {
        let mut ending = Ending::Truncated; // of a file without chunks
        for index in (0..self.chunks()).rev() {
            match self.load(index)? {
                Ok(()) => {
                    if index + 1 == self.chunks() {
                        ending = self.after_last();
                    }
                    return Ok(End { len: index * CHUNK_BYTES + self.chunk.len() as u64, ending });
                }
                Err(e) => ending = e,
            }
        }
        Ok(End { len: 0, ending })
    }

    /// Plaintext bytes that the file can hold at most, from its length alone.
    pub fn len_at_most(&self) -> u64 {
        let (whole, rest) = (self.payload_len / SEALED_CHUNK_BYTES, self.payload_len % SEALED_CHUNK_BYTES);
        whole * CHUNK_BYTES + rest.saturating_sub(TAG_BYTES)
    }

    fn chunks(&self) -> u64 {
        self.payload_len.div_ceil(SEALED_CHUNK_BYTES)
    }

    fn after_last(&self) -> Ending {
        if self.finished == Some(true) { Ending::Whole } else { Ending::Truncated }
    }

    /// Puts a chunk of the file into `chunk`, or says why that cannot be.
    fn load(&mut self, index: u64) -> io::Result<Result<(), Ending>> {
        if self.index == Some(index) {
            return Ok(Ok(()));
        }
        self.index = None;
        self.source.take_failed(); // of an earlier read, already told
        match self.read_chunk(index) {
            Ok(()) => {
                self.index = Some(index);
                Ok(Ok(()))
            }
            Err(e) => {
                self.stream = None;
                if self.source.take_failed() { Err(e) } else { self.why_not(index).map(Err) }
            }
        }
    }

    fn read_chunk(&mut self, index: u64) -> io::Result<()> {
        if self.stream.is_none() {
            self.start().map_err(|e| match e {
                DecryptError::Io(e) => e,
                _ => io::Error::new(io::ErrorKind::InvalidData, "the header of the file has changed"),
            })?;
        }
        let stream = self.stream.as_mut().ok_or(io::ErrorKind::NotConnected)?;
        if self.next.take() != Some(index) {
            // age's seek to the start of a chunk asks for the length, which a truncated file does not have. One byte
            // into the chunk it does not; and going back within a chunk touches nothing but a number.
            stream.seek(SeekFrom::Start(index * CHUNK_BYTES + 1))?;
            stream.seek(SeekFrom::Start(index * CHUNK_BYTES))?;
        }
        self.chunk.resize(CHUNK_BYTES as usize, 0);
        let mut len = 0;
        while len < self.chunk.len() {
            match stream.read(&mut self.chunk[len..])? {
                0 => break,
                more => len += more,
            }
        }
        let full = len == self.chunk.len();
        self.chunk.truncate(len);
        if index + 1 < self.payload_len.div_ceil(SEALED_CHUNK_BYTES) {
            self.next = full.then_some(index + 1);
        } else if self.finished.is_none() {
            // Only a chunk marked as the last opens if it is not full. A full one may be either: one read more tells.
            self.finished = Some(match full {
                false => true,
                true => match stream.read(&mut [0]) {
                    Ok(_) => true,
                    Err(e) if self.source.raw().failed => return Err(e),
                    Err(_) => false,
                },
            });
            self.stream = None;
        }
        Ok(())
    }

    /// Why a chunk does not authenticate.
    fn why_not(&mut self, index: u64) -> io::Result<Ending> {
        let end = (index + 1) * SEALED_CHUNK_BYTES;
        if end > self.payload_len {
            return Ok(Ending::Truncated); // cut within this chunk
        }
        // After a power failure some file systems have a length that was never written to: zeros to the end. A tag of
        // zeros is one in 2^128 otherwise.
        let tail = self.source.is_zero_from(self.header_len + end - TAG_BYTES)?;
        Ok(if tail { Ending::Truncated } else { Ending::Damaged })
    }

    /// Begins age's reading anew, at the first chunk.
    fn start(&mut self) -> Result<(), DecryptError> {
        let mut source = self.source.clone();
        source.seek(SeekFrom::Start(0))?;
        let identity = self.key.secret.identity();
        // The buffer is for the header, which age reads in lines; chunks are larger and pass it by.
        let decryptor = age::Decryptor::new_buffered(BufReader::with_capacity(1024, source))?;
        self.stream = Some(decryptor.decrypt(iter::once(&identity as &dyn age::Identity))?);
        self.next = Some(0);
        Ok(())
    }
}

impl<R: Read + Seek> Read for Opened<R> {
    fn read(&mut self, buf: &mut [u8]) -> io::Result<usize> {
        let len = self.read_at(self.position, buf)?;
        self.position += len as u64;
        Ok(len)
    }
}

impl<R: Read + Seek> Seek for Opened<R> {
    fn seek(&mut self, to: SeekFrom) -> io::Result<u64> {
        let position = match to {
            SeekFrom::Start(position) => Some(position),
            SeekFrom::Current(by) => self.position.checked_add_signed(by),
            SeekFrom::End(by) => self.find_end()?.len.checked_add_signed(by),
        };
        self.position = position
            .ok_or_else(|| io::Error::new(io::ErrorKind::InvalidInput, "a seek to before the start or beyond 2^64"))?;
        Ok(self.position)
    }
}

/// The sealed file below, shared by age's readers, of which there is one at a time: age does not give a reader back
/// after it failed. Ends where the file ended when it was opened.
pub(crate) struct Source<R>(Arc<Mutex<Raw<R>>>);

struct Raw<R> {
    inner: R,
    position: u64,
    len: u64,
    failed: bool,
}

impl<R> Clone for Source<R> {
    fn clone(&self) -> Self {
        Self(self.0.clone())
    }
}

impl<R: Read + Seek> Source<R> {
    pub(crate) fn new(mut inner: R) -> io::Result<Self> {
        let len = inner.seek(SeekFrom::End(0))?;
        inner.seek(SeekFrom::Start(0))?;
        Ok(Self(Arc::new(Mutex::new(Raw { inner, position: 0, len, failed: false }))))
    }

    fn raw(&self) -> MutexGuard<'_, Raw<R>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner) // a place and a flag: nothing a panic leaves half done
    }

    fn len(&self) -> u64 {
        self.raw().len
    }

    /// Did the reader below fail since the last call? Tells its failures from those of the cipher.
    fn take_failed(&self) -> bool {
        std::mem::take(&mut self.raw().failed)
    }

    /// Length of the age header with the nonce after it; `None` if there is none within a sane length. age reads as long
    /// as there are lines: what this does not find is not given to it.
    fn header_len(&self) -> io::Result<Option<u64>> {
        let mut start = Vec::new();
        let mut source = self.clone();
        source.seek(SeekFrom::Start(0))?;
        source.take(MAX_HEADER_BYTES).read_to_end(&mut start)?;
        let mut len = 0;
        for line in start.split_inclusive(|b| *b == b'\n') {
            len += line.len() as u64;
            if line.starts_with(b"--- ") {
                return Ok(line.ends_with(b"\n").then_some(len + 16));
            }
        }
        Ok(None)
    }

    fn is_zero_from(&self, position: u64) -> io::Result<bool> {
        let mut source = self.clone();
        source.seek(SeekFrom::Start(position))?;
        let mut buf = vec![0; CHUNK_BYTES as usize];
        loop {
            match source.read(&mut buf)? {
                0 => return Ok(true),
                len if buf[..len].iter().any(|b| *b != 0) => return Ok(false),
                _ => {}
            }
        }
    }
}

impl<R: Read + Seek> Read for Source<R> {
    fn read(&mut self, buf: &mut [u8]) -> io::Result<usize> {
        let mut raw = self.raw();
        let len = buf.len().min(usize::try_from(raw.len.saturating_sub(raw.position)).unwrap_or(usize::MAX));
        let read = loop {
            match raw.inner.read(&mut buf[..len]) {
                Err(e) if e.kind() == io::ErrorKind::Interrupted => {}
                read => break read,
            }
        };
        match &read {
            Ok(len) => raw.position += *len as u64,
            Err(_) => raw.failed = true,
        }
        read
    }
}

impl<R: Read + Seek> Seek for Source<R> {
    fn seek(&mut self, to: SeekFrom) -> io::Result<u64> {
        let mut raw = self.raw();
        match raw.inner.seek(to) {
            Ok(position) => {
                raw.position = position;
                Ok(position)
            }
            Err(e) => {
                raw.failed = true;
                Err(e)
            }
        }
    }
}
