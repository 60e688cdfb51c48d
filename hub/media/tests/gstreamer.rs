//! A camera read by GStreamer's source instead of our own: what arrives is the same to the tick and the byte, every end has
//! the same reason, and nothing is left. And `sim:`, which is no camera at all.

mod support;

use std::sync::{Arc, Mutex};
use std::time::Duration;

use base::footage::Track;
use base::{Clock, SharedClock, SystemClock};
use bytes::Bytes;
use media::{Credentials, EndReason, Ingest, IngestEnd, MediaError, Options, Source, Way};
use rtsp_server::{
    After, Clip as Film, ClipSource, Config, Media, Mount, Reserved, Scheme, Server, Start, TrackStart, Unit,
};
use support::{AAC_CONFIG, Clip, FRAME, PICTURE_90K, Remember, sound};
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

/// The clip's pictures; key pictures bring their parameters.
fn pictures(clip: &Clip) -> Vec<Unit> {
    let unit = |i: usize| {
        let mut nals: Vec<&[u8]> = clip.pictures[i].iter().map(|nal| &nal[..]).collect();
        if clip.is_key(i) {
            nals.splice(0..0, [&clip.sps[..], &clip.pps[..]]);
        }
        Unit::h264(0, PICTURE * i as u32, (i as i64 * PICTURE_90K) as u32, clip.is_key(i), nals)
    };
    (0..clip.pictures.len()).map(unit).collect()
}

fn sounds() -> impl Iterator<Item = Unit> {
    let unit = |(i, data): (usize, Bytes)| Unit::aac(1, AUDIO_FRAME * i as u32, (i as i64 * FRAME) as u32, &data);
    sound().into_iter().enumerate().filter_map(unit)
}

/// A server with one camera.
struct Camera {
    server: Server,
}

impl Camera {
    fn start(config: Config, tracks: Vec<Media>, units: Vec<Unit>, after: After) -> Self {
        let film = Arc::new(Film::new(&tracks, units, PICTURE * 32).unwrap());
        let source = Arc::new(ClipSource::new(film, Arc::new(SystemClock), Start::Beginning, after, FIRST));
        let mount = Mount { name: "camera".into(), tracks, source };
        let port = Reserved::bind("127.0.0.1:0".parse().unwrap()).unwrap();
        Self { server: Server::start(port, config, [("cam".into(), mount)]).unwrap() }
    }

    fn play(tracks: Vec<Media>, units: Vec<Unit>, after: After) -> Self {
        Self::start(Config::new(Arc::new(SystemClock)), tracks, units, after)
    }

    /// The usual clip with its sound, once or again and again.
    fn usual(after: After) -> Self {
        let clip = Clip::usual();
        Self::play(vec![h264(&clip), aac()], pictures(&clip).into_iter().chain(sounds()).collect(), after)
    }

    fn source(&self, credentials: Option<Credentials>) -> Source {
        source(&format!("rtsp://{}/cam", self.server.addr()), credentials)
    }

    async fn end(&self, credentials: Option<Credentials>) -> IngestEnd {
        end_of(self.source(credentials)).await
    }
}

fn source(url: &str, credentials: Option<Credentials>) -> Source {
    Source::parse(url, credentials).unwrap().by(Way::Tcp)
}

fn ingest(source: Source, remember: &Remember) -> Ingest {
    media::init().unwrap();
    let options =
        Options { connect_timeout: Duration::from_secs(4), read_timeout: Duration::from_secs(4), ..Options::default() };
    Ingest::start(source, &Handle::current(), Arc::new(SystemClock), options, remember.output()).unwrap()
}

/// Runs an ingest to its own end.
async fn end_of(source: Source) -> IngestEnd {
    let remember = Remember::default();
    let ingest = ingest(source, &remember);
    let end = ingest.ended().await;
    assert!(remember.seen().dropped, "the output is gone when the end is told");
    end
}

#[tokio::test]
async fn what_gstreamer_reads_is_exactly_what_was_sent() {
    let camera = Camera::usual(After::Close);
    let remember = Remember::default();
    let end = ingest(camera.source(None), &remember).ended().await;
    assert_eq!(end.reason, EndReason::Closed, "{}", end.detail);

    let (clip, frames) = (Clip::usual(), sound());
    let seen = remember.seen();
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
    assert!(sounds.len() >= 22, "{} frames of sound", sounds.len());
    let first = frames.iter().position(|f| *f == sounds[0].1).expect("the first frame is one of those sent");
    assert!(first <= 2, "the sound begins with frame {first}");
    for (i, (sample, data)) in sounds.iter().enumerate() {
        assert_eq!((sample.dts, sample.duration), ((first + i) as i64 * FRAME, FRAME as u32));
        assert_eq!(*data, frames[first + i], "frame {i}");
    }
}

