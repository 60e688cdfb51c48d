//! One stream of one camera: plays its clip to all clients, breaks on request, and remembers what it sent.

use std::borrow::Cow;
use std::collections::VecDeque;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};

use base::{Mono, SharedClock, Timestamp};
use futures::{StreamExt, stream};
use rtsp_server::{Admit, Clip, MAX_LAG, Media, Packet, Parting, Playing, Source, TrackStart};
use tokio::sync::watch;

use crate::fault::{self, Control, Fault};
use crate::simulator::Playable;

/// Pictures remembered per stream: a quarter of an hour of one client at 20 pictures per second.
const REMEMBERED: usize = 20_000;

/// A picture that was given to a client's connection when it was due.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Sent {
    /// Which client of the stream, counted from 0 in the order in which they began to play.
    pub client: u64,
    /// Number of the picture since the camera started, in the order of showing; it goes on over the loops of the clip.
    pub serial: u64,
    /// Number of the picture in the clip: what its mark says.
    pub frame: u32,
    /// Its RTP timestamp: when it is shown.
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
    /// What it changes to.
    other: Playable,
    /// Timestamps and sequence numbers wrap soon: the tracks' rates.
    wrap: Option<[u32; 2]>,
    /// Number of the picture of each unit of the clip; `None` for sound.
    frames: Arc<[Option<u32>]>,
    pictures: u64,
    clock: SharedClock,
    zero: Mono,
    rates: [u32; 2],
    /// Where the clip starts, since which boot.
    first: Mutex<(u64, [TrackStart; 2])>,
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
    /// A stream whose clip began at `zero`. Track 0 is the pictures.
    pub fn new(
        stream: &Playable,
        other: &Playable,
        clock: SharedClock,
        zero: Mono,
        wrap: bool,
        control: watch::Receiver<Control>,
    ) -> Self {
        let (clip, tracks) = (stream.clip.clone(), &stream.tracks);
        let is_picture = |n: &u64| clip.unit(*n).track == 0;
        let mut shown: Vec<u32> = (0..clip.units() as u64).filter(is_picture).map(|n| clip.unit(n).timestamp).collect();
        shown.sort_unstable();
        let pictures = shown.len() as u64;
        let number = |n: u64| {
            let place = || shown.partition_point(|timestamp| *timestamp < clip.unit(n).timestamp) as u32;
            is_picture(&n).then(place)
        };
        let frames = (0..clip.units() as u64).map(number).collect();
        let rates = [0, 1].map(|track| tracks.get(track).map_or(1, Media::clock_rate));
        let wrap = wrap.then_some(rates);
        let first = Mutex::new((0, starts(wrap)));
        let (clients, log) = Default::default();
        let other = other.clone();
        Self { clip, other, wrap, frames, pictures, clock, zero, rates, first, control, clients, log }
    }

    pub fn log(&self) -> Arc<Log> {
        self.log.clone()
    }

    /// Where the clip starts for who connects now.
    fn first(&self, boots: u64) -> [TrackStart; 2] {
        let mut first = self.first.lock().expect("no panic under this lock");
        if first.0 != boots {
            *first = (boots, starts(self.wrap));
        }
        first.1
    }
}

/// When timestamps wrap that are to, from the camera's start on; sequence numbers wrap before.
const WRAPS_AFTER_S: u32 = 12;

/// Random, as RFC 3550 §5.1 has it; or such that they wrap soon, for tracks of these rates.
fn starts(wrap: Option<[u32; 2]>) -> [TrackStart; 2] {
    if let Some(rates) = wrap {
        return rates.map(|rate| TrackStart { seq: u16::MAX - 100, rtptime: 0u32.wrapping_sub(WRAPS_AFTER_S * rate) });
    }
    [(); 2].map(|()| {
        let mut random = [0; 6];
        base::random(&mut random);
        let [a, b, c, d, e, f] = random;
        TrackStart { seq: u16::from_be_bytes([a, b]), rtptime: u32::from_be_bytes([c, d, e, f]) }
    })
}

