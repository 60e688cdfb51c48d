//! What encodes the pictures of this machine's own cameras, in words.

use base::state::{Health, Reason};
use base::{Problem, ProblemKind};
use media::{Encoding, Tried};
use serde::Serialize;
use system::Fact;
use utoipa::ToSchema;

/// What the pictures of a camera of this machine are encoded with; cameras on the network have none.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct EncoderJson {
    /// GStreamer's name of the element.
    name: String,
    /// Hardware encodes; else the processor.
    hardware: bool,
    /// Why this one, in words.
    said: String,
}

impl From<Encoding> for EncoderJson {
    fn from(Encoding { encoder, instead_of }: Encoding) -> Self {
        let mut said = chosen(&encoder);
        if let Some((better, how)) = instead_of {
            said = format!("{said}. {better} would take less, but failed: {how}. It is tried again later");
        }
        Self { name: encoder.name, hardware: encoder.hardware, said }
    }
}

/// `encoder_h264`: nothing, until a camera of this machine was there.
pub(crate) fn fact(tried: &[Tried]) -> Option<Fact> {
    if tried.is_empty() {
        return None;
    }
    let failed = tried.iter().filter(|encoder| !encoder.is_good());
    let failed: Vec<_> = failed.map(|encoder| format!("Not {}: {}", encoder.name, encoder.said())).collect();
    let good: Vec<_> = tried.iter().filter(|encoder| encoder.is_good()).map(chosen).collect();
    let said = [good.clone(), failed].concat().join("; ");
    let health = match good.is_empty() {
        true => {
            let detail = Problem::with(ProblemKind::NoEncoder, &said).to_string();
            Health::Degraded { reason: Reason::NoEncoder, detail }
        }
        false => Health::Ok,
    };
    Some(Fact { name: "encoder_h264".to_owned(), health, said })
}

fn chosen(encoder: &Tried) -> String {
    let by = if encoder.hardware { "hardware" } else { "the processor" };
    format!("{}, by {by}: {}", encoder.name, encoder.said())
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use base::element::Measured;

    use super::*;

    fn tried(name: &str, hardware: bool, trial: Result<u64, &str>) -> Tried {
        let measured = |us| Measured { pictures_per_second: 90, processor: Duration::from_micros(us) };
        Tried { name: name.into(), hardware, trial: trial.map(measured).map_err(str::to_owned) }
    }

    #[test]
    fn what_encodes_is_told_with_what_it_takes_and_what_is_of_no_use() {
        let all = [tried("x264enc", false, Ok(4_120)), tried("v4l2h264enc", true, Err("it did not finish in time"))];
        let told = fact(&all).unwrap();
        assert_eq!(told.health, Health::Ok);
        let said =
            "x264enc, by the processor: 4.1 ms of the processor a picture; Not v4l2h264enc: it did not finish in time";
        assert_eq!(told.said, said);
        assert!(matches!(fact(&all[1..]).unwrap().health, Health::Degraded { reason: Reason::NoEncoder, .. }));
        assert_eq!(fact(&[]), None, "no camera of this machine was there yet");
    }

    #[test]
    fn what_would_be_better_and_failed_is_told_of_the_camera() {
        let instead_of = Some(("vah264enc".to_owned(), "vah264enc gives no pictures".to_owned()));
        let told = EncoderJson::from(Encoding { encoder: tried("x264enc", false, Ok(4_000)), instead_of });
        let said = "x264enc, by the processor: 4.0 ms of the processor a picture. vah264enc would take less, but failed: \
                    vah264enc gives no pictures. It is tried again later";
        assert_eq!((told.name.as_str(), told.hardware, told.said.as_str()), ("x264enc", false, said));
    }
}
