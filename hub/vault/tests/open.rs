//! A sealed file opens at any place, whole, cut short or damaged, and never gives a byte that was not sealed there.

mod home;

use std::io::{self, Cursor, Read, Seek, SeekFrom, Write};
use std::sync::LazyLock;
use std::sync::atomic::{AtomicUsize, Ordering};

use home::{Camera, plain, viewer};
use proptest::prelude::*;
use vault::Purpose::Footage;
use vault::*;

const CHUNK: usize = CHUNK_BYTES as usize;
const SEALED_CHUNK: usize = CHUNK + 16;

static HOME: LazyLock<(Camera, Viewer)> = LazyLock::new(|| {
    let camera = Camera::new(1);
    let viewer = viewer(&[(&camera, &[Footage])]);
    (camera, viewer)
});

fn open<R: Read + Seek>(sealed: R) -> Result<Opened<R>, ViewError> {
    HOME.1.open(HOME.0.id, Footage, None, sealed)
}

/// Sealed, with the length of its header.
fn sealed(len: usize) -> (Vec<u8>, usize) {
    let mut sealer = seal(&HOME.0.epoch().public().footage, Vec::new()).unwrap();
    sealer.write_all(&plain(len)).unwrap();
    let header = sealer.header_len() as usize;
    (sealer.finish().unwrap(), header)
}

fn read_all(opened: &mut impl Read) -> Vec<u8> {
    let mut bytes = Vec::new();
    opened.read_to_end(&mut bytes).unwrap();
    bytes
}

/// Lengths around which chunks begin and end.
fn lengths() -> impl Strategy<Value = usize> {
    prop_oneof![
        0usize..2_000,
        (0usize..4, -2i64..3).prop_map(|(chunks, by)| (chunks * CHUNK).saturating_add_signed(by as isize)),
        0usize..250_000,
    ]
}

#[test]
fn every_length_reads_back_whole() {
    for len in [0, 1, CHUNK - 1, CHUNK, CHUNK + 1, 2 * CHUNK, 3 * CHUNK + 7] {
        let (file, _) = sealed(len);
        let mut opened = open(Cursor::new(file)).unwrap();
        assert_eq!(opened.len_at_most(), len as u64);
        assert_eq!(opened.ending(), None);
        assert!(read_all(&mut opened) == plain(len), "{len}");
        assert_eq!(opened.ending(), Some(Ending::Whole), "{len}");
        assert_eq!(opened.find_end().unwrap(), End { len: len as u64, ending: Ending::Whole });
        assert_eq!(opened.seek(SeekFrom::End(-1)).ok(), (len as u64).checked_sub(1));
        assert_eq!(opened.seek(SeekFrom::End(5)).unwrap(), len as u64 + 5);
        assert_eq!(opened.read(&mut [0; 9]).unwrap(), 0);
        assert_eq!(opened.ending(), Some(Ending::Whole));
    }
}

#[test]
fn a_file_that_is_being_written_opens_to_its_last_whole_chunk() {
    let mut file = tempfile::tempfile().unwrap();
    let mut sealer = seal(&HOME.0.epoch().public().footage, file.try_clone().unwrap()).unwrap();
    let mut opened = open(file.try_clone().unwrap()).unwrap();
    assert_eq!(opened.read(&mut [0; 9]).unwrap(), 0);
    assert_eq!(opened.ending(), Some(Ending::Truncated));
    file.seek(SeekFrom::End(0)).unwrap(); // the place is shared with the writer
    sealer.write_all(&plain(2 * CHUNK + 1)).unwrap();
    // What came later is not seen, and does not disturb.
    assert_eq!(opened.read(&mut [0; 9]).unwrap(), 0);
    let mut opened = open(file.try_clone().unwrap()).unwrap();
    // The trap in age: a seek to an exact multiple of a chunk in a file without an end.
    for chunk in [1, 0, 2, 1] {
        opened.seek(SeekFrom::Start(chunk * CHUNK_BYTES)).unwrap();
        let mut buf = [0; 3];
        let len = opened.read(&mut buf).unwrap();
        let at = chunk as usize * CHUNK;
        assert_eq!(buf[..len], plain(3 * CHUNK)[at..at + if chunk == 2 { 0 } else { 3 }]);
        assert_eq!(opened.ending(), (chunk == 2).then_some(Ending::Truncated));
    }
    assert_eq!(opened.find_end().unwrap(), End { len: 2 * CHUNK_BYTES, ending: Ending::Truncated });
}