#[tokio::test]
async fn every_end_has_its_reason() {
    let nobody = Reserved::bind("127.0.0.1:0".parse().unwrap()).unwrap();
    let end = end_of(source(&format!("rtsp://{}/cam", nobody.addr()), None)).await;
    assert_eq!(end.reason, EndReason::Unreachable, "{end:?}");

    let silent = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let end = end_of(source(&format!("rtsp://{}/cam", silent.local_addr().unwrap()), None)).await;
    assert_eq!(end.reason, EndReason::Unreachable, "{end:?}");

    let camera = Camera::usual(After::Close);
    let end = end_of(source(&format!("rtsp://{}/other", camera.server.addr()), None)).await;
    assert_eq!((end.reason, &end.detail[..]), (EndReason::Unreachable, "It answered with status 404"));

    let camera = Camera::usual(After::Stall);
    let end = camera.end(None).await;
    assert_eq!(end.reason, EndReason::Stalled, "{end:?}");

    let clip = Clip::usual();
    let h266 =
        Media::Other { kind: "video", payload_type: 98, rtpmap: "H266/90000".into(), fmtp: None, clock_rate: 90_000 };
    let end = Camera::play(vec![h266], pictures(&clip), After::Close).end(None).await;
    assert_eq!((end.reason, &end.detail[..]), (EndReason::Unsupported, "Its pictures are coded as h266"));

    let units = vec![Unit::raw(0, Duration::ZERO, 0, true, vec![])];
    let end = Camera::play(vec![aac()], units, After::Close).end(None).await;
    assert_eq!((end.reason, &end.detail[..]), (EndReason::Unsupported, "It offers no picture at this address"));

    let bare = |i: usize| {
        let nals = clip.pictures[i].iter().map(|nal| &nal[..]);
        Unit::h264(0, PICTURE * i as u32, (i as i64 * PICTURE_90K) as u32, clip.is_key(i), nals)
    };
    let tracks = vec![Media::H264 { parameter_sets: None, framerate: None }];
    let end = Camera::play(tracks, (0..32).map(bare).collect(), After::Loop).end(None).await;
    assert_eq!(
        (end.reason, &end.detail[..]),
        (EndReason::Broken, "Its pictures come without what is needed to show them")
    );
}

#[tokio::test]
async fn gstreamer_gives_the_right_password_and_tells_of_a_wrong_one() {
    for scheme in [Scheme::Digest, Scheme::Basic] {
        let clip = Clip::usual();
        let config = Config {
            credentials: Some(rtsp_server::Credentials::new("viewer", "hunter2")),
            scheme,
            ..Config::new(Arc::new(SystemClock))
        };
        let camera = Camera::start(config, vec![h264(&clip)], pictures(&clip), After::Loop);
        let remember = Remember::default();
        let ingest = ingest(camera.source(Some(Credentials::new("viewer", "hunter2"))), &remember);
        remember.until("a picture", |s| !s.units.is_empty()).await;
        ingest.stop().await;
        for wrong in [None, Some(Credentials::new("viewer", "letmein")), Some(Credentials::new("me", "hunter2"))] {
            let end = camera.end(wrong).await;
            assert_eq!(end.reason, EndReason::Unauthorised, "{}", end.detail);
            assert!(!end.detail.contains("letmein"), "{}", end.detail);
        }
    }
}

#[tokio::test]
async fn sound_that_cannot_be_kept_is_told_by_gstreamers_source_too() {
    let clip = Clip::usual();
    let odd =
        Media::Other { kind: "audio", payload_type: 98, rtpmap: "G726-32/8000".into(), fmtp: None, clock_rate: 8_000 };
    let camera = Camera::play(vec![h264(&clip), odd], pictures(&clip), After::Close);
    let remember = Remember::default();
    assert_eq!(ingest(camera.source(None), &remember).ended().await.reason, EndReason::Closed);
    let seen = remember.seen();
    assert_eq!(seen.sound_dropped, ["g726-32"]);
    assert_eq!((seen.samples(Track::Video).len(), seen.inits[0].0.audio.is_none()), (32, true));
}

#[tokio::test]
async fn a_picture_without_an_end_is_given_up_before_it_fills_the_memory() {
    let clip = Clip::usual();
    let mut units = pictures(&clip)[..3].to_vec();
    // Within one loop of the clip: 24 MiB with one timestamp, and no marker.
    let part = Bytes::from_static(&[0x7c; 60_000]);
    let endless = |n: u32| {
        Unit::raw(
            0,
            PICTURE * 3 + Duration::from_millis(n.into()),
            3 * PICTURE_90K as u32,
            false,
            vec![part.clone(); 4],
        )
    };
    units.extend((0..100).map(endless));
    let camera = Camera::play(vec![h264(&clip)], units, After::Stall);
    let end = camera.end(None).await;
    assert_eq!((end.reason, &end.detail[..]), (EndReason::Broken, "It sends a picture that does not end"));
}

