//! Ingest and probe against a real RTSP server: what arrives is exactly what was sent, and every end has its reason.

mod support;

use std::sync::Arc;
use std::time::Duration;

use base::footage::Track;
use base::{Clock, SharedClock, SimClock, SystemClock};
use bytes::Bytes;
use media::{Credentials, EndReason, Ingest, IngestEnd, Options, Probe, Source};
use rtsp_server::{
    After, Clip as Film, ClipSource, Config, Media, Mount, Reserved, Scheme, Server, Start, TrackStart, Unit,
};
use support::{AAC_CONFIG, Clip, FRAME, PICTURE_90K, Remember, sound};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;
use tokio::runtime::Handle;

/// Timestamps and sequence numbers that wrap within the clip.
const FIRST: TrackStart = TrackStart { seq: u16::MAX - 9, rtptime: u32::MAX - 20_000 };
const PICTURE: Duration = Duration::from_millis(50);
const AUDIO_FRAME: Duration = Duration::from_millis(64);

fn h264(clip: &Clip) -> Media {
    Media::H264 { parameter_sets: Some((clip.sps.clone(), clip.pps.clone())), framerate: Some(20) }
}

fn aac() -> Media {
    Media::Aac { sample_rate: 16_000, channels: 1, config: Bytes::from_static(AAC_CONFIG) }
}

/// Picture `i` as the `n`th of a film whose pictures are sent `every`; key pictures bring their parameters.
fn picture(clip: &Clip, i: usize, n: usize, every: Duration) -> Unit {
    let mut nals: Vec<&[u8]> = clip.pictures[i].iter().map(|nal| &nal[..]).collect();
    if clip.is_key(i) {
        nals.splice(0..0, [&clip.sps[..], &clip.pps[..]]);
    }
    Unit::h264(0, every * n as u32, (n as i64 * PICTURE_90K) as u32, clip.is_key(i), nals)
}

fn pictures(clip: &Clip) -> Vec<Unit> {
    (0..clip.pictures.len()).map(|i| picture(clip, i, i, PICTURE)).collect()
}

fn sounds() -> impl Iterator<Item = Unit> {
    let unit = |(i, data): (usize, Bytes)| Unit::aac(1, AUDIO_FRAME * i as u32, (i as i64 * FRAME) as u32, &data);
    sound().into_iter().enumerate().filter_map(unit)
}

/// A server with one camera.
struct Camera {
    server: Server,
    source: Source,
}

impl Camera {
    fn play(tracks: Vec<Media>, units: Vec<Unit>, length: Duration, after: After) -> Self {
        Self::start(Config::new(Arc::new(SystemClock)), tracks, units, length, after, None)
    }

    /// The usual clip with its sound, once or again and again.
    fn usual(after: After) -> Self {
        let clip = Clip::usual();
        let units = pictures(&clip).into_iter().chain(sounds()).collect();
        Self::play(vec![h264(&clip), aac()], units, PICTURE * 32, after)
    }

    fn start(
        config: Config,
        tracks: Vec<Media>,
        units: Vec<Unit>,
        length: Duration,
        after: After,
        credentials: Option<Credentials>,
    ) -> Self {
        let film = Arc::new(Film::new(&tracks, units, length).unwrap());
        let source = Arc::new(ClipSource::new(film, Arc::new(SystemClock), Start::Beginning, after, FIRST));
        let mount = Mount { name: "camera".into(), tracks, source };
        let port = Reserved::bind("127.0.0.1:0".parse().unwrap()).unwrap();
        let server = Server::start(port, config, [("cam".into(), mount)]).unwrap();
        let source = Source::parse(&format!("rtsp://{}/cam", server.addr()), credentials).unwrap();
        Self { server, source }
    }

    fn ingest(&self, remember: &Remember) -> Ingest {
        ingest(self.source.clone(), Arc::new(SystemClock), remember)
    }
}

fn ingest(source: Source, clock: SharedClock, remember: &Remember) -> Ingest {
    media::init().unwrap();
    Ingest::start(source, &Handle::current(), clock, Options::default(), remember.output()).unwrap()
}

async fn probe(source: &Source) -> Result<Probe, IngestEnd> {
    let clock: SharedClock = Arc::new(SystemClock);
    media::probe(source, &clock, &Options::default()).await
}

