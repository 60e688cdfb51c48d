//! Sound of every coding against a real RTSP server, judged by ffmpeg: what is kept lies where it lay.

mod support;

use std::process::{Command, Stdio};
use std::sync::Arc;
use std::time::Duration;

use base::footage::{AudioParams, Track};
use base::{SharedClock, SystemClock};
use bytes::Bytes;
use futures::future::join_all;
use gstreamer as gst;
use media::{EndReason, Ingest, IngestEnd, Options, Source};
use rtsp_server::{After, Clip as Film, ClipSource, Config, Media, Mount, Reserved, Server, Start, TrackStart, Unit};
use support::{AAC_CONFIG, Clip, PICTURE_90K, Remember, Seen};
use tokio::runtime::Handle;

/// Timestamps and sequence numbers that wrap within the clip.
const FIRST: TrackStart = TrackStart { seq: u16::MAX - 9, rtptime: u32::MAX - 20_000 };
const PICTURE: Duration = Duration::from_millis(50);
/// Pictures of the film: so many times the clip's 32.
const PICTURES: usize = 64;
/// Where the tone begins in the sound, and how long it is, in seconds.
const TONE: (f64, f64) = (1.1, 0.4);
const SECONDS: f64 = 3.2;
const NOTHING: Vec<Bytes> = Vec::new();

fn pictures(clip: &Clip) -> impl Iterator<Item = Unit> {
    (0..PICTURES).map(|n| {
        let i = n % clip.pictures.len();
        let mut nals: Vec<&[u8]> = clip.pictures[i].iter().map(|nal| &nal[..]).collect();
        if clip.is_key(i) {
            nals.splice(0..0, [&clip.sps[..], &clip.pps[..]]);
        }
        Unit::h264(0, PICTURE * n as u32, (n as i64 * PICTURE_90K) as u32, clip.is_key(i), nals)
    })
}

fn other(payload_type: u8, rtpmap: &str, clock_rate: u32) -> Media {
    Media::Other { kind: "audio", payload_type, rtpmap: rtpmap.into(), fmtp: None, clock_rate }
}

/// A film with such sound, a packet every 20 ms, recorded whole.
async fn record(sound: Media, packets: impl IntoIterator<Item = Bytes>) -> Remember {
    let some = packets.into_iter().map(Some);
    record_from(Duration::ZERO, sound, some).await
}

/// The same with sound that begins late; packets that are none are lost.
async fn record_from(late: Duration, sound: Media, packets: impl IntoIterator<Item = Option<Bytes>>) -> Remember {
    let clip = Clip::usual();
    let rate = sound.clock_rate();
    let packet = |(n, packet): (usize, Option<Bytes>)| {
        let at = late + Duration::from_millis(20) * n as u32;
        let timestamp = (at.as_millis() as u64 * u64::from(rate) / 1_000) as u32;
        Some(Unit::raw(1, at, timestamp, false, vec![packet?]))
    };
    let length = PICTURE * PICTURES as u32;
    let sounds = packets.into_iter().enumerate().filter_map(packet).filter(|u| u.at < length);
    let units = pictures(&clip).chain(sounds).collect();
    let (_server, source) = serve(vec![h264(clip), sound], units);
    let probe = media::probe(&source, &(Arc::new(SystemClock) as SharedClock), &Options::default()).await.unwrap();
    let (end, remember) = ingest(&source, &Options::default()).await;
    assert_eq!(end.reason, EndReason::Closed, "{}", end.detail);
    let seen = remember.seen();
    assert_eq!(seen.samples(Track::Video).len(), PICTURES, "no sound costs a picture");
    if let Some(why) = seen.sound_dropped.first() {
        assert_eq!((seen.sound_dropped.len(), &seen.inits[0].0.audio), (1, &None), "{why}");
    } else {
        assert_eq!(
            (&probe.audio, probe.dropped_audio),
            (&seen.inits[0].0.audio, None),
            "a probe says what is recorded"
        );
    }
    drop(seen);
    remember
}

fn h264(clip: Clip) -> Media {
    Media::H264 { parameter_sets: Some((clip.sps, clip.pps)), framerate: Some(20) }
}

fn serve(tracks: Vec<Media>, units: Vec<Unit>) -> (Server, Source) {
    let film = Arc::new(Film::new(&tracks, units, PICTURE * PICTURES as u32).unwrap());
    let source = Arc::new(ClipSource::new(film, Arc::new(SystemClock), Start::Beginning, After::Close, FIRST));
    let port = Reserved::bind("127.0.0.1:0".parse().unwrap()).unwrap();
    let mount = Mount { name: "camera".into(), tracks, source };
    let server = Server::start(port, Config::new(Arc::new(SystemClock)), [("cam".into(), mount)]).unwrap();
    let source = Source::parse(&format!("rtsp://{}/cam", server.addr()), None).unwrap();
    (server, source)
}

