//! What the hub finds out about a camera's address by itself: the way in which it can be read, and its certificate.

use std::sync::Arc;

use base::CameraId;
use media::{BadSource, Choice, EndReason, IngestEnd, Source, Way};
use store::{Learnt, StreamSource};
use zeroize::Zeroizing;

use crate::camera::Plan;
use crate::cameras::{Inner, RecorderError, connect_to};

/// What is known of one source while its supervisor runs.
pub(crate) struct Finding {
    /// As a person gave it.
    row: StreamSource,
    password: Option<Zeroizing<String>>,
    source: Source,
    choice: Choice,
    learnt: Learnt,
}

impl Finding {
    /// Begins with what was learnt before.
    pub(crate) fn new(row: &StreamSource, password: Option<Zeroizing<String>>) -> Result<Self, RecorderError> {
        let source = connect_to(row, password.clone())?;
        let ways = source.ways(row.transport).map_err(refused)?;
        let before = row.learnt.way.as_deref().and_then(Way::from_word);
        let choice = Choice::new(ways, before.map(|way| (way, row.learnt.why.clone())));
        Ok(Self { row: row.clone(), password, source, choice, learnt: row.learnt.clone() })
    }

    /// Is it of this source? What was learnt of it does not count.
    pub(crate) fn is_of(&self, row: &StreamSource, password: &Option<Zeroizing<String>>) -> bool {
        let plain = |row: &StreamSource| StreamSource { learnt: Learnt::default(), ..row.clone() };
        plain(&self.row) == plain(row) && self.password == *password
    }

    /// The row came again: where somebody changed the certificate in it, that counts.
    pub(crate) fn see(&mut self, row: &StreamSource) {
        if row.learnt.certificate != self.row.learnt.certificate {
            self.learnt.certificate = row.learnt.certificate.clone();
        }
        self.row = row.clone();
    }

    /// What to connect to next.
    pub(crate) fn source(&self) -> Source {
        self.source.clone().by(self.choice.via().way).pinned(self.learnt.certificate.clone())
    }

    /// How, and why so.
    pub(crate) fn via(&self) -> Via {
        let via = self.choice.via();
        Via { way: via.way, why: via.why.map(str::to_owned) }
    }

    /// Pictures came. What is to be kept, if that is not in the row already.
    pub(crate) fn works(&mut self, certificate: Option<String>) -> Option<Learnt> {
        self.choice.works();
        let via = self.via();
        let first = self.source.ways(self.row.transport).is_ok_and(|ways| ways[0] == via.way);
        let (way, why) = match self.choice.is_stopgap() {
            true => (self.learnt.way.take(), self.learnt.why.take()),
            false => ((!first).then(|| via.way.as_str().to_owned()), via.why),
        };
        self.learnt = Learnt { way, why, certificate: certificate.or_else(|| self.learnt.certificate.take()) };
        (self.learnt != self.row.learnt).then(|| self.learnt.clone())
    }

    /// A connection ended that brought pictures.
    pub(crate) fn ended(&mut self) {
        self.choice.ended();
    }

    /// It ended without a picture. `true`: it is to be tried in another way at once.
    pub(crate) fn failed(&mut self, end: &IngestEnd) -> bool {
        self.choice.failed(end)
    }
}

/// Of several ways that were tried: how the last one ended; but where that only says that the way does not fit, how the first
/// one did.
pub(crate) fn most_telling(first: Option<IngestEnd>, last: IngestEnd) -> IngestEnd {
    use EndReason::{Beyond, Broken, Missing, NoTransport, Unsupported};
    match first {
        Some(first) if matches!(last.reason, Beyond | Broken | Missing | NoTransport | Unsupported) => first,
        _ => last,
    }
}

/// The way in which a camera is read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Via {
    /// Which.
    pub way: Way,
    /// Why it is not the first one: what the camera answered to that.
    pub why: Option<String>,
}