/// Runs an ingest to its own end.
async fn end_of(source: &Source) -> IngestEnd {
    let remember = Remember::default();
    let end = ingest(source.clone(), Arc::new(SystemClock), &remember).ended().await;
    assert!(remember.seen().dropped, "the output is gone when the end is told");
    end
}

#[tokio::test]
async fn what_arrives_is_exactly_what_was_sent() {
    let camera = Camera::usual(After::Close);
    let remember = Remember::default();
    let end = camera.ingest(&remember).ended().await;
    assert_eq!(end.reason, EndReason::Closed, "{}", end.detail);

    let (clip, frames) = (Clip::usual(), sound());
    let seen = remember.seen();
    assert!(seen.dropped);
    assert_eq!(seen.inits.len(), 1);
    let init = &seen.inits[0].0;
    assert_eq!((init.video.width, init.video.height), (320, 180));
    assert_eq!(init.audio.as_ref().map(|a| (a.sample_rate, a.channels)), Some((16_000, 1)));
    let pictures = seen.samples(Track::Video);
    assert_eq!(pictures.len(), 32);
    for (i, (sample, data)) in pictures.iter().enumerate() {
        assert_eq!((sample.dts, sample.cts_offset, sample.key), (i as i64 * PICTURE_90K, 0, clip.is_key(i)));
        assert_eq!(*data, clip.picture(i), "picture {i}");
    }
    let sounds = seen.samples(Track::Audio);
    // What was sent after the last picture has no fragment to go into.
    assert!(sounds.len() >= 24, "{} frames of sound", sounds.len());
    for (i, (sample, data)) in sounds.iter().enumerate() {
        assert_eq!((sample.dts, sample.duration), (i as i64 * FRAME, FRAME as u32));
        assert_eq!(*data, frames[i], "frame {i}");
    }
    assert_eq!(seen.units.len(), 32 + 25);
    assert!(seen.fragments.iter().all(|(_, f)| f.end_90k - f.start_90k <= 45_000 + 90 * 64));
}

#[tokio::test]
async fn a_client_that_joins_late_begins_at_a_key_picture_with_its_sound_in_place() {
    let camera = Camera::usual(After::Loop);
    // All see the same film, which began a while ago.
    let clip = Clip::usual();
    let tracks = vec![h264(&clip), aac()];
    let units = pictures(&clip).into_iter().chain(sounds()).collect();
    let film = Arc::new(Film::new(&tracks, units, PICTURE * 32).unwrap());
    let began = SystemClock.mono() - Duration::from_millis(1_600 * 1_000 + 300);
    let source = Arc::new(ClipSource::new(film, Arc::new(SystemClock), Start::Live(began), After::Loop, FIRST));
    camera.server.mount("cam", Mount { name: "camera".into(), tracks, source });

    let remember = Remember::default();
    let ingest = camera.ingest(&remember);
    remember.until("sound and pictures", |s| s.units_of(Track::Audio).len() > 20 && s.units.len() > 40).await;
    assert_eq!(ingest.stop().await.reason, EndReason::Stopped);
    let seen = remember.seen();
    let first = seen.units_of(Track::Video)[0].data.clone();
    let begin = (0..32).find(|i| clip.is_key(*i) && clip.picture(*i) == first).expect("a key picture comes first");
    for (i, unit) in seen.units_of(Track::Video).iter().enumerate() {
        assert_eq!((unit.dts, &unit.data), (i as i64 * PICTURE_90K, &clip.picture((begin + i) % 32)));
    }
    let frames = sound();
    for unit in seen.units_of(Track::Audio) {
        // Its place in the film, from where this client began: exact to the rounding of one tick.
        let at = begin as i64 * 800 + unit.dts;
        let n = (at + FRAME / 2) / FRAME;
        assert!((at - n * FRAME).abs() <= 1, "off by {} samples", at - n * FRAME);
        assert_eq!(unit.data, frames[n as usize % 25]);
    }
}