impl Source for StreamSource {
    fn admit(&self) -> Admit {
        self.control.borrow().fault.map_or(Admit::Yes, Fault::admit)
    }

    fn describe<'a>(&self, tracks: &'a [Media]) -> Cow<'a, [Media]> {
        let control = *self.control.borrow();
        match control.fault {
            Some(Fault::BadParameters | Fault::NoParameters) => fault::without_parameters(tracks),
            Some(Fault::WrongParameters) if !control.changed => Cow::Owned(self.other.tracks.clone()),
            Some(Fault::WrongParameters) => Cow::Borrowed(tracks),
            _ if control.changed => Cow::Owned(self.other.tracks.clone()),
            _ => Cow::Borrowed(tracks),
        }
    }

    fn ahead_ms(&self, track: usize) -> i64 {
        self.control.borrow().ahead_ms_of(track)
    }

    fn trickle(&self) -> Option<u32> {
        match self.control.borrow().fault {
            Some(Fault::Trickle { bytes_per_s }) => Some(bytes_per_s),
            _ => None,
        }
    }

    fn play(&self) -> Playing {
        let n = self.clip.next_key(self.clock.mono().since(self.zero));
        let control = self.control.clone();
        let now = *control.borrow();
        let mut clips = [self.clip.clone(), self.other.clip.clone()];
        if now.changed {
            clips.reverse();
        }
        let [clip, other] = clips;
        let client = Client {
            clip,
            other,
            changed: now.changed,
            seq: [None; 2],
            h265: matches!(self.other.tracks.first(), Some(Media::H265 { .. })),
            frames: self.frames.clone(),
            pictures: self.pictures,
            clock: self.clock.clone(),
            zero: self.zero,
            rates: self.rates,
            first: self.first(now.boots),
            control,
            began: now,
            number: self.clients.fetch_add(1, Ordering::Relaxed),
            log: self.log.clone(),
            next: n,
            packets: 0,
            unsent: 0,
            endless: (None, 0),
        };
        let start = client.clip.start(n, &client.first());
        let packets = stream::unfold(Some(client), |client| async move {
            let mut client = client?;
            match client.packets().await {
                Ok(packets) => Some((Ok(packets), Some(client))),
                Err(parting) => Some((Err(parting), None)),
            }
        });
        Playing { start, at: self.zero + self.clip.due(n), packets: packets.boxed() }
    }
}

struct Client {
    clip: Arc<Clip>,
    /// What it changes to, or has changed from.
    other: Arc<Clip>,
    changed: bool,
    /// Of each track: the sequence number that comes next, and what is added to those of the clip.
    seq: [Option<(u16, u16)>; 2],
    h265: bool,
    frames: Arc<[Option<u32>]>,
    pictures: u64,
    clock: SharedClock,
    zero: Mono,
    rates: [u32; 2],
    first: [TrackStart; 2],
    control: watch::Receiver<Control>,
    /// What the camera was told when this client began.
    began: Control,
    number: u64,
    log: Arc<Log>,
    /// Number of the unit that comes next.
    next: u64,
    /// How many packets came, be they sent or lost.
    packets: u64,
    /// Packets of sound that were not sent, and have no sequence numbers.
    unsent: u16,
    /// Timestamp and next sequence number of the picture that never ends.
    endless: (Option<u32>, u16),
}