/// One connection, from its start to its end.
async fn ingest(source: &Source, options: &Options) -> (IngestEnd, Remember) {
    media::init().unwrap();
    let remember = Remember::default();
    let (clock, runtime) = (Arc::new(SystemClock), Handle::current());
    let ingest = Ingest::start(source.clone(), &runtime, clock, options.clone(), remember.output()).unwrap();
    (ingest.ended().await, remember)
}

/// Sound with the tone, coded by ffmpeg without any framing.
fn coded(arguments: &str) -> Vec<u8> {
    let (from, long) = TONE;
    let tone = format!("aevalsrc='if(between(t,{from},{}),0.5*sin(1000*2*PI*t),0)':s=48000:d={SECONDS}", from + long);
    let out = Command::new("ffmpeg")
        .args(["-v", "error", "-f", "lavfi", "-i", &tone])
        .args(arguments.split_whitespace())
        .arg("-")
        .stdin(Stdio::null())
        .output()
        .expect("ffmpeg is installed");
    assert!(out.status.success(), "{}", String::from_utf8_lossy(&out.stderr));
    out.stdout
}

fn packets(bytes: &[u8], size: usize) -> Vec<Bytes> {
    bytes.chunks_exact(size).map(Bytes::copy_from_slice).collect()
}

/// Where the tone begins and ends in a file, in seconds from its first picture, which stands at 0.
fn tone(file: &[u8]) -> (f64, f64) {
    const RATE: f64 = 48_000.0;
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("kept.mp4");
    std::fs::write(&path, file).unwrap();
    let out = Command::new("ffmpeg")
        // Silence where there is none, so that samples count from 0.
        .args(["-v", "error", "-xerror", "-copyts", "-i", path.to_str().unwrap(), "-map", "0:a"])
        .args(["-af", "aresample=48000:async=1:min_hard_comp=0.001:first_pts=0", "-ac", "1", "-f", "s16le", "-"])
        .output()
        .expect("ffmpeg is installed");
    assert!(out.status.success() && out.stderr.is_empty(), "{}", String::from_utf8_lossy(&out.stderr));
    let samples: Vec<i16> = out.stdout.chunks_exact(2).map(|b| i16::from_le_bytes([b[0], b[1]])).collect();
    let loud = |s: &i16| s.unsigned_abs() > 4_000;
    let first = samples.iter().position(loud).expect("the tone is heard") as f64 / RATE;
    let last = samples.iter().rposition(loud).unwrap() as f64 / RATE;
    (first, last)
}

fn assert_in_place(file: &[u8]) {
    let (begin, end) = tone(file);
    assert!((begin - TONE.0).abs() <= 0.020, "the tone begins at {begin} s");
    assert!((end - TONE.0 - TONE.1).abs() <= 0.020, "the tone ends at {end} s");
}

/// Frames follow one another from about `from` to about the film's end.
fn assert_gapless(seen: &Seen, from: f64) {
    let rate = f64::from(seen.inits[0].0.audio.as_ref().unwrap().sample_rate);
    let sounds = seen.samples(Track::Audio);
    let (first, last) = (sounds.first().unwrap().0, sounds.last().unwrap().0);
    assert!((first.dts as f64 / rate - from).abs() < 0.075, "sound begins at {}", first.dts as f64 / rate);
    assert!((last.dts + i64::from(last.duration)) as f64 / rate >= SECONDS - 0.15, "{last:?}");
    for pair in sounds.windows(2) {
        assert_eq!(pair[1].0.dts, pair[0].0.dts + i64::from(pair[0].0.duration));
    }
}

#[tokio::test]
async fn g711_of_both_laws_is_kept_as_aac_in_its_place() {
    join_all([(0, "PCMU/8000", "mulaw"), (8, "PCMA/8000", "alaw")].map(async |(payload_type, name, format)| {
        let bytes = coded(&format!("-ar 8000 -f {format}"));
        let remember = record(other(payload_type, name, 8_000), packets(&bytes, 160)).await;
        let seen = remember.seen();
        let made = AudioParams { codec: "mp4a.40.2".into(), sample_rate: 8_000, channels: 1 };
        assert_eq!(seen.inits.iter().map(|(i, _)| i.audio.clone()).collect::<Vec<_>>(), [Some(made)], "{name}");
        assert_gapless(&seen, 0.0);
        assert_in_place(&seen.file());
        assert_eq!(ffprobe(&seen.file()), "aac,8000\n");
    }))
    .await;
}