#[tokio::test]
async fn parameters_may_come_with_the_pictures_only_and_may_change() {
    let (clip, smaller) = (Clip::usual(), Clip::smaller());
    let mut units: Vec<_> = (0..16).map(|i| picture(&clip, i, i, PICTURE)).collect();
    units.extend((0..16).map(|i| picture(&smaller, i, i + 16, PICTURE)));
    let tracks = vec![Media::H264 { parameter_sets: None, framerate: None }];
    let camera = Camera::play(tracks, units, PICTURE * 32, After::Close);
    assert_eq!(probe(&camera.source).await.unwrap().video.width, 320);
    let remember = Remember::default();
    assert_eq!(camera.ingest(&remember).ended().await.reason, EndReason::Closed);
    let seen = remember.seen();
    assert_eq!(
        seen.inits.iter().map(|(i, _)| (i.video.width, i.audio.is_some())).collect::<Vec<_>>(),
        [(320, false), (160, false)]
    );
    for (i, (sample, data)) in seen.samples(Track::Video).iter().enumerate() {
        let from = if i < 16 { &clip } else { &smaller };
        assert_eq!((sample.dts, *data), (i as i64 * PICTURE_90K, &from.picture(i % 16)[..]));
    }
    assert_eq!(seen.samples(Track::Video).len(), 32);
    let keys: Vec<_> = seen.fragments.iter().filter(|(_, f)| f.key).map(|(init, _)| *init).collect();
    assert_eq!(keys, [1, 2], "the new init segment comes right before its key picture's fragment");
}

#[tokio::test]
async fn sound_that_cannot_be_kept_is_told_and_the_picture_stays() {
    let clip = Clip::usual();
    let l16 =
        Media::Other { kind: "audio", payload_type: 98, rtpmap: "L16/8000".into(), fmtp: None, clock_rate: 8_000 };
    let camera = Camera::play(vec![h264(&clip), l16], pictures(&clip), PICTURE * 32, After::Close);
    let probe = probe(&camera.source).await.unwrap();
    assert_eq!((probe.audio, probe.dropped_audio.as_deref()), (None, Some("l16")));
    let remember = Remember::default();
    assert_eq!(camera.ingest(&remember).ended().await.reason, EndReason::Closed);
    let seen = remember.seen();
    assert_eq!(seen.sound_dropped, ["l16"]);
    assert_eq!((seen.samples(Track::Video).len(), seen.inits[0].0.audio.is_none()), (32, true));
}

#[tokio::test]
async fn a_camera_asks_for_a_password_and_gets_the_right_one() {
    for scheme in [Scheme::Digest, Scheme::Basic] {
        let clip = Clip::usual();
        let config = Config {
            credentials: Some(rtsp_server::Credentials::new("viewer", "hunter2")),
            scheme,
            ..Config::new(Arc::new(SystemClock))
        };
        let good = Credentials::new("viewer", "hunter2");
        let units = pictures(&clip);
        let camera = Camera::start(config, vec![h264(&clip)], units, PICTURE * 32, After::Loop, Some(good));
        let remember = Remember::default();
        let ingest = camera.ingest(&remember);
        remember.until("a picture", |s| !s.units.is_empty()).await;
        ingest.stop().await;
        for wrong in [None, Some(Credentials::new("viewer", "letmein")), Some(Credentials::new("me", "hunter2"))] {
            let end = end_of(&Source::parse(camera.source.address().unwrap().as_str(), wrong).unwrap()).await;
            assert_eq!(end.reason, EndReason::Unauthorised, "{}", end.detail);
            assert!(!end.detail.contains("letmein"), "{}", end.detail);
        }
    }
}

#[tokio::test]
async fn a_camera_that_is_not_there_is_unreachable() {
    let reserved = Reserved::bind("127.0.0.1:0".parse().unwrap()).unwrap();
    let nobody = Source::parse(&format!("rtsp://{}/cam", reserved.addr()), None).unwrap();
    assert_eq!(end_of(&nobody).await.reason, EndReason::Unreachable);
    let camera = Camera::usual(After::Close);
    let elsewhere = Source::parse(&format!("rtsp://{}/other", camera.server.addr()), None).unwrap();
    let end = end_of(&elsewhere).await;
    assert_eq!(end.reason, EndReason::Unreachable);
    assert!(end.detail.contains("404"), "{}", end.detail);
}

#[tokio::test]
async fn a_camera_that_accepts_and_says_nothing_is_unreachable_after_the_connect_timeout() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let source = Source::parse(&format!("rtsp://{}/cam", listener.local_addr().unwrap()), None).unwrap();
    let clock = SimClock::default();
    let remember = Remember::default();
    let ingest = ingest(source, Arc::new(clock.clone()), &remember);
    let _silent = listener.accept().await.unwrap();
    remember.until("somebody waits for the clock", |_| clock.sleepers() > 0).await;
    clock.advance(Options::default().connect_timeout);
    assert_eq!(
        ingest.ended().await,
        IngestEnd { reason: EndReason::Unreachable, detail: "There was no answer within 10 seconds".into() }
    );
}

