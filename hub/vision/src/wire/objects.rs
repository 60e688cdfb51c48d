//! What hub and child say to each other where objects are told apart.
//!
//! ```text
//! hub    251  0 (2)  length of the description (4)  length of the model (4)  description  model     once
//! child  '+'  width (2)  height (2)  microseconds of the processor (4)  and in all (4)  how many labels (2)  length (4)  the labels, a line each
//!        '-'  length (4)  why it is of no use
//! hub    a picture in colour of that size, row after row
//! child  how many (1)  of each: label (2)  score, left, top, width, height (2 each)
//! ```
//!
//! Parts are of 65,535. A child that cannot say what is in a picture ends.

use std::io::{self, Read, Write};
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncReadExt};

use super::watch::{part, whole};
use super::{bad, head_of, text_of};
use crate::motion::Bounds;
use crate::objects::{About, MAX_LABEL_CHARS, MAX_LABELS, MAX_OBJECTS, MAX_SIDE, Model, Rgb, Seen, Size};
use base::runtime::Provider;

/// The first byte of a request to read a model.
pub(super) const DETECT: u8 = 251;
/// The longest answer: a thousand names, of letters that take four bytes.
const MAX_ANSWER_BYTES: usize = MAX_LABELS * (4 * MAX_LABEL_CHARS + 1);
const OBJECT_BYTES: usize = 12;
/// As much of why a model is of no use is told, and logged.
const MAX_WHY_CHARS: usize = 500;

/// The head of a request to read a model; description and model follow.
pub(crate) fn head(model: &Model) -> [u8; 11] {
    head_of(DETECT, 0, model.description.len(), model.file.len())
}

/// What became of the model, in the child's words.
pub(crate) fn say_ready(to: &mut impl Write, ready: &Result<About, String>) -> io::Result<()> {
    let bytes = match ready {
        Ok(About { labels, width, height, per_picture, took, by: _ }) => {
            let names = labels.join("\n");
            let micros = |time: &Duration| u32::try_from(time.as_micros()).unwrap_or(u32::MAX).to_be_bytes();
            let sides = [*width, *height].map(u16::to_be_bytes).concat();
            let count = (labels.len() as u16).to_be_bytes(); // a thousand at most
            let len = (names.len() as u32).to_be_bytes();
            [&b"+"[..], &sides, &micros(per_picture), &micros(took), &count, &len, names.as_bytes()].concat()
        }
        Err(why) => [&b"-"[..], &(why.len() as u32).to_be_bytes(), why.as_bytes()].concat(),
    };
    to.write_all(&bytes)
}

/// The same, read in the hub, which knows who runs it.
///
/// # Errors
/// The child has ended, or says what no child says.
pub(crate) async fn ready(
    from: &mut (impl AsyncRead + Unpin),
    by: Option<Provider>,
) -> io::Result<Result<About, String>> {
    match from.read_u8().await? {
        b'+' => {
            let (width, height) = (from.read_u16().await?, from.read_u16().await?);
            let per_picture = Duration::from_micros(from.read_u32().await?.into());
            let took = Duration::from_micros(from.read_u32().await?.into());
            let count = usize::from(from.read_u16().await?);
            let len = from.read_u32().await? as usize;
            let names = text_of(from, len, MAX_ANSWER_BYTES).await?;
            let labels: Vec<_> = names.lines().map(str::to_owned).collect();
            let is_label = |label: &String| (1..=MAX_LABEL_CHARS).contains(&label.chars().count());
            let sides = [width, height].iter().all(|side| (1..=MAX_SIDE).contains(side));
            if !sides || labels.len() != count || !(1..=MAX_LABELS).contains(&count) || !labels.iter().all(is_label) {
                return Err(bad("the child says what no child says"));
            }
            Ok(Ok(About { labels, width, height, per_picture, took, by }))
        }
        b'-' => {
            let len = from.read_u32().await? as usize;
            let why = text_of(from, len, MAX_ANSWER_BYTES).await?;
            Ok(Err(why.chars().filter(|c| !c.is_control()).take(MAX_WHY_CHARS).collect()))
        }
        _ => Err(bad("the child says what no child says")),
    }
}