#[tokio::test]
async fn g711_that_comes_late_and_loses_packets_stays_in_its_place() {
    let bytes = coded("-ar 16000 -ac 2 -f mulaw");
    let from = packets(&bytes, 640).into_iter().enumerate().skip(31);
    let lossy = from.map(|(n, p)| (n % 10 != 9 && n % 33 > 2).then_some(p));
    let late = Duration::from_millis(620);
    let remember = record_from(late, other(97, "PCMU/16000/2", 16_000), lossy).await;
    let seen = remember.seen();
    assert_eq!(seen.inits[0].0.audio.as_ref().map(|a| (a.sample_rate, a.channels)), Some((16_000, 2)));
    assert_gapless(&seen, 0.62);
    assert_in_place(&seen.file());
}

#[tokio::test]
async fn g711_that_pauses_for_more_than_a_second_has_a_hole_and_goes_on_in_its_place() {
    let sent = packets(&coded("-ar 8000 -f alaw"), 160).into_iter().enumerate();
    let paused = sent.map(|(n, p)| (!(3..54).contains(&n)).then_some(p));
    let remember = record_from(Duration::ZERO, other(8, "PCMA/8000", 8_000), paused).await;
    let seen = remember.seen();
    let sounds = seen.samples(Track::Audio);
    let holes = sounds.windows(2).filter(|pair| pair[1].0.dts - pair[0].0.dts > 4_000).count();
    assert_eq!(holes, 1, "nothing is put in its place");
    assert_in_place(&seen.file());
}

#[tokio::test]
async fn opus_is_kept_as_it_is_in_its_place() {
    let bytes = coded("-map 0:a -c:a libopus -vbr off -b:a 32k -frame_duration 20 -f data");
    let sent = packets(&bytes, 80);
    let remember = record(other(97, "opus/48000/2", 48_000), sent.clone()).await;
    let seen = remember.seen();
    assert_eq!(seen.inits[0].0.codecs().split(", ").nth(1), Some("opus"));
    assert_gapless(&seen, 0.0);
    for (i, (sample, data)) in seen.samples(Track::Audio).iter().enumerate() {
        assert_eq!((sample.dts, sample.duration, *data), (960 * i as i64, 960, &sent[i][..]), "packet {i}");
    }
    assert_in_place(&seen.file());
    assert_eq!(ffprobe(&seen.file()), "opus,48000\n");
    let clip = Clip::usual();
    for (n, (sample, data)) in seen.samples(Track::Video).iter().enumerate() {
        assert_eq!((sample.dts, *data), (n as i64 * PICTURE_90K, &clip.picture(n % 32)[..]), "picture {n}");
    }
}

#[tokio::test]
async fn what_is_no_opus_within_opus_is_left_out_and_costs_nothing_else() {
    let bytes = coded("-map 0:a -c:a libopus -vbr off -b:a 32k -frame_duration 20 -f data");
    let sent = packets(&bytes, 80).into_iter().enumerate();
    let broken = sent.map(|(n, p)| match n % 4 {
        1 => Bytes::new(),
        2 => Bytes::from_static(&[0xff, 0x3f, 1, 2]),
        _ => p,
    });
    let remember = record(other(97, "opus/48000/2", 48_000), broken).await;
    let kept = remember.seen().samples(Track::Audio).len();
    assert!((76..=80).contains(&kept), "{kept} of 80 packets");
}

#[tokio::test]
async fn sound_that_cannot_be_kept_is_told_by_its_name_and_the_picture_stays() {
    let kinds = [
        ("L16/16000", 16_000, "l16"),
        ("G722/8000", 8_000, "g722"),
        ("G726-32/8000", 8_000, "g726-32"),
        ("MP4A-LATM/16000", 16_000, "mp4a-latm"),
        ("MPA/90000", 90_000, "mpa"),
        ("PCMU/8005", 8_005, "pcmu"),
        ("opus/16000", 16_000, "opus"),
    ];
    join_all(kinds.map(async |(rtpmap, rate, name)| {
        let some = std::iter::repeat_n(Bytes::from_static(&[7; 160]), 50);
        assert_eq!(record(other(98, rtpmap, rate), some).await.seen().sound_dropped, [name]);
    }))
    .await;
}