#[tokio::test]
async fn an_answer_that_is_none_ends_the_ingest_without_harm() {
    for answer in [&b"HTTP/1.1 400 Bad Request\r\n\r\n"[..], b"\0\xff\xfe garbage \r\n\r\n", b"$\0\xff\xff", b""] {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let source = Source::parse(&format!("rtsp://{}/cam", listener.local_addr().unwrap()), None).unwrap();
        let (end, ()) = tokio::join!(end_of(&source), async {
            let (mut stream, _) = listener.accept().await.unwrap();
            stream.write_all(answer).await.unwrap();
        });
        assert_eq!(end.reason, EndReason::Unreachable, "{}", end.detail);
    }
}

#[tokio::test]
async fn a_camera_that_stops_sending_is_stalled_after_three_seconds() {
    let camera = Camera::usual(After::Stall);
    let clock = SimClock::default();
    let remember = Remember::default();
    let ingest = ingest(camera.source.clone(), Arc::new(clock.clone()), &remember);
    remember.until("the whole clip", |s| s.units.len() == 32 + 25).await;
    pass(&clock, &remember, Duration::from_millis(2_999)).await;
    remember.until("the last picture, written early", |s| s.samples(Track::Video).len() == 32).await;
    assert!(!remember.seen().dropped);
    clock.advance(Duration::from_millis(1));
    assert_eq!(
        ingest.ended().await,
        IngestEnd {
            reason: EndReason::Stalled,
            detail: "It is connected but has sent no picture for 3 seconds".into()
        }
    );
}

#[tokio::test]
async fn a_hub_that_stood_still_does_not_blame_the_camera() {
    let camera = Camera::usual(After::Stall);
    let clock = SimClock::default();
    let remember = Remember::default();
    let ingest = ingest(camera.source.clone(), Arc::new(clock.clone()), &remember);
    remember.until("the whole clip", |s| s.units.len() == 32 + 25).await;
    remember.until("the timer", |_| clock.sleepers() > 0).await;
    // An hour passes at once: nothing ran meanwhile.
    clock.advance(Duration::from_secs(3_600));
    pass(&clock, &remember, Duration::from_millis(2_000)).await;
    assert!(!remember.seen().dropped, "the camera is given its time once the hub runs again");
    pass(&clock, &remember, Duration::from_millis(1_000)).await;
    assert_eq!(ingest.ended().await.reason, EndReason::Stalled);
}

/// Time passes as it does, not at once.
async fn pass(clock: &SimClock, remember: &Remember, time: Duration) {
    const STEP: Duration = Duration::from_millis(100);
    let end = clock.mono() + time;
    while clock.mono() < end {
        clock.advance(STEP.min(end.since(clock.mono())));
        remember.until("somebody waits for the clock, or nobody any more", |s| clock.sleepers() > 0 || s.dropped).await;
    }
}

#[tokio::test]
async fn a_slow_cameras_picture_is_written_before_the_next_one_comes() {
    let clip = Clip::usual();
    let units = vec![picture(&clip, 0, 0, PICTURE)];
    let camera = Camera::play(vec![h264(&clip)], units, PICTURE, After::Stall);
    let clock = SimClock::default();
    let remember = Remember::default();
    let ingest = ingest(camera.source.clone(), Arc::new(clock.clone()), &remember);
    remember.until("the picture", |s| s.units.len() == 1).await;
    assert!(remember.seen().fragments.is_empty());
    remember.until("the timer", |_| clock.sleepers() > 0).await;
    clock.advance(Duration::from_millis(400));
    remember.until("its fragment", |s| s.fragments.len() == 1).await;
    ingest.stop().await;
}

#[tokio::test]
async fn what_cannot_be_recorded_says_so() {
    let clip = Clip::usual();
    let vp8 =
        Media::Other { kind: "video", payload_type: 98, rtpmap: "VP8/90000".into(), fmtp: None, clock_rate: 90_000 };
    let camera = Camera::play(vec![vp8], pictures(&clip), PICTURE * 32, After::Close);
    let end = end_of(&camera.source).await;
    assert_eq!((end.reason, &end.detail[..]), (EndReason::Unsupported, "Its pictures are coded as vp8"));
    assert_eq!(probe(&camera.source).await, Err(end));

    let mute =
        Camera::play(vec![aac()], vec![Unit::raw(0, Duration::ZERO, 0, true, vec![])], PICTURE * 32, After::Close);
    assert_eq!(end_of(&mute.source).await.detail, "It offers no picture at this address");
}

