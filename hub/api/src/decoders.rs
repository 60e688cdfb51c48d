//! What decodes pictures on this machine, in words: what was tried, what is taken, and whether that is what the board should have.

use base::state::{Health, Reason};
use base::{Problem, ProblemKind};
use serde::Serialize;
use system::Fact;
use tokio::sync::watch;
use utoipa::ToSchema;
use vision::{Codec, Decoder, Using};

/// What decodes cameras' pictures here.
#[derive(Debug, Clone)]
pub struct Decoders {
    /// What was tried.
    pub tried: watch::Receiver<vision::Decoders>,
    /// What the board should have, best first; empty where the machine is none that is known.
    pub expected: Vec<system::Decoder>,
}

/// What a camera's pictures are decoded with.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct DecoderJson {
    /// GStreamer's name of the element.
    name: String,
    /// Hardware decodes; else the processor.
    hardware: bool,
    /// Why this one, in words.
    said: String,
}

impl Decoders {
    /// A fact for each coding: `decoder_h264`, `decoder_h265`.
    pub(crate) fn facts(&self) -> Vec<Fact> {
        let decoders = self.tried.borrow();
        [(Codec::H264, "h264"), (Codec::H265, "h265")].map(|(codec, word)| self.fact(&decoders, codec, word)).into()
    }

    fn fact(&self, decoders: &vision::Decoders, codec: Codec, word: &str) -> Fact {
        let fact = |health, said| Fact { name: format!("decoder_{word}"), health, said };
        let degraded = |reason, kind, said: &str| {
            let detail = Problem::with(kind, said).to_string();
            fact(Health::Degraded { reason, detail }, said.to_owned())
        };
        let any = [Codec::H264, Codec::H265].iter().any(|codec| decoders.tried(*codec).next().is_some());
        if !decoders.complete() || !any {
            return fact(Health::Off, "They are being tried, or could not be".to_owned());
        }
        let Some(best) = decoders.best(codec) else {
            let nothing = format!("Nothing on this machine decodes H.{}", word.trim_start_matches('h'));
            let why = Some(failed(decoders, codec, None)).filter(|why| !why.is_empty()).unwrap_or(nothing);
            return degraded(Reason::NoDecoder, ProblemKind::NoDecoder, &why);
        };
        let mut said = chosen(best);
        let others = failed(decoders, codec, Some(best));
        if !others.is_empty() {
            said = format!("{said}. {others}");
        }
        // The first that the board names is the one that it should have; hardware in its place is as good.
        let expected = self.expected.iter().find(|expected| expected.codec == word).filter(|_| !best.hardware);
        let missing = expected.filter(|expected| {
            !decoders.tried(codec).any(|decoder| decoder.name == expected.element && decoder.is_good())
        });
        match missing {
            Some(missing) => {
                if missing.element != best.name {
                    said = format!("{} is not there or of no use; {said}", missing.element);
                }
                degraded(Reason::OtherDecoder, ProblemKind::OtherDecoder, &said)
            }
            None => fact(Health::Ok, said),
        }
    }

    /// What a camera uses.
    pub(crate) fn of_camera(&self, using: Using) -> DecoderJson {
        let decoders = self.tried.borrow();
        let mut said = decoders.tried(using.codec).find(|d| d.name == using.name).map_or(using.name.clone(), chosen);
        if let Some((better, how)) = using.instead_of {
            said = format!("{said}. {better} would take less, but {how}: it is tried again later");
        }
        DecoderJson { name: using.name, hardware: using.hardware, said }
    }
}

fn chosen(decoder: &Decoder) -> String {
    let by = if decoder.hardware { "hardware" } else { "the processor" };
    format!("{}, by {by}: {}", decoder.name, decoder.said())
}

