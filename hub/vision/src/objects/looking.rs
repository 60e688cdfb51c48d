//! One camera's part: when its pictures are worth a look, and what of the answer is news.

use std::time::Duration;

use base::Mono;
use tokio::sync::{mpsc, oneshot, watch};

use super::detecting::Ask;
use super::tracks::Tracks;
use super::{Detecting, Objects, Place, Rgb, Seen, Size};
use crate::motion::{Bounds, Moving};

/// A camera is looked at so often at most.
const EVERY: Duration = Duration::from_millis(400);
/// An answer that comes later than this is of something that may be over.
const TOO_LATE: Duration = Duration::from_secs(8);

/// Looks for objects in what moves at one camera.
pub(crate) struct Looking {
    asks: mpsc::Sender<Ask>,
    state: watch::Receiver<Objects>,
    tracks: Tracks,
    /// What is being looked at.
    pending: Option<(Shown, oneshot::Receiver<Vec<Seen>>)>,
    next: Mono,
    /// Labels as they were when [`Looking::tracks`] began: another model's mean something else.
    labels: Vec<String>,
}

/// What was shown to the detector.
#[derive(Debug, Clone, Copy)]
struct Shown {
    place: Place,
    moving: Moving,
    at: Duration,
    asked: Mono,
}

/// What was seen.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Told {
    /// What moves, each kind once; not empty.
    pub objects: Vec<String>,
    /// In which moment.
    pub moving: Moving,
    pub at: Duration,
}

impl Looking {
    pub fn new(detecting: &Detecting) -> Self {
        Self::by(detecting.asks.clone(), detecting.state.clone())
    }

    /// Tells nothing apart.
    pub fn for_nothing() -> Self {
        Self::by(mpsc::channel(1).0, watch::channel(Objects::None).1)
    }

    fn by(asks: mpsc::Sender<Ask>, state: watch::Receiver<Objects>) -> Self {
        Self { asks, state, tracks: Tracks::default(), pending: None, next: Mono::default(), labels: Vec::new() }
    }

    /// Whether there is a model that tells objects apart.
    pub fn tells(&self) -> bool {
        matches!(*self.state.borrow(), Objects::Ready(_))
    }

    /// The picture that is wanted of what moves now; `None`: none.
    pub fn wants(&self, now: Mono) -> Option<Size> {
        match &*self.state.borrow() {
            Objects::Ready(about) if self.pending.is_none() && now >= self.next => {
                Some(Size { width: about.width, height: about.height })
            }
            _ => None,
        }
    }

    /// Has it looked at.
    pub fn show(&mut self, picture: Rgb, place: Place, moving: Moving, at: Duration, now: Mono) {
        let (answer, answered) = oneshot::channel();
        if self.asks.try_send(Ask { picture, answer }).is_ok() {
            self.pending = Some((Shown { place, moving, at, asked: now }, answered));
        }
        self.next = now + EVERY;
    }