#[tokio::test]
async fn pictures_that_are_not_shown_in_the_order_in_which_they_come_keep_their_times() {
    // Decode order I P B B: the times at which they are shown go back and forth.
    let reordered = Clip::load("b-frames.h264", 160, 90);
    let shown = [0usize, 3, 1, 2, 6, 4, 5];
    let unit = |(i, n): (usize, &usize)| {
        let nals = reordered.pictures[i].iter().map(|nal| &nal[..]);
        Unit::h264(0, PICTURE * i as u32, (*n as i64 * PICTURE_90K) as u32, i == 0, nals)
    };
    let units = shown.iter().enumerate().map(unit).collect();
    let camera = Camera::play(vec![h264(&reordered)], units, PICTURE * 32, After::Close);
    let remember = Remember::default();
    camera.ingest(&remember).ended().await;
    let seen = remember.seen();
    let samples = seen.samples(Track::Video);
    assert_eq!(samples.len(), shown.len());
    for ((i, n), (sample, data)) in shown.iter().enumerate().zip(&samples) {
        assert_eq!(sample.dts + i64::from(sample.cts_offset), *n as i64 * PICTURE_90K, "picture {i}");
        assert_eq!(*data, reordered.picture(i), "picture {i}");
    }
    assert!(samples.is_sorted_by(|(a, _), (b, _)| a.dts < b.dts), "decoded one after another");
    assert_eq!(seen.units.len(), shown.len(), "none is held back");
}

#[tokio::test]
async fn a_camera_whose_clock_jumps_is_recorded_as_if_it_had_not() {
    let clip = Clip::usual();
    let jump = |n: usize| if (5..20).contains(&n) { 90_000 * 3_600 } else { 0 };
    let unit = |n: usize| {
        let mut unit = picture(&clip, n, n, PICTURE);
        unit.timestamp += jump(n);
        unit
    };
    let units = (0..32).map(unit).collect();
    let camera = Camera::play(vec![h264(&clip)], units, PICTURE * 32, After::Close);
    let remember = Remember::default();
    assert_eq!(camera.ingest(&remember).ended().await.reason, EndReason::Closed);
    let seen = remember.seen();
    let samples = seen.samples(Track::Video);
    assert_eq!((samples.len(), seen.inits.len()), (32, 1));
    for (n, pair) in samples.windows(2).enumerate() {
        let apart = pair[1].0.dts - pair[0].0.dts;
        match n {
            4 | 19 => assert!((0..90_000).contains(&apart), "by arrival: {apart}"),
            _ => assert_eq!(apart, PICTURE_90K, "after picture {n}"),
        }
    }
}

#[tokio::test]
async fn a_silent_camera_is_asked_on_a_new_connection_while_the_old_one_waits() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let source = Source::parse(&format!("rtsp://{}/cam", listener.local_addr().unwrap()), None).unwrap();
    let clock = SimClock::default();
    let remember = Remember::default();
    let ingest = ingest(source, Arc::new(clock.clone()), &remember);
    let (mut first, _) = listener.accept().await.unwrap();
    remember.until("somebody waits for the clock", |_| clock.sleepers() > 0).await;
    clock.advance(Options::default().ask_again);
    let (mut second, _) = listener.accept().await.unwrap();
    // A refusal of the second does not end the first, which is answered at last; a wrong password ends both.
    second.write_all(b"RTSP/1.0 453 Not Enough Bandwidth\r\nCSeq: 1\r\n\r\n").await.unwrap();
    second.read_to_end(&mut Vec::new()).await.unwrap();
    first.write_all(b"RTSP/1.0 401 Unauthorized\r\nCSeq: 1\r\n\r\n").await.unwrap();
    assert_eq!(ingest.ended().await.reason, EndReason::Unauthorised);
}