/// Those that are of no use, with the reason, but for the one that is taken all the same.
fn failed(decoders: &vision::Decoders, codec: Codec, taken: Option<&Decoder>) -> String {
    let failed = decoders.tried(codec).filter(|decoder| !decoder.is_good() && Some(*decoder) != taken);
    failed.map(|decoder| format!("Not {}: {}", decoder.name, decoder.said())).collect::<Vec<_>>().join("; ")
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use base::element::Measured;

    use super::*;

    fn decoder(codec: Codec, name: &str, hardware: bool, trial: Result<u64, &str>) -> Decoder {
        let measured = |us| Measured { pictures_per_second: 500, processor: Duration::from_micros(us) };
        Decoder { codec, name: name.into(), hardware, trial: trial.map(measured).map_err(str::to_owned) }
    }

    fn told(tried: vision::Decoders, expected: &[(&str, &str)]) -> Vec<Fact> {
        let expected = expected.iter().map(|(codec, element)| {
            let (codec, element) = ((*codec).to_owned(), (*element).to_owned());
            system::Decoder { codec, element }
        });
        Decoders { tried: watch::channel(tried).1, expected: expected.collect() }.facts()
    }

    #[test]
    fn what_is_taken_is_told_with_what_it_takes_and_what_is_of_no_use() {
        let tried = vision::Decoders::of(vec![
            decoder(Codec::H264, "openh264dec", false, Ok(1_149)),
            decoder(Codec::H264, "v4l2h264dec", true, Err("it did not finish in time")),
            decoder(Codec::H265, "v4l2slh265dec", true, Ok(210)),
        ]);
        let facts = told(tried.clone(), &[]);
        let said: Vec<_> = facts.iter().map(|fact| (fact.name.as_str(), fact.said.as_str())).collect();
        let h264 = "openh264dec, by the processor: 1.1 ms of the processor a picture. Not v4l2h264dec: it did not finish in time";
        let h265 = "v4l2slh265dec, by hardware: 0.2 ms of the processor a picture";
        assert_eq!(said, [("decoder_h264", h264), ("decoder_h265", h265)]);
        assert!(facts.iter().all(|fact| fact.health == Health::Ok));

        let expected = [("h264", "v4l2h264dec"), ("h265", "v4l2slh265dec")];
        let facts = told(tried, &expected);
        let Health::Degraded { reason: Reason::OtherDecoder, detail } = &facts[0].health else { panic!("{facts:?}") };
        assert!(detail.contains("v4l2h264dec is not there or of no use; openh264dec"), "{detail}");
        assert_eq!(facts[1].health, Health::Ok);
    }

    #[test]
    fn where_nothing_is_quick_enough_the_quickest_is_taken_and_said_to_be_slow_once() {
        let slow = Measured { pictures_per_second: 9, processor: Duration::from_millis(90) };
        let slow = Decoder { trial: Ok(slow), ..decoder(Codec::H264, "openh264dec", false, Ok(0)) };
        let tried = vision::Decoders::of(vec![slow, decoder(Codec::H264, "v4l2h264dec", true, Err("it hangs"))]);
        let fact = told(tried, &[("h264", "openh264dec")]).remove(0);
        assert_eq!(
            fact.said,
            "openh264dec, by the processor: too slow, 9 pictures a second. Not v4l2h264dec: it hangs"
        );
        assert!(matches!(fact.health, Health::Degraded { reason: Reason::OtherDecoder, .. }), "{fact:?}");
    }

    #[test]
    fn where_nothing_decodes_that_is_told_and_before_the_trial_nothing_is() {
        assert!(told(vision::Decoders::default(), &[]).iter().all(|fact| fact.health == Health::Off));
        let tried = vision::Decoders::of(vec![decoder(Codec::H264, "x", true, Err("it hangs"))]);
        let facts = told(tried, &[]);
        let no_decoder = |fact: &Fact| matches!(fact.health, Health::Degraded { reason: Reason::NoDecoder, .. });
        assert!(facts.iter().all(no_decoder), "{facts:?}");
        let said: Vec<_> = facts.iter().map(|fact| fact.said.as_str()).collect();
        assert_eq!(said, ["Not x: it hangs", "Nothing on this machine decodes H.265"]);
    }
}