impl Client {
    /// The next unit, when it is due.
    async fn packets(&mut self) -> Result<Vec<Packet>, Parting> {
        loop {
            let control = *self.control.borrow_and_update();
            if control.cuts != self.began.cuts {
                return Err(Parting::Close);
            }
            if control.resets != self.began.resets {
                return Err(Parting::Reset);
            }
            if let Some(parting) = control.fault.and_then(Fault::parting) {
                return Err(parting);
            }
            if control.fault == Some(Fault::Stall) {
                self.changed().await?;
                self.next = self.clip.next_key(self.clock.mono().since(self.zero));
                continue;
            }
            if self.clock.mono().since(self.due()) > MAX_LAG {
                self.next = self.clip.next_key(self.clock.mono().since(self.zero));
            }
            let due = self.due();
            tokio::select! {
                biased; // once a fault is set, nothing more is sent
                changed = self.control.changed() => changed.map_err(|_| Parting::Close)?,
                () = self.clock.sleep_until(due) => break,
            }
        }
        let n = self.next;
        self.next += 1;
        self.change(n);
        let mut packets = self.clip.packets(n, &self.first());
        self.number(&mut packets);
        let whole = packets.len();
        packets.iter_mut().filter(|p| p.track != 0).for_each(|p| p.seq = p.seq.wrapping_sub(self.unsent));
        match self.control.borrow().fault {
            Some(Fault::Mute) => {
                packets.retain(|p| p.track == 0);
                self.unsent = self.unsent.wrapping_add((whole - packets.len()) as u16);
            }
            Some(Fault::Loss { one_in }) => {
                let lost = |count: u64| count.is_multiple_of(u64::from(one_in.max(1)));
                packets.retain(|_| {
                    self.packets += 1;
                    !lost(self.packets)
                });
            }
            Some(Fault::BadParameters) => packets.iter_mut().for_each(|p| fault::spoil_parameters(p, self.h265)),
            Some(Fault::EndlessPicture) => fault::never_end(&mut packets, &mut self.endless.0, &mut self.endless.1),
            _ => {}
        }
        let units = self.clip.units() as u64;
        if let Some(frame) = self.frames[(n % units) as usize].filter(|_| packets.len() == whole) {
            self.log.add(Sent {
                client: self.number,
                serial: n / units * self.pictures + u64::from(frame),
                frame,
                timestamp: self.clip.timestamp(n, self.first()[0].rtptime),
                key: self.clip.unit(n).key,
                at: self.clock.mono(),
                wall: self.clock.wall(),
            });
        }
        Ok(packets)
    }

    /// At a key picture: goes over to the other clip, if the camera was told to. Both have the same units at the same times.
    /// Not within an open GOP: an encoder that begins anew begins with a closed one.
    fn change(&mut self, n: u64) {
        let (now, other) = (self.clip.unit(n), self.other.unit(n));
        let next = (n + 1..).map(|n| self.clip.unit(n)).find(|unit| unit.track == 0);
        if next.is_some_and(|next| next.timestamp < now.timestamp && next.at > now.at) {
            return;
        }
        if self.control.borrow().changed != self.changed && now.key && other.key && now.timestamp == other.timestamp {
            std::mem::swap(&mut self.clip, &mut self.other);
            self.changed = !self.changed;
            let first = self.clip.packets(n, &self.first()).first().map_or(0, |packet| packet.seq);
            self.seq[0] = self.seq[0].map(|(next, _)| (next, next.wrapping_sub(first)));
        }
    }

    /// Sequence numbers go on over a change.
    fn number(&mut self, packets: &mut [Packet]) {
        for packet in packets {
            let (_, added) = self.seq[packet.track.min(1)].unwrap_or_default();
            packet.seq = packet.seq.wrapping_add(added);
            self.seq[packet.track.min(1)] = Some((packet.seq.wrapping_add(1), added));
        }
    }

    async fn changed(&mut self) -> Result<(), Parting> {
        self.control.changed().await.map_err(|_| Parting::Close)
    }

    /// Where the clip starts by the camera's clock as it is now.
    fn first(&self) -> [TrackStart; 2] {
        let control = *self.control.borrow();
        let ahead = |track: usize| {
            let (start, rate) = (self.first[track], self.rates[track]);
            let ticks = control.ahead_ms_of(track).wrapping_mul(i64::from(rate)) / 1_000;
            TrackStart { rtptime: start.rtptime.wrapping_add(ticks as u32), ..start }
        };
        [ahead(0), ahead(1)]
    }

    fn due(&self) -> Mono {
        self.zero + self.clip.due(self.next)
    }
}