#[tokio::test]
async fn no_password_stands_in_gstreamers_log_however_much_it_says() {
    const SECRET: &str = "hunter2-and-more";
    media::init().unwrap();
    let said = Arc::new(Mutex::new(Vec::<String>::new()));
    let log = said.clone();
    gstreamer::log::remove_default_log_function();
    gstreamer::log::add_log_function(move |category, _, _, _, _, _, message| {
        let line = format!("{}: {}", category.name(), message.get().unwrap_or_default());
        log.lock().unwrap().push(line);
    });
    gstreamer::log::set_default_threshold(gstreamer::DebugLevel::Memdump);
    for scheme in [Scheme::Basic, Scheme::Digest] {
        let clip = Clip::usual();
        let config = Config {
            credentials: Some(rtsp_server::Credentials::new("viewer", SECRET)),
            scheme,
            ..Config::new(Arc::new(SystemClock))
        };
        let camera = Camera::start(config, vec![h264(&clip)], pictures(&clip), After::Close);
        assert_eq!(camera.end(Some(Credentials::new("viewer", SECRET))).await.reason, EndReason::Closed);
    }
    gstreamer::log::set_default_threshold(gstreamer::DebugLevel::None);
    let said = std::mem::take(&mut *said.lock().unwrap());
    assert!(said.iter().any(|line| line.starts_with("rtspsrc: ")) && said.len() > 10_000, "it says everything");
    // As it is, and as Basic sends it.
    for secret in [SECRET, "dmlld2VyOmh1bnRlcjItYW5kLW1vcmU"] {
        let told: Vec<_> = said.iter().filter(|line| line.contains(secret)).collect();
        assert!(told.is_empty(), "{} lines, such as {}", told.len(), told[0]);
    }
}

#[test]
fn a_missing_part_of_gstreamer_is_named_with_the_package_that_brings_it() {
    // SAFETY: nextest runs each test in a process of its own, and no other thread of it reads the environment yet.
    unsafe { std::env::set_var("GIO_USE_TLS", "dummy") };
    let runtime = tokio::runtime::Runtime::new().unwrap();
    runtime.block_on(async {
        media::init().unwrap();
        let start = |url| {
            let clock: SharedClock = Arc::new(SystemClock);
            let output = Remember::default().output();
            Ingest::start(source(url, None), &Handle::current(), clock, Options::default(), output).err()
        };
        let tls = start("rtsps://127.0.0.1:9/cam").expect("there is no TLS");
        assert!(matches!(tls, MediaError::Missing { package: "glib-networking", .. }));

        let registry = gstreamer::Registry::get();
        registry.remove_feature(&registry.lookup_feature("rtspsrc").unwrap());
        let end = IngestEnd::from(start("rtsp://127.0.0.1:9/cam").expect("there is no rtspsrc"));
        assert_eq!(
            (end.reason, &end.problem().unwrap().to_string()[..]),
            (
                EndReason::Missing,
                "A part of the system that the hub needs is missing. GStreamer: its rtspsrc is missing, which Debian has in \
                 the package gstreamer1.0-plugins-good. Run scripts/setup, which installs it."
            )
        );
    });
}

#[tokio::test]
async fn the_clip_within_the_hub_goes_round_with_exact_times() {
    let remember = Remember::default();
    let ingest = ingest(Source::parse("sim:", None).unwrap(), &remember);
    remember.until("more than one round", |s| s.samples(Track::Video).len() > 45).await;
    assert_eq!(ingest.stop().await.reason, EndReason::Stopped);
    let seen = remember.seen();
    let samples = seen.samples(Track::Video);
    for (n, (sample, data)) in samples.iter().enumerate() {
        assert_eq!((sample.dts, sample.key), (n as i64 * 9_000, n % 10 == 0));
        if n >= 40 {
            assert_eq!(*data, samples[n - 40].1, "picture {n}");
        }
    }
}

#[test]
fn thirty_starts_and_stops_of_gstreamers_source_leave_nothing_behind() {
    let runtime = |threads| tokio::runtime::Builder::new_multi_thread().worker_threads(threads).enable_all().build();
    let (servers, hub) = (runtime(1).unwrap(), runtime(2).unwrap());
    let camera = servers.block_on(async { Camera::usual(After::Loop) });
    let cycle = |n: usize| {
        hub.block_on(async {
            let remember = Remember::default();
            let ingest = ingest(camera.source(None), &remember);
            match n % 3 {
                0 => remember.until("a fragment", |s| !s.fragments.is_empty()).await,
                1 => remember.until("a picture", |s| !s.units.is_empty()).await,
                _ => {} // while it connects
            }
            assert_eq!(ingest.stop().await.reason, EndReason::Stopped);
            assert!(remember.seen().dropped);
        })
    };
    // The first ones start what stays: GStreamer's own parts, and GLib's pools of threads.
    (0..9).for_each(cycle);
    let (threads, descriptors) = left();
    (0..30).for_each(cycle);
    hub.block_on(async {
        let deadline = SystemClock.mono() + Duration::from_secs(30);
        let tasks = || hub.metrics().num_alive_tasks();
        while left().0 > threads || left().1 > descriptors || tasks() > 0 {
            let now = (left(), tasks());
            assert!(
                SystemClock.mono() < deadline,
                "{threads} threads and {descriptors} descriptors before, {now:?} after"
            );
            SystemClock.sleep(Duration::from_millis(20)).await;
        }
    });
}

/// Threads and descriptors of this process.
fn left() -> (usize, usize) {
    let count = |folder| std::fs::read_dir(folder).unwrap().count();
    (count("/proc/self/task"), count("/proc/self/fd"))
}