#[tokio::test]
async fn key_pictures_without_parameters_are_given_up_after_three_seconds() {
    let clip = Clip::usual();
    let bare = |i: usize| {
        Unit::h264(
            0,
            PICTURE * i as u32,
            (i as i64 * PICTURE_90K) as u32,
            clip.is_key(i),
            clip.pictures[i].iter().map(|nal| &nal[..]),
        )
    };
    let tracks = vec![Media::H264 { parameter_sets: None, framerate: None }];
    let camera = Camera::play(tracks, (0..32).map(bare).collect(), PICTURE * 32, After::Loop);
    let remember = Remember::default();
    let began = SystemClock.mono();
    let end = camera.ingest(&remember).ended().await;
    assert_eq!(
        (end.reason, &end.detail[..]),
        (EndReason::Broken, "Its pictures come without what is needed to show them")
    );
    assert!(SystemClock.mono().since(began) >= Duration::from_secs(3));
    assert!(remember.seen().units.is_empty());
}

#[tokio::test]
async fn broken_rtp_ends_the_connection_without_a_panic() {
    let clip = Clip::usual();
    let broken: [&[u8]; 6] = [&[], &[0xff], &[0x7c], &[0x7c, 0x05, 1], &[0x78, 0, 9, 1], &[0x1e, 0, 0]];
    for payload in broken {
        let mut units = pictures(&clip)[..3].to_vec();
        let payload = Bytes::copy_from_slice(payload);
        units.push(Unit::raw(0, PICTURE * 3, 3 * PICTURE_90K as u32, false, vec![payload.clone()]));
        let camera = Camera::play(vec![h264(&clip)], units, PICTURE * 32, After::Close);
        let end = end_of(&camera.source).await;
        assert!(matches!(end.reason, EndReason::Broken | EndReason::Closed), "{payload:?}: {end:?}");
    }
}

#[tokio::test]
async fn a_probe_says_what_there_is() {
    let camera = Camera::usual(After::Loop);
    let Probe { video, audio, dropped_audio } = probe(&camera.source).await.unwrap();
    assert_eq!((video.width, video.height), (320, 180));
    assert!(video.codec.starts_with("avc1."), "{}", video.codec);
    assert_eq!(audio.map(|a| a.codec), Some("mp4a.40.2".into()));
    assert_eq!(dropped_audio, None);
}

#[tokio::test]
async fn a_dropped_ingest_stops_by_itself() {
    let camera = Camera::usual(After::Loop);
    let remember = Remember::default();
    let ingest = camera.ingest(&remember);
    remember.until("a picture", |s| !s.units.is_empty()).await;
    drop(ingest);
    remember.until("the output's end", |s| s.dropped).await;
}

#[test]
fn fifty_starts_and_stops_leave_nothing_behind() {
    // As in the hub: one runtime for all. The server has its own, so that only the ingests are counted.
    let runtime = |threads| tokio::runtime::Builder::new_multi_thread().worker_threads(threads).enable_all().build();
    let (servers, hub) = (runtime(1).unwrap(), runtime(2).unwrap());
    let camera = servers.block_on(async { Camera::usual(After::Loop) });
    let cycle = |n: usize| {
        hub.block_on(async {
            let remember = Remember::default();
            let ingest = camera.ingest(&remember);
            match n % 3 {
                0 => remember.until("a fragment", |s| !s.fragments.is_empty()).await,
                1 => remember.until("a picture", |s| !s.units.is_empty()).await,
                _ => {} // while it connects
            }
            let asked = SystemClock.mono();
            assert_eq!(ingest.stop().await.reason, EndReason::Stopped);
            assert!(remember.seen().dropped);
            SystemClock.mono().since(asked)
        })
    };
    // The first ones start what stays: GStreamer's own parts, the runtimes' threads.
    (0..3).for_each(|n| _ = cycle(n));
    let before = left();
    let stopping: Duration = (0..50).map(cycle).sum();
    assert!(stopping < Duration::from_secs(10), "fifty stops took {stopping:?}");
    // The server's ends of the connections close a moment later, and the task that told the end ends itself.
    hub.block_on(async {
        let deadline = SystemClock.mono() + Duration::from_secs(10);
        let (threads, descriptors) = before;
        let tasks = || hub.metrics().num_alive_tasks();
        while left().0 > threads || left().1 > descriptors || tasks() > 0 {
            let now = (left(), tasks());
            assert!(SystemClock.mono() < deadline, "threads, descriptors, tasks: {before:?} before, {now:?} after");
            SystemClock.sleep(Duration::from_millis(5)).await;
        }
    });
}

/// Threads and descriptors of this process.
fn left() -> (usize, usize) {
    let count = |folder| std::fs::read_dir(folder).unwrap().count();
    (count("/proc/self/task"), count("/proc/self/fd"))
}