/// Reads a picture, in the child. `None`: the hub needs it no more.
///
/// # Errors
/// It is cut short.
pub(crate) fn picture(from: &mut impl Read, size: Size) -> io::Result<Option<Rgb>> {
    let mut pixels = vec![0; size.bytes()];
    if from.read(&mut pixels[..1])? == 0 {
        return Ok(None);
    }
    from.read_exact(&mut pixels[1..])?;
    Ok(Some(Rgb { size, pixels }))
}

/// What is in it, in the child's words.
pub(crate) fn say_seen(to: &mut impl Write, seen: &[Seen]) -> io::Result<()> {
    let seen = &seen[..seen.len().min(MAX_OBJECTS)];
    let mut bytes = vec![seen.len() as u8];
    for Seen { label, score, bounds: b } in seen {
        bytes.extend((*label as u16).to_be_bytes()); // a thousand at most
        bytes.extend([*score, b.left, b.top, b.width, b.height].map(|p| part(p).to_be_bytes()).concat());
    }
    to.write_all(&bytes)
}

/// The same, read in the hub: no more than there can be, and in the picture.
///
/// # Errors
/// As [`ready`].
pub(crate) async fn seen(from: &mut (impl AsyncRead + Unpin)) -> io::Result<Vec<Seen>> {
    let count = usize::from(from.read_u8().await?);
    if count > MAX_OBJECTS {
        return Err(bad("the child says what no child says"));
    }
    let mut bytes = vec![0; count * OBJECT_BYTES];
    from.read_exact(&mut bytes).await?;
    let seen = |bytes: &[u8; OBJECT_BYTES]| {
        let [label, score, left, top, width, height] =
            [0, 2, 4, 6, 8, 10].map(|at| u16::from_be_bytes([bytes[at], bytes[at + 1]]));
        let [score, left, top, width, height] = [score, left, top, width, height].map(whole);
        let bounds = Bounds { left, top, width: width.min(1.0 - left), height: height.min(1.0 - top) };
        Seen { label: label.into(), score, bounds }
    };
    Ok(bytes.as_chunks().0.iter().map(seen).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn now<T>(future: impl Future<Output = T>) -> T {
        tokio::runtime::Builder::new_current_thread().build().unwrap().block_on(future)
    }

    fn about(labels: Vec<String>) -> About {
        let (per_picture, took) = (Duration::from_millis(125), Duration::from_millis(150));
        About { labels, width: 640, height: 384, per_picture, took, by: Some(Provider::Cpu) }
    }

    #[test]
    fn what_is_said_arrives_and_nothing_else_is_believed() {
        let said = |answer: &Result<About, String>| {
            let mut bytes = Vec::new();
            say_ready(&mut bytes, answer).unwrap();
            now(ready(&mut &bytes[..], Some(Provider::Cpu)))
        };
        for answer in [Ok(about(vec!["person".into(), "dog".into()])), Err("it is none".to_owned())] {
            assert_eq!(said(&answer).unwrap(), answer);
        }
        assert!(said(&Ok(about(vec!["two\nlines".into()]))).is_err());
        assert!(said(&Ok(about(vec!["a".into(); MAX_LABELS + 1]))).is_err());
        assert!(said(&Ok(About { width: MAX_SIDE + 1, ..about(vec!["a".into()]) })).is_err());

        let bounds = Bounds { left: 0.25, top: 0.0, width: 0.5, height: 1.0 };
        let mut bytes = Vec::new();
        say_seen(&mut bytes, &vec![Seen { label: 3, score: 0.75, bounds }; 40]).unwrap();
        let heard = now(seen(&mut &bytes[..])).unwrap();
        assert_eq!((heard.len(), heard[0].label), (MAX_OBJECTS, 3));
        assert!((heard[0].bounds.width - 0.5).abs() < 0.001);
        let size = Size { width: 4, height: 2 };
        assert_eq!(picture(&mut &[7; 24][..], size).unwrap().unwrap().pixels, [7; 24]);
        assert!(picture(&mut &[][..], size).unwrap().is_none() && picture(&mut &[7; 23][..], size).is_err());
    }

    proptest::proptest! {
        #[test]
        fn any_bytes_are_read_without_a_panic(bytes: Vec<u8>) {
            let _ = now(ready(&mut &bytes[..], None));
            let all = now(seen(&mut &bytes[..])).unwrap_or_default();
            proptest::prop_assert!(all.iter().all(|s| s.bounds.left + s.bounds.width <= 1.001));
        }
    }
}
