//! Sealing: age v1 files, written as a stream.

use std::io::{self, Write};
use std::iter;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use age::stream::StreamWriter;

use crate::open::CHUNK_BYTES;
use crate::recipients::FootageRecipient;
use crate::small;

/// Starts an age file that only this epoch's `footage` key opens; its header is written at once.
pub fn seal<W: Write>(to: &FootageRecipient, out: W) -> io::Result<Sealer<W>> {
    let encryptor = age::Encryptor::with_recipients(iter::once(&to.0 as &dyn age::Recipient))
        .expect("one X25519 recipient is a set that age takes");
    let below = Arc::new(Below::default());
    let stream = encryptor.wrap_output(Counted { out, below: below.clone() }).map_err(|e| below.why(e))?;
    Ok(Sealer { stream: Some(stream), header_len: below.len.load(Ordering::Relaxed), below, plain_len: 0 })
}

/// Seals something small whole, as a thumbnail.
pub fn seal_small(to: &FootageRecipient, plain: &[u8]) -> Vec<u8> {
    small::seal(&to.0, plain)
}

/// An age file being written. age holds back up to [`CHUNK_BYTES`]: a full chunk is written when one more byte comes,
/// the last one by [`Sealer::finish`]. A file that was not finished is a truncated one; its whole chunks open.
///
/// After a failed write nothing more can be written: the cipher has gone on, the file has not.
pub struct Sealer<W> {
    /// `None` after a failed write.
    stream: Option<StreamWriter<Counted<W>>>,
    header_len: u64,
    below: Arc<Below>,
    plain_len: u64,
}

impl<W: Write> Sealer<W> {
    /// Plaintext bytes taken so far.
    pub fn plain_len(&self) -> u64 {
        self.plain_len
    }
    /// Of these, how many are in the unfinished chunk, which is still in memory: 0 only before the first byte,
    /// [`CHUNK_BYTES`] when the chunk is full and waits for one more.
    pub fn held_back(&self) -> u64 {
        match self.plain_len {
            0 => 0,
            len => (len - 1) % CHUNK_BYTES + 1,
        }
    }
    /// How many plaintext bytes have been handed to the writer, sealed.
    pub fn flushed_len(&self) -> u64 {
        self.plain_len - self.held_back()
    }
    /// How many bytes more must come until all that was taken so far is handed to the writer: what fills the chunk, and
    /// one more. 0 if nothing is held back.
    pub fn bytes_to_flush(&self) -> u64 {
        match self.held_back() {
            0 => 0,
            held_back => CHUNK_BYTES - held_back + 1,
        }
    }
    /// Length in bytes of age's header, including the nonce: where the first chunk begins.
    pub fn header_len(&self) -> u64 {
        self.header_len
    }
    /// Bytes handed to the writer so far.
    pub fn sealed_len(&self) -> u64 {
        self.below.len.load(Ordering::Relaxed)
    }
    /// Writes the last chunk and gives the writer back, which is not flushed.
    pub fn finish(self) -> io::Result<W> {
        let stream = self.stream.ok_or_else(unusable)?;
        Ok(stream.finish().map_err(|e| self.below.why(e))?.out)
    }
}

impl<W: Write> Write for Sealer<W> {
    fn write(&mut self, plain: &[u8]) -> io::Result<usize> {
        let stream = self.stream.as_mut().ok_or_else(unusable)?;
        match stream.write(plain) {
            Ok(len) => {
                self.plain_len += len as u64;
                Ok(len)
            }
            Err(e) => {
                self.stream = None;
                Err(self.below.why(e))
            }
        }
    }
    /// Flushes the writer; the unfinished chunk stays held back.
    fn flush(&mut self) -> io::Result<()> {
        self.stream.as_mut().ok_or_else(unusable)?.flush()
    }
}

fn unusable() -> io::Error {
    io::Error::other("an earlier write of this sealed file failed")
}

/// What happened at the writer below, which age hides.
#[derive(Default)]
struct Below {
    len: AtomicU64,
    error: Mutex<Option<io::Error>>,
}

impl Below {
    /// The error as the writer gave it: age makes another of one that comes while it writes its header.
    fn why(&self, as_age_says: io::Error) -> io::Error {
        self.error.lock().unwrap_or_else(PoisonError::into_inner).take().unwrap_or(as_age_says)
    }
}

struct Counted<W> {
    out: W,
    below: Arc<Below>,
}

impl<W: Write> Write for Counted<W> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        match self.out.write(bytes) {
            Ok(len) => {
                self.below.len.fetch_add(len as u64, Ordering::Relaxed);
                Ok(len)
            }
            Err(e) => {
                let kind = e.kind();
                *self.below.error.lock().unwrap_or_else(PoisonError::into_inner) = Some(e);
                Err(kind.into())
            }
        }
    }
    fn flush(&mut self) -> io::Result<()> {
        self.out.flush()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::secret::Secret;

    fn recipient() -> FootageRecipient {
        FootageRecipient(Secret::generate().recipient())
    }

    #[test]
    fn a_chunk_is_handed_on_when_one_more_byte_comes() {
        let mut sealer = seal(&recipient(), Vec::new()).unwrap();
        let header = sealer.header_len();
        assert_eq!(sealer.sealed_len(), header);
        let state = |s: &Sealer<Vec<u8>>| {
            (s.plain_len(), s.held_back(), s.flushed_len(), s.bytes_to_flush(), s.sealed_len() - header)
        };
        assert_eq!(state(&sealer), (0, 0, 0, 0, 0));
        sealer.write_all(&[1; 10]).unwrap();
        assert_eq!(state(&sealer), (10, 10, 0, 65_527, 0));
        sealer.write_all(&[1; 65_526]).unwrap();
        assert_eq!(state(&sealer), (65_536, 65_536, 0, 1, 0));
        sealer.write_all(&[1]).unwrap();
        assert_eq!(state(&sealer), (65_537, 1, 65_536, 65_536, 65_552));
        sealer.write_all(&vec![1; sealer.bytes_to_flush() as usize]).unwrap();
        assert_eq!(state(&sealer), (131_073, 1, 131_072, 65_536, 2 * 65_552));
        assert_eq!(sealer.finish().unwrap().len() as u64, header + 2 * 65_552 + 17);
    }

    #[test]
    fn after_a_failed_write_nothing_more_is_written() {
        struct Full(usize);
        impl Write for Full {
            fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
                self.0 = self.0.checked_sub(bytes.len()).ok_or(io::ErrorKind::StorageFull)?;
                Ok(bytes.len())
            }
            fn flush(&mut self) -> io::Result<()> {
                Ok(())
            }
        }
        assert_eq!(seal(&recipient(), Full(10)).err().unwrap().kind(), io::ErrorKind::StorageFull);
        let mut sealer = seal(&recipient(), Full(70_000)).unwrap();
        sealer.write_all(&[1; 100_000]).unwrap();
        assert_eq!(sealer.write(&[1; 100_000]).unwrap_err().kind(), io::ErrorKind::StorageFull);
        assert_eq!(sealer.plain_len(), 100_000);
        assert_eq!(sealer.write(&[1]).unwrap_err().to_string(), "an earlier write of this sealed file failed");
        assert!(sealer.flush().is_err());
        assert!(sealer.finish().is_err());
    }
}