#[test]
fn a_length_that_was_never_written_to_counts_as_cut() {
    for into_chunk in [0, 77] {
        let (mut file, header) = sealed(4 * CHUNK);
        file[header + 2 * SEALED_CHUNK + into_chunk..].fill(0);
        let mut opened = open(Cursor::new(file)).unwrap();
        assert!(read_all(&mut opened) == plain(2 * CHUNK));
        assert_eq!(opened.ending(), Some(Ending::Truncated));
        assert_eq!(opened.find_end().unwrap(), End { len: 2 * CHUNK_BYTES, ending: Ending::Truncated });
    }
}

#[test]
fn chunks_that_were_moved_are_damage() {
    let (file, header) = sealed(4 * CHUNK);
    let mut shuffled = file.clone();
    shuffled[header..header + 2 * SEALED_CHUNK].rotate_left(SEALED_CHUNK);
    let mut opened = open(Cursor::new(shuffled)).unwrap();
    assert_eq!(opened.read(&mut [0; 9]).unwrap(), 0);
    assert_eq!(opened.ending(), Some(Ending::Damaged));
    opened.seek(SeekFrom::Start(2 * CHUNK_BYTES)).unwrap();
    assert!(read_all(&mut opened) == plain(4 * CHUNK)[2 * CHUNK..]);

    let appended = [file.clone(), file[header..].to_vec()].concat();
    let mut opened = open(Cursor::new(appended)).unwrap();
    assert!(read_all(&mut opened) == plain(4 * CHUNK));
    assert_eq!(opened.ending(), Some(Ending::Damaged));
    assert_eq!(opened.find_end().unwrap(), End { len: 4 * CHUNK_BYTES, ending: Ending::Damaged });

    // The chunks of one file below the header of another.
    let (other, other_header) = sealed(4 * CHUNK);
    let grafted = [&other[..other_header], &file[header..]].concat();
    let mut opened = open(Cursor::new(grafted)).unwrap();
    assert_eq!(opened.read(&mut [0; 9]).unwrap(), 0);
    assert_eq!(opened.ending(), Some(Ending::Damaged));
    assert_eq!(opened.find_end().unwrap().len, 0);
}

#[test]
fn what_is_no_sealed_file_is_damaged_from_its_start() {
    let (file, header) = sealed(10);
    let endless_header = [b"age-encryption.org/v1\n".to_vec(), b"-> X25519 a\n".repeat(100_000)].concat();
    let one_line = [b"age-encryption.org/v1\n-> X25519 ".to_vec(), vec![b'a'; 1_000_000]].concat();
    for bad in [
        vec![],
        b"hello".to_vec(),
        vec![0; 100_000],
        file[1..].to_vec(),
        file[..header - 17].to_vec(),
        endless_header,
        one_line,
    ] {
        let opened = open(Cursor::new(bad));
        assert!(matches!(opened, Err(ViewError::Damaged)), "{opened:?}");
    }
}

