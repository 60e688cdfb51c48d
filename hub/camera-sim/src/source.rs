//! One stream of one camera: plays its clip to all clients, breaks on request, and remembers what it sent.

use std::collections::VecDeque;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};

use base::{Mono, SharedClock, Timestamp};
use futures::{StreamExt, stream};
use rtsp_server::{Admit, Clip, MAX_LAG, Packet, Playing, Source, TrackStart};
use tokio::sync::watch;

/// Pictures remembered per stream: a quarter of an hour of one client at 20 pictures per second.
const REMEMBERED: usize = 20_000;

/// How a camera is broken, until it is told to be well again.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fault {
    /// Stays connected, answers requests, and sends no pictures and no sound. When well again it goes on with the
    /// next key picture, and what would have been sent in between is lost.
    Stall,
    /// Closes the connections that play, and each new one as soon as it plays.
    Close,
    /// Closes the connections that play, and answers everything with 401, as if its password had been changed.
    Unauthorised,
    /// Closes the connections that play, and resets those that ask for it.
    Refuse,
}

/// What a camera is told.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Control {
    pub fault: Option<Fault>,
    /// How many times its connections were cut.
    pub cuts: u64,
}

/// A picture that was given to a client's connection when it was due.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Sent {
    /// Which client of the stream, counted from 0 in the order in which they began to play.
    pub client: u64,
    /// Number of the picture since the camera started; it goes on over the loops of the clip.
    pub serial: u64,
    /// Number of the picture in the clip: what its mark says.
    pub frame: u32,
    /// Its RTP timestamp.
    pub timestamp: u32,
    /// It is a key picture.
    pub key: bool,
    /// When it was sent, monotonic.
    pub at: Mono,
    /// When it was sent, wall clock.
    pub wall: Timestamp,
}

/// The stream. All its clients see the same pictures at the same time.
pub(crate) struct StreamSource {
    clip: Arc<Clip>,
    /// Number of the picture of each unit of the clip; `None` for sound.
    frames: Arc<[Option<u32>]>,
    pictures: u64,
    clock: SharedClock,
    zero: Mono,
    first: [TrackStart; 2],
    control: watch::Receiver<Control>,
    clients: AtomicU64,
    log: Arc<Log>,
}

#[derive(Default)]
pub(crate) struct Log {
    total: AtomicU64,
    last: Mutex<VecDeque<Sent>>,
}

impl Log {
    fn add(&self, sent: Sent) {
        self.total.fetch_add(1, Ordering::Relaxed);
        let mut last = self.last.lock().expect("no panic under this lock");
        if last.len() == REMEMBERED {
            last.pop_front();
        }
        last.push_back(sent);
    }
    pub fn total(&self) -> u64 {
        self.total.load(Ordering::Relaxed)
    }
    pub fn last(&self) -> Vec<Sent> {
        self.last.lock().expect("no panic under this lock").iter().copied().collect()
    }
}

impl StreamSource {
    /// A stream whose clip began at `zero`. Track 0 of the clip is the pictures.
    pub fn new(clip: Arc<Clip>, clock: SharedClock, zero: Mono, control: watch::Receiver<Control>) -> Self {
        let mut pictures = 0;
        let number = |n| {
            let is_picture = clip.unit(n).track == 0;
            pictures += u32::from(is_picture);
            is_picture.then(|| pictures - 1)
        };
        let frames = (0..clip.units() as u64).map(number).collect();
        let first = [(); 2].map(|()| {
            let mut random = [0; 6]; // as RFC 3550 §5.1 has it
            base::random(&mut random);
            let [a, b, c, d, e, f] = random;
            TrackStart { seq: u16::from_be_bytes([a, b]), rtptime: u32::from_be_bytes([c, d, e, f]) }
        });
        let (clients, log) = Default::default();
        Self { clip, frames, pictures: pictures.into(), clock, zero, first, control, clients, log }
    }

    pub fn log(&self) -> Arc<Log> {
        self.log.clone()
    }
}

impl Source for StreamSource {
    fn admit(&self) -> Admit {
        match self.control.borrow().fault {
            Some(Fault::Unauthorised) => Admit::Unauthorised,
            Some(Fault::Refuse) => Admit::Refuse,
            Some(Fault::Stall | Fault::Close) | None => Admit::Yes,
        }
    }

    fn play(&self) -> Playing {
        let n = self.clip.next_key(self.clock.mono().since(self.zero));
        let control = self.control.clone();
        let cuts = control.borrow().cuts;
        let client = Client {
            clip: self.clip.clone(),
            frames: self.frames.clone(),
            pictures: self.pictures,
            clock: self.clock.clone(),
            zero: self.zero,
            first: self.first,
            control,
            cuts,
            number: self.clients.fetch_add(1, Ordering::Relaxed),
            log: self.log.clone(),
            next: n,
        };
        let packets = stream::unfold(client, |mut client| async move { Some((client.packets().await?, client)) });
        Playing { start: self.clip.start(n, &self.first), at: self.zero + self.clip.due(n), packets: packets.boxed() }
    }
}

struct Client {
    clip: Arc<Clip>,
    frames: Arc<[Option<u32>]>,
    pictures: u64,
    clock: SharedClock,
    zero: Mono,
    first: [TrackStart; 2],
    control: watch::Receiver<Control>,
    cuts: u64,
    number: u64,
    log: Arc<Log>,
    /// Number of the unit that comes next.
    next: u64,
}

impl Client {
    /// The next unit, when it is due; `None` closes the connection.
    async fn packets(&mut self) -> Option<Vec<Packet>> {
        loop {
            let control = *self.control.borrow_and_update();
            match control.fault {
                _ if control.cuts != self.cuts => return None,
                Some(Fault::Close | Fault::Unauthorised | Fault::Refuse) => return None,
                Some(Fault::Stall) => {
                    self.control.changed().await.ok()?;
                    self.next = self.clip.next_key(self.clock.mono().since(self.zero));
                    continue;
                }
                None => {}
            }
            if self.clock.mono().since(self.due()) > MAX_LAG {
                self.next = self.clip.next_key(self.clock.mono().since(self.zero));
            }
            let due = self.due();
            tokio::select! {
                biased; // once a fault is set, nothing more is sent
                changed = self.control.changed() => changed.ok()?,
                () = self.clock.sleep_until(due) => break,
            }
        }
        let n = self.next;
        self.next += 1;
        let units = self.clip.units() as u64;
        if let Some(frame) = self.frames[(n % units) as usize] {
            self.log.add(Sent {
                client: self.number,
                serial: n / units * self.pictures + u64::from(frame),
                frame,
                timestamp: self.clip.timestamp(n, self.first[0].rtptime),
                key: self.clip.unit(n).key,
                at: self.clock.mono(),
                wall: self.clock.wall(),
            });
        }
        Some(self.clip.packets(n, &self.first))
    }

    fn due(&self) -> Mono {
        self.zero + self.clip.due(self.next)
    }
}
