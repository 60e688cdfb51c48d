//! What hub and child say to each other when decoders are tried.
//!
//! ```text
//! hub    253  0 (2)  0 (4)  0 (4)                               which are there?
//! child  a text: a line for each, coding, name, `hardware` or `software`
//! hub    252  coding (2)  length of the name (4)  0 (4)  name   try this one
//! child  a text: `pictures microseconds microseconds-of-the-processor`, or `-` and why it is none
//! ```

use std::time::Duration;

use super::{CANDIDATES, CODECS, TRY, head_of};
use crate::coded::Codec;

/// Most decoders of a machine: more is what no child says.
const MAX_CANDIDATES: usize = 24;
/// The longest name of one.
const MAX_NAME: usize = 64;
/// The longest reason, in characters.
const MAX_WHY: usize = 200;
/// No trial takes longer.
const MAX_TIME: Duration = Duration::from_secs(60);

/// A decoder that could be used.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Candidate {
    pub codec: Codec,
    /// GStreamer's name of its element.
    pub name: String,
    /// It says of itself that hardware decodes.
    pub hardware: bool,
}

/// What decoding the known film took.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Speed {
    pub pictures: u32,
    pub wall: Duration,
    /// Of all threads of the child.
    pub processor: Duration,
}

/// A whole request to list decoders.
pub(crate) fn candidates() -> Vec<u8> {
    head_of(CANDIDATES, 0, 0, 0).to_vec()
}

/// A whole request to try one.
pub(crate) fn attempt(candidate: &Candidate) -> Vec<u8> {
    let kind = CODECS.iter().find(|(_, c)| *c == candidate.codec).map_or(0, |(kind, _)| *kind);
    [&head_of(TRY, kind.into(), candidate.name.len(), 0)[..], candidate.name.as_bytes()].concat()
}

/// The list, in the child's words.
pub(crate) fn list(candidates: &[Candidate]) -> String {
    let kind = |hardware| if hardware { "hardware" } else { "software" };
    candidates.iter().map(|c| format!("{} {} {}\n", word(c.codec), c.name, kind(c.hardware))).collect()
}

/// The same, read in the hub; what is no decoder's name is left out.
pub(crate) fn read_list(text: &str) -> Vec<Candidate> {
    let candidate = |line: &str| {
        let mut words = line.split(' ');
        let codec = match words.next()? {
            "h264" => Codec::H264,
            "h265" => Codec::H265,
            _ => return None,
        };
        let name = words.next().filter(|name| is_name(name))?.to_owned();
        let hardware = match words.next()? {
            "hardware" => true,
            "software" => false,
            _ => return None,
        };
        words.next().is_none().then_some(Candidate { codec, name, hardware })
    };
    text.lines().filter_map(candidate).take(MAX_CANDIDATES).collect()
}

/// How the trial ended, in the child's words.
pub(crate) fn outcome(tried: &Result<Speed, String>) -> String {
    match tried {
        Ok(Speed { pictures, wall, processor }) => format!("{pictures} {} {}", wall.as_micros(), processor.as_micros()),
        Err(why) => format!("-{}", why.chars().take(MAX_WHY).collect::<String>()),
    }
}

/// The same, read in the hub: a speed that can be, or why it is none.
pub(crate) fn read_outcome(text: &str) -> Result<Speed, String> {
    if let Some(why) = text.strip_prefix('-') {
        return Err(why.split_whitespace().collect::<Vec<_>>().join(" ").chars().take(MAX_WHY).collect());
    }
    let numbers: Option<Vec<u64>> = text.split(' ').map(|number| number.parse().ok()).collect();
    match numbers.as_deref() {
        Some([pictures, wall, processor]) => {
            let [wall, processor] = [wall, processor].map(|us| Duration::from_micros(*us));
            let pictures = u32::try_from(*pictures).ok().filter(|n| *n > 0 && !wall.is_zero() && wall <= MAX_TIME);
            // It may have had several processors.
            pictures.filter(|_| processor <= 64 * MAX_TIME).map(|pictures| Speed { pictures, wall, processor })
        }
        _ => None,
    }
    .ok_or_else(|| "its trial said what no trial says".to_owned())
}

/// GStreamer's names, and nothing that could be words for a person.
pub(super) fn is_name(name: &str) -> bool {
    !name.is_empty() && name.len() <= MAX_NAME && name.bytes().all(|b| b.is_ascii_alphanumeric() || b"-_".contains(&b))
}

fn word(codec: Codec) -> &'static str {
    match codec {
        Codec::H264 => "h264",
        Codec::H265 => "h265",
        Codec::Mjpeg => "jpeg",
    }
}

#[cfg(test)]
mod tests {
    use super::super::{Request, request};
    use super::*;

    fn candidate(name: &str) -> Candidate {
        Candidate { codec: Codec::H265, name: name.into(), hardware: true }
    }

    #[test]
    fn what_is_asked_and_answered_arrives() {
        assert_eq!(request(&mut &candidates()[..]).unwrap(), Some(Request::Candidates));
        let asked = request(&mut &attempt(&candidate("v4l2slh265dec"))[..]).unwrap();
        assert_eq!(asked, Some(Request::Try { codec: Codec::H265, name: "v4l2slh265dec".into() }));
        let there = [candidate("a-b_c1"), Candidate { codec: Codec::H264, hardware: false, ..candidate("x") }];
        assert_eq!(read_list(&list(&there)), there);
        let speed = Speed { pictures: 48, wall: Duration::from_millis(90), processor: Duration::from_micros(1_234) };
        for tried in [Ok(speed), Err("no picture comes out".to_owned())] {
            assert_eq!(read_outcome(&outcome(&tried)), tried);
        }
    }

    #[test]
    fn nothing_else_is_believed() {
        let many = vec![candidate("x"); 1_000];
        assert_eq!(read_list(&list(&many)).len(), MAX_CANDIDATES);
        for bad in ["h264 x", "h264 x hardware more", "h264  hardware", "h264 <b> software", "av1 x software"] {
            assert_eq!(read_list(bad), [], "{bad}");
        }
        for bad in ["", "1 2", "0 10 10", "48 0 0", "48 99999999999 1", "48 1 99999999999999", "1 2 3 4", "x 1 1"] {
            assert!(read_outcome(bad).is_err(), "{bad}");
        }
        let long = read_outcome(&format!("-{}", "x \n".repeat(5_000))).unwrap_err();
        assert!(long.len() <= MAX_WHY && !long.contains('\n'));
    }

    proptest::proptest! {
        #[test]
        fn any_text_is_read_without_a_panic(text: String) {
            let _ = read_list(&text);
            let _ = read_outcome(&text);
        }
    }
}