#[tokio::test]
async fn aac_whose_description_lies_costs_no_picture() {
    // Another rate than that of RTP; cut short; channels that are described elsewhere.
    join_all([&[0x15, 0x88][..], &[0x14], &[0x14, 0x00], &[]].map(async |config| {
        let media = Media::Aac { sample_rate: 16_000, channels: 1, config: Bytes::copy_from_slice(config) };
        assert_eq!(record(media, NOTHING).await.seen().sound_dropped, ["mpeg4-generic"], "{config:?}");
    }))
    .await;
    // Said to be of 32 kHz, and sent by a clock of 32 kHz, but frames last twice as long as they can: each has its place.
    let config = Bytes::from_static(&[0x12, 0x88]);
    let media = Media::Aac { sample_rate: 32_000, channels: 1, config };
    let frame = rtsp_server::rtp::aac(&support::sound()[3]).unwrap();
    let remember = record(media, std::iter::repeat_n(frame, 160)).await;
    let seen = remember.seen();
    let mut end = 0;
    for (sample, _) in seen.samples(Track::Audio) {
        assert!(sample.dts % 640 == 0 || sample.dts == end, "where the camera said, or where the frame before ends");
        end = sample.dts + i64::from(sample.duration);
    }
}

#[tokio::test]
async fn aac_that_cannot_be_read_costs_the_sound_and_not_the_picture() {
    let aac = || Media::Aac { sample_rate: 16_000, channels: 1, config: Bytes::from_static(AAC_CONFIG) };
    // Packets without any header, and some that say more than they hold: each costs itself alone.
    let broken = (0..50).map(|n| Bytes::from_static(if n % 2 == 0 { &[0] } else { &[0, 32, 0] }));
    assert_eq!(record(aac(), broken).await.seen().samples(Track::Audio).len(), 0);

    // Interleaved frames, which the RTSP library ends the connection for: twice, then the sound is not asked for.
    let frame = Bytes::from_static(&[0, 16, 0, 3 << 3 | 1, 7, 7, 7]);
    let sounds = (0..50).map(|n| Unit::raw(1, Duration::from_millis(64) * n, 1_024 * n, false, vec![frame.clone()]));
    let clip = Clip::usual();
    let units = pictures(&clip).chain(sounds.filter(|u| u.at < PICTURE * PICTURES as u32)).collect();
    let (_server, source) = serve(vec![h264(clip), aac()], units);
    let options = Options::default();
    for _ in 0..2 {
        let (end, _) = ingest(&source, &options).await;
        assert_eq!(end.reason, EndReason::Broken);
        assert_eq!(end.detail, "Its sound cannot be read: interleaving not yet supported");
    }
    let (end, remember) = ingest(&source, &options).await;
    assert_eq!(end.reason, EndReason::Closed);
    assert_eq!(remember.seen().sound_dropped, ["mpeg4-generic, which cannot be read"]);
    assert_eq!(remember.seen().samples(Track::Video).len(), PICTURES);
}

#[tokio::test]
async fn a_camera_whose_announced_sound_never_comes_is_recorded_at_once() {
    let config = Bytes::from_static(AAC_CONFIG);
    let aac = || Media::Aac { sample_rate: 16_000, channels: 1, config: config.clone() };
    join_all([aac(), other(0, "PCMU/8000", 8_000), other(97, "opus/48000/2", 48_000)].map(async |media| {
        let remember = record(media, NOTHING).await;
        let seen = remember.seen();
        assert_eq!((seen.inits.len(), seen.samples(Track::Audio).len()), (1, 0));
        assert!(seen.inits[0].0.audio.is_some());
    }))
    .await;
}

#[tokio::test]
async fn without_an_encoder_the_picture_is_kept_and_the_missing_package_named() {
    gst::init().unwrap();
    let registry = gst::Registry::get();
    let encoder = registry.lookup_feature("voaacenc").expect("gstreamer1.0-plugins-bad is installed");
    registry.remove_feature(&encoder);
    let some = std::iter::repeat_n(Bytes::from_static(&[7; 160]), 50);
    let remember = record(other(0, "PCMU/8000", 8_000), some).await;
    let seen = remember.seen();
    assert_eq!(
        seen.sound_dropped,
        ["pcmu, for which GStreamer's voaacenc is missing: install Debian's gstreamer1.0-plugins-bad"]
    );
}

/// Coding and rate of a file's sound.
fn ffprobe(file: &[u8]) -> String {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("kept.mp4");
    std::fs::write(&path, file).unwrap();
    let out = Command::new("ffprobe")
        .args([
            "-v",
            "warning",
            "-select_streams",
            "a",
            "-show_entries",
            "stream=codec_name,sample_rate",
            "-of",
            "csv=p=0",
        ])
        .arg(path)
        .output()
        .expect("ffprobe is installed");
    assert!(out.status.success() && out.stderr.is_empty(), "{}", String::from_utf8_lossy(&out.stderr));
    String::from_utf8_lossy(&out.stdout).into_owned()
}