#[test]
fn a_failing_disk_is_an_error_that_may_pass() {
    static COUNTDOWN: AtomicUsize = AtomicUsize::new(usize::MAX);
    struct Failing(Cursor<Vec<u8>>);
    fn step() -> io::Result<()> {
        match COUNTDOWN.fetch_sub(1, Ordering::Relaxed) {
            1 => Err(io::Error::from_raw_os_error(5)),
            _ => Ok(()),
        }
    }
    impl Read for Failing {
        fn read(&mut self, buf: &mut [u8]) -> io::Result<usize> {
            step()?;
            let len = buf.len().min(20_000);
            self.0.read(&mut buf[..len])
        }
    }
    impl Seek for Failing {
        fn seek(&mut self, to: SeekFrom) -> io::Result<u64> {
            step()?;
            self.0.seek(to)
        }
    }
    let whole = plain(3 * CHUNK);
    for len in [3 * CHUNK, 3 * CHUNK - 9] {
        let (file, _) = sealed(len);
        let mut failures = 0;
        for fail_at in 1..60 {
            COUNTDOWN.store(fail_at, Ordering::Relaxed);
            let mut opened = match open(Failing(Cursor::new(file.clone()))) {
                Err(ViewError::Io(e)) => {
                    assert_eq!(e.raw_os_error(), Some(5));
                    open(Failing(Cursor::new(file.clone()))).unwrap()
                }
                opened => opened.unwrap(),
            };
            let (mut bytes, mut buf) = (Vec::new(), vec![0; 50_000]);
            opened.seek(SeekFrom::Start(2 * CHUNK_BYTES)).unwrap();
            let end = opened.find_end().or_else(|_| opened.find_end()).unwrap();
            assert_eq!(end, End { len: len as u64, ending: Ending::Whole });
            opened.seek(SeekFrom::Start(0)).unwrap();
            loop {
                match opened.read(&mut buf) {
                    Ok(0) => break,
                    Ok(len) => bytes.extend_from_slice(&buf[..len]),
                    Err(e) => {
                        assert_eq!(e.raw_os_error(), Some(5));
                        failures += 1;
                    }
                }
            }
            assert!(bytes == whole[..len], "{fail_at}");
            assert_eq!(opened.ending(), Some(Ending::Whole), "{fail_at}");
        }
        assert!(failures > 3, "{failures}");
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]

    #[test]
    fn a_cut_file_gives_its_whole_chunks_and_says_so(
        len in lengths(),
        cut in prop_oneof![any::<prop::sample::Index>().prop_map(Ok), (0usize..4, -1i64..2).prop_map(Err)],
        places in prop::collection::vec(lengths(), 1..12),
    ) {
        let (mut file, header) = sealed(len);
        let total = file.len();
        file.truncate(match cut {
            Ok(any) => any.index(total + 1),
            Err((chunk, by)) => (header + chunk * SEALED_CHUNK).saturating_add_signed(by as isize).min(total),
        });
        let payload = match file.len().checked_sub(header) {
            Some(payload) => payload,
            None => {
                // Cut within the header. Its 16 last bytes, the nonce, are not missed before they are needed.
                let opened = open(Cursor::new(file));
                prop_assert!(matches!(opened, Err(ViewError::Damaged)), "{:?}", opened);
                return Ok(());
            }
        };
        let (readable, ending) = match file.len() == total {
            true => (len, Ending::Whole),
            false => (payload / SEALED_CHUNK * CHUNK, Ending::Truncated),
        };
        let whole = plain(len);
        let mut opened = open(Cursor::new(file)).unwrap();
        for place in places {
            let mut buf = [0; 777];
            let got = opened.read_at(place as u64, &mut buf).unwrap();
            prop_assert_eq!(&buf[..got], &whole[place.min(readable)..(place + got).min(readable)]);
            prop_assert_eq!(got == 0, place >= readable);
            prop_assert_eq!(opened.ending(), (place >= readable).then_some(ending));
        }
        prop_assert_eq!(opened.find_end().unwrap(), End { len: readable as u64, ending });
        prop_assert!(read_all(&mut opened) == whole[..readable]);
        prop_assert_eq!(opened.ending(), Some(ending));
        prop_assert!(opened.len_at_most() >= readable as u64);
    }

    #[test]
    fn a_flipped_bit_costs_its_chunk_and_nothing_false_is_read(
        len in lengths(),
        at: prop::sample::Index,
        bit in 0u8..8,
        places in prop::collection::vec(lengths(), 1..12),
    ) {
        let (mut file, header) = sealed(len);
        let at = at.index(file.len());
        file[at] ^= 1 << bit;
        let whole = plain(len);
        let mut opened = match open(Cursor::new(file)) {
            Ok(opened) => opened,
            Err(e) => {
                prop_assert!(at < header, "{}", e);
                prop_assert!(matches!(e, ViewError::WrongKey | ViewError::Damaged));
                return Ok(());
            }
        };
        // In the nonce: no chunk opens.
        let bad = |chunk: usize| at < header || chunk == (at - header) / SEALED_CHUNK;
        for place in places {
            let mut buf = [0; 777];
            let got = opened.read_at(place as u64, &mut buf).unwrap();
            if got > 0 {
                prop_assert!(!bad(place / CHUNK));
                prop_assert_eq!(&buf[..got], &whole[place..place + got]);
            } else {
                prop_assert!(place >= len || bad(place / CHUNK));
                prop_assert!(opened.ending().is_some());
            }
        }
        let from_start = read_all(&mut opened);
        prop_assert!(from_start == whole[..from_start.len()]);
        if !whole.is_empty() {
            let lost = if at < header { 0 } else { (at - header) / SEALED_CHUNK };
            prop_assert_eq!(from_start.len(), lost * CHUNK);
        }
        let middle = (from_start.len() + CHUNK) <= len;
        prop_assert_eq!(opened.ending(), Some(if middle { Ending::Damaged } else { Ending::Truncated }));
    }

    #[test]
    fn any_bytes_are_opened_or_refused(bytes: Vec<u8>, keep in 0usize..300) {
        let (file, _) = sealed(100);
        if let Ok(mut opened) = open(Cursor::new([&file[..keep], &bytes].concat())) {
            prop_assert!(read_all(&mut opened).is_empty());
        }
    }
}