    /// Waits for what is seen; for ever if nothing is looked at. `None`: nothing that counts. May be dropped and called again.
    pub async fn answered(&mut self, now: impl Fn() -> Mono) -> Option<Told> {
        let Some((shown, answered)) = &mut self.pending else { return std::future::pending().await };
        let (shown, seen) = (*shown, answered.await);
        self.pending = None;
        let seen = seen.ok()?; // its child has ended
        let Objects::Ready(about) = self.state.borrow().clone() else { return None };
        if about.labels != self.labels {
            (self.labels, self.tracks) = (about.labels, Tracks::default());
        }
        if now().since(shown.asked) > TOO_LATE {
            return None;
        }
        let in_camera = |seen: Seen| Some(Seen { bounds: shown.place.in_camera(seen.bounds)?, ..seen });
        let seen: Vec<_> = seen.into_iter().filter_map(in_camera).collect();
        let all: &Bounds = &shown.place.of;
        let counts = self.tracks.see(&seen, all, &shown.moving.bounds, shown.at);
        let objects: Vec<_> = counts.into_iter().filter_map(|label| self.labels.get(label).cloned()).collect();
        (!objects.is_empty()).then_some(Told { objects, moving: shown.moving, at: shown.at })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::objects::About;

    const SIZE: Size = Size { width: 64, height: 64 };

    fn second(s: f32) -> Mono {
        Mono((f64::from(s) * 1e9) as u64)
    }

    fn ready() -> Objects {
        let labels = vec!["person".to_owned()];
        let took = Duration::from_millis(300);
        Objects::Ready(About { labels, width: 64, height: 64, per_picture: took, took, by: None })
    }

    fn show(looking: &mut Looking, left: f32, now: Mono) {
        let bounds = Bounds { left, top: 0.4, width: 0.1, height: 0.3 };
        let moving = Moving { since: Duration::ZERO, score: 0.9, area: 0.03, bounds };
        let of = Bounds { left: 0.0, top: 0.0, width: 1.0, height: 1.0 };
        let picture = Rgb { size: SIZE, pixels: vec![0; SIZE.bytes()] };
        looking.show(picture, Place { of, width: 1.0, height: 1.0 }, moving, Duration::from_nanos(now.0), now);
    }

    async fn answered(looking: &mut Looking, now: Mono) -> Option<Told> {
        tokio::select! {
            biased;
            told = looking.answered(|| now) => told,
            () = std::future::ready(()) => None,
        }
    }

    /// Eight cameras at which something moves all the time, and a detector that needs 300 ms for a picture.
    #[tokio::test]
    async fn each_camera_gets_its_turn_and_asks_again_only_when_it_was_answered() {
        let (asks, mut asked) = mpsc::channel(64);
        let (_state, state) = watch::channel(ready());
        let mut all: Vec<_> = (0..8).map(|_| Looking::by(asks.clone(), state.clone())).collect();
        let mut looks = [0; 8];
        for step in 0..1_200u32 {
            let now = second(step as f32 / 10.0);
            for (looking, looks) in all.iter_mut().zip(&mut looks) {
                if looking.wants(now) == Some(SIZE) {
                    show(looking, 0.0, now);
                    *looks += 1;
                }
            }
            assert!(asked.len() <= 8, "one of each at most");
            if step % 3 == 0
                && let Ok(Ask { answer, .. }) = asked.try_recv()
            {
                answer.send(Vec::new()).unwrap();
            }
            for looking in &mut all {
                assert_eq!(answered(looking, now).await, None);
            }
        }
        let (least, most) = (looks.iter().min().unwrap(), looks.iter().max().unwrap());
        assert!(most - least <= 1 && looks.iter().sum::<i32>() >= 400, "{looks:?}");
    }

    #[tokio::test]
    async fn what_comes_too_late_or_of_another_model_is_told_of_no_event() {
        let (asks, mut asked) = mpsc::channel(64);
        let (tell, state) = watch::channel(Objects::None);
        let mut looking = Looking::by(asks, state);
        assert_eq!(looking.wants(second(1.0)), None, "without a model nobody wants a picture");
        tell.send_replace(ready());
        let person = |left| Seen { label: 0, score: 0.9, bounds: Bounds { left, top: 0.4, width: 0.1, height: 0.3 } };
        for (n, (late, told)) in [(0.3, true), (9.0, false), (0.3, true)].into_iter().enumerate() {
            let now = second(100.0 * (n + 1) as f32);
            assert_eq!(looking.wants(now), Some(SIZE));
            show(&mut looking, 0.3 * n as f32, now);
            assert_eq!(looking.wants(now + Duration::from_secs(1)), None, "it waits for its answer");
            asked.try_recv().unwrap().answer.send(vec![person(0.3 * n as f32)]).unwrap();
            let heard = answered(&mut looking, now + Duration::from_secs_f32(late)).await;
            assert_eq!(heard.is_some_and(|heard| heard.objects == ["person"]), told, "after {late} s");
        }
        // Its child has ended.
        show(&mut looking, 0.0, second(500.0));
        drop(asked.try_recv().unwrap());
        assert_eq!(answered(&mut looking, second(500.1)).await, None);
        tell.send_replace(Objects::Failed("it ends".into()));
        assert_eq!(looking.wants(second(600.0)), None);
    }
}