/// Tries an address in the ways that its transport allows, each until it fails.
pub(crate) async fn probe(
    inner: &Inner,
    row: &StreamSource,
    password: Option<Zeroizing<String>>,
) -> Result<Probed, RecorderError> {
    let mut finding = Finding::new(row, password)?;
    let options = media::Options { encoders: Some(inner.encoders.clone()), ..media::Options::default() };
    loop {
        let failed = match media::probe(&finding.source(), &inner.clock, &options).await {
            Ok(offer) => return Ok(Probed { offer, via: finding.via() }),
            Err(end) => end,
        };
        if !finding.failed(&failed) {
            let problem = failed.problem().unwrap_or_else(|| base::ProblemKind::ShuttingDown.into());
            return Err(RecorderError::Refused(problem));
        }
    }
}

/// What a camera offers, and in which way it could be read.
#[derive(Debug, Clone)]
pub struct Probed {
    /// What it offers.
    pub offer: media::Probe,
    /// How it was asked.
    pub via: Via,
}

/// Keeps what was learnt of a camera's main stream, if it still is that source. Its supervisor is not woken by it.
pub(crate) async fn keep(inner: Arc<Inner>, id: CameraId, row: StreamSource, learnt: Learnt) {
    let kept = async {
        let _one_at_a_time = inner.changes.lock().await;
        let Some(mut camera) = inner.store.read(move |db| db.camera(id)).await? else { return Ok(()) };
        if camera.main != row {
            return Ok(()); // a person changed it meanwhile
        }
        camera.main.learnt = learnt;
        let new = camera.clone();
        inner.store.urgent(move |db| db.update_camera(&new)).await?;
        if let Some(running) = inner.camera(id) {
            running.plan.send_if_modified(|plan| {
                if let Plan::Record(row, _) = plan {
                    *row = camera.main;
                }
                false
            });
        }
        Ok(())
    };
    let kept: Result<(), RecorderError> = kept.await;
    if let Err(e) = kept {
        // Known until the hub stops, and offered again with the camera's next connection.
        tracing::warn!(camera = %id, error = &e as &dyn std::error::Error, "what was learnt of it was not kept");
    }
}

pub(crate) fn refused(bad: BadSource) -> RecorderError {
    RecorderError::Refused(bad.into())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn row(url: &str) -> StreamSource {
        StreamSource { url: url.into(), ..StreamSource::default() }
    }

    #[test]
    fn a_camera_without_tcp_is_remembered_with_the_reason_and_the_first_way_is_not() {
        let mut row = row("rtsp://10.0.0.2/x");
        let mut finding = Finding::new(&row, None).unwrap();
        assert_eq!(finding.works(None), None, "nothing that would not be so anyway");
        assert!(finding.failed(&IngestEnd { reason: EndReason::NoTransport, detail: "It says 461".into() }));
        let learnt = finding.works(None).expect("news");
        assert_eq!((learnt.way.as_deref(), learnt.why.as_deref()), (Some("udp"), Some("It says 461")));
        row.learnt = learnt;
        finding.see(&row);
        assert_eq!(finding.works(None), None, "it is kept");
        // After a start.
        let finding = Finding::new(&row, None).unwrap();
        assert_eq!(finding.via(), Via { way: Way::Udp, why: Some("It says 461".into()) });
        // A person asks for another transport: what was learnt does not count.
        row.transport = base::Transport::Tcp;
        assert!(!finding.is_of(&row, &None));
        assert_eq!(Finding::new(&row, None).unwrap().via().way, Way::Own);
    }

    #[test]
    fn the_first_certificate_is_kept_until_somebody_forgets_it() {
        let mut row = row("rtsps://10.0.0.2/x");
        let mut finding = Finding::new(&row, None).unwrap();
        let learnt = finding.works(Some("aa".into())).expect("news");
        assert_eq!((learnt.way.as_deref(), learnt.certificate.as_deref()), (None, Some("aa")));
        assert_eq!(finding.works(None), Some(learnt.clone()), "offered until it is kept");
        row.learnt = learnt;
        finding.see(&row);
        assert_eq!(finding.works(None), None);
        row.learnt.certificate = None;
        assert!(finding.is_of(&row, &None));
        finding.see(&row);
        assert_eq!(finding.works(Some("bb".into())).and_then(|l| l.certificate).as_deref(), Some("bb"));
    }
}
