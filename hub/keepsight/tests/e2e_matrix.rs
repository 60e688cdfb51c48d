//! Every codec, GOP, sound and source at once: one hub records a camera of each row, and what it keeps is compared with what
//! was sent, picture by picture. A further combination is a further row.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use base::footage::StreamName;
use base::{Clock, SystemClock};
use camera_sim::mark::Mark;
use camera_sim::{Audio, Codec, Fault, Options, Sent, Simulator};
use testkit::browser::Browser;
use testkit::client::Client;
use testkit::hub::{self, Home, HubProcess};
use testkit::pictures::{self, Picture};

const KEEPSIGHT: &str = env!("CARGO_BIN_EXE_keepsight");
const FPS: u32 = 10;
/// Recorded of each camera, at least.
const SECONDS: f64 = 16.0;

/// A camera, and how the hub gets at it.
#[derive(Clone, Copy)]
struct Row {
    codec: Codec,
    /// Seconds between two key pictures.
    gop: u32,
    audio: Audio,
    /// Codec of the sound that is kept.
    heard: Option<&'static str>,
    source: Source,
    size: &'static str,
    fault: Option<Fault>,
    /// Its timestamps wrap around.
    wrap: bool,
    /// Its parameters change while it is recorded.
    changes: bool,
}

/// How the hub gets at a camera.
#[derive(Debug, Clone, Copy, PartialEq)]
enum Source {
    /// `rtsp://`, over TCP.
    Rtsp,
}

const AAC: Option<&str> = Some("mp4a.40.2");
const OPUS: Option<&str> = Some("opus");
/// What most rows have.
const ROW: Row = Row {
    codec: Codec::H264,
    gop: 1,
    audio: Audio::Aac,
    heard: AAC,
    source: Source::Rtsp,
    size: "320x180",
    fault: None,
    wrap: false,
    changes: false,
};
const SILENT: Row = Row { audio: Audio::Off, heard: None, ..ROW };

const ROWS: [Row; 23] = [
    ROW,
    Row { gop: 4, ..SILENT },
    Row { audio: Audio::Pcmu, ..ROW },
    Row { audio: Audio::Pcma, ..ROW },
    Row { audio: Audio::Opus, heard: OPUS, ..ROW },
    Row { audio: Audio::L16, heard: None, ..ROW },
    Row { wrap: true, ..ROW },
    Row { size: "426x238", fault: Some(Fault::NoParameters), ..ROW },
    Row { size: "640x360", fault: Some(Fault::WrongParameters), ..SILENT },
    Row { size: "640x360", changes: true, ..ROW },
    Row { codec: Codec::H264Interlaced, ..ROW },
    Row { codec: Codec::H264B, audio: Audio::Opus, heard: OPUS, ..ROW },
    Row { codec: Codec::H264B, gop: 4, wrap: true, ..SILENT },
    Row { codec: Codec::H264B, size: "640x360", changes: true, ..ROW },
    Row { codec: Codec::H265, audio: Audio::Pcma, ..ROW },
    Row { codec: Codec::H265, audio: Audio::Opus, heard: OPUS, ..ROW },
    Row { codec: Codec::H265, gop: 4, size: "640x360", fault: Some(Fault::WrongParameters), ..SILENT },
    Row { codec: Codec::H265Open, wrap: true, audio: Audio::Opus, heard: OPUS, ..ROW },
    Row { codec: Codec::H265Open, gop: 4, size: "426x238", fault: Some(Fault::NoParameters), ..ROW },
    Row { codec: Codec::H265Open, size: "640x360", changes: true, ..ROW },
    Row { codec: Codec::Mjpeg, wrap: true, audio: Audio::Pcmu, ..ROW },
    Row { codec: Codec::Mjpeg, ..ROW },
    Row { codec: Codec::Mjpeg, size: "640x360", changes: true, ..SILENT },
];

impl Row {
    /// For whoever reads what failed.
    fn name(&self) -> String {
        let Row { codec, gop, audio, source, size, fault, wrap, changes, .. } = self;
        let odd = [("wraps", *wrap), ("changes", *changes)].map(|(word, so)| if so { word } else { "" });
        let fault = fault.map_or_else(String::new, |fault| format!("{fault:?}"));
        format!("{codec} {gop}s {audio} {source:?} {size} {fault} {}", odd.concat()).trim().to_owned()
    }

    fn reorders(&self) -> bool {
        matches!(self.codec, Codec::H264B | Codec::H265Open)
    }

    fn plays_in_a_browser(&self) -> bool {
        matches!(self.codec, Codec::H264 | Codec::H264B | Codec::H264Interlaced)
    }
}

/// A row that is being recorded.
struct Camera {
    row: Row,
    /// What its marks say.
    number: u16,
    simulator: Simulator,
    /// As the hub calls it.
    id: String,
}

#[tokio::test]
async fn e2e_every_kind_of_camera_is_kept_picture_by_picture() {
    let home = Home::new();
    let hub = HubProcess::start(Path::new(KEEPSIGHT), &home).await;
    let (owner, _) = hub::claim(Path::new(KEEPSIGHT), &home).await;
    let mut cameras = Vec::new();
    for (i, row) in ROWS.into_iter().enumerate() {
        cameras.push(Camera::start(row, i as u16 + 1, &owner).await);
    }
    for camera in &cameras {
        owner.wait_recording(std::slice::from_ref(&camera.id), Duration::from_secs(30)).await;
    }
    for camera in cameras.iter().filter(|c| c.row.changes) {
        camera.simulator.change_parameters(camera.number).unwrap();
    }
    let browser = Browser::start(&home.root_pem()).await;
    play(&browser, &home, &cameras).await;
    for camera in &cameras {
        testkit::wait_for(&camera.row.name(), Duration::from_secs(60), async || {
            let spans = owner.segments(&camera.id).await;
            let (first, last) = (spans.first(), spans.last());
            first.zip(last).is_some_and(|(a, b)| b.1.duration_since(a.0).as_secs_f64() > SECONDS)
        })
        .await;
    }
    play_back(&browser, &home, &owner, &cameras).await;
    drop(browser);
    let mut kept = Vec::new();
    for camera in &cameras {
        kept.push(camera.fetch(&owner, &home).await);
    }
    hub.stop().await;

    // All rows are looked at, also after one that is wrong: what they have in common says why.
    let (next, wrong) = (AtomicUsize::new(0), Mutex::new(Vec::new()));
    let work = || {
        while let Some((camera, kept)) = cameras.iter().zip(&kept).nth(next.fetch_add(1, Ordering::Relaxed)) {
            if catch_unwind(AssertUnwindSafe(|| camera.compare(kept))).is_err() {
                wrong.lock().unwrap().push(camera.row.name());
            }
        }
    };
    std::thread::scope(|scope| (0..2).for_each(|_| drop(scope.spawn(work))));
    let wrong = wrong.into_inner().unwrap();
    assert!(wrong.is_empty(), "see above: {wrong:#?}");
}

impl Camera {
    async fn start(row: Row, number: u16, owner: &Client) -> Camera {
        let options = Options {
            first: number,
            codec: row.codec,
            key_seconds: row.gop,
            audio: row.audio,
            size: row.size.parse().unwrap(),
            wrap: row.wrap,
            ..Options::small(1)
        };
        let simulator = Simulator::start(options, Arc::new(SystemClock)).await.expect("the camera starts");
        simulator.set_fault(number, row.fault).unwrap();
        let address = &simulator.addresses()[0].main;
        let id = match row.source {
            Source::Rtsp => owner.add_camera(&format!("{number} {}", row.codec), address).await,
        };
        Camera { row, number, simulator, id }
    }

    /// What was sent to the hub, in the order of showing, from its first key picture on: RTP ticks and number.
    fn sent(&self) -> Vec<(i64, u32)> {
        let sent = self.simulator.sent(self.number, StreamName::Main).unwrap();
        // Who asked first may have wanted to know only what there is.
        let hub = sent.iter().map(|s| s.client).max().expect("pictures were sent");
        let sent: Vec<Sent> = sent.into_iter().filter(|s| s.client == hub).collect();
        assert!(sent[0].key, "a client begins with a key picture");
        let since = |s: &Sent| i64::from(s.timestamp.wrapping_sub(sent[0].timestamp) as i32);
        if self.row.wrap {
            assert!(
                sent.iter().any(|s| s.timestamp < u32::MAX / 2 && sent[0].timestamp > u32::MAX / 2),
                "{}: wraps",
                self.row.name()
            );
        }
        // Those of an open GOP that are shown before it cannot be decoded by who begins with it.
        let mut shown: Vec<_> = sent.iter().map(|s| (since(s), s.frame)).filter(|(ticks, _)| *ticks >= 0).collect();
        shown.sort_unstable();
        shown
    }

    /// What the hub gives of it: in playback, as a file to take away, and live.
    async fn fetch(&self, owner: &Client, home: &Home) -> Kept {
        let from = owner.segments(&self.id).await[0].0;
        let to = from + jiff::SignedDuration::from_secs_f64(SECONDS);
        let mut films = Vec::new();
        for what in ["playback", "export"] {
            let mut parts: Vec<(PathBuf, f64)> = Vec::new();
            let mut begins = Some(from);
            while let Some(start) = begins {
                let path = format!("/api/v1/cameras/{}/{what}.mp4?from={start}&to={to}", self.id);
                let answer = owner.get(&path).await.expect(200);
                let file = home.scratch(&format!("{}-{what}-{}.mp4", self.number, parts.len()));
                std::fs::write(&file, &answer.body).unwrap();
                let start: jiff::Timestamp = answer.header("keepsight-start").parse().expect("where it begins");
                let at_s = if parts.is_empty() { 0.0 } else { start.duration_since(from).as_secs_f64() };
                parts.push((file, at_s));
                assert!(parts.len() < 5, "{}: {what} goes on and on at {start}", self.row.name());
                begins = answer.header("keepsight-next").parse().ok();
            }
            films.push((what, parts));
        }
        let mut live = owner.websocket(&format!("/api/v1/cameras/{}/live", self.id)).await.expect("a live view");
        let (text, init, fragments) = live.collect(if self.row.audio == Audio::Opus { 120 } else { 40 }).await;
        let file = home.scratch(&format!("{}-live.mp4", self.number));
        std::fs::write(&file, [init, fragments.concat()].concat()).unwrap();
        let codecs = text["codecs"].as_str().unwrap_or_default().to_owned();
        Kept { films, live: (codecs, file), timeline: owner.timeline(&self.id).await.to_string() }
    }

    /// What was kept is what was sent.
    fn compare(&self, kept: &Kept) {
        let name = self.row.name();
        let sent = self.sent();
        for (what, parts) in &kept.films {
            assert_eq!(parts.len(), if self.row.changes { 2 } else { 1 }, "{name}: {what}: {}", kept.timeline);
            let mut shown: Vec<Picture> = Vec::new();
            for (file, at_s) in parts {
                let part = self.judge(file, what).into_iter();
                shown.extend(part.map(|picture| Picture { time_s: picture.time_s + at_s, ..picture }));
            }
            assert!(shown.len() as f64 >= (SECONDS - 1.0) * f64::from(FPS), "{name}: {what}: {} pictures", shown.len());
            assert!(shown.len() <= sent.len(), "{name}: {what}: {} pictures of {}", shown.len(), sent.len());
            for (i, (picture, (ticks, frame))) in shown.iter().zip(&sent).enumerate() {
                let mark = Some(Mark { camera: self.number, frame: *frame });
                // Cut off anywhere: of the last ones, some that are shown in between may not be there.
                if picture.mark != mark && self.row.reorders() && i + 4 >= shown.len() {
                    break;
                }
                assert_eq!(picture.mark, mark, "{name}: {what}: picture {i} at {} s", picture.time_s);
                let off = (picture.time_s - shown[0].time_s) - *ticks as f64 / 90_000.0;
                // Where the parameters change, two files meet by wall-clock time, which is told to the millisecond and
                // corrected a little at each segment's start.
                let most = if self.row.changes { 0.050 } else { 0.001 };
                assert!(off.abs() <= most, "{name}: {what}: picture {i} is {off} s off its time");
            }
        }
        self.look_live(&kept.live.0, &kept.live.1);
    }

    /// Everybody takes the file without complaint and finds as many pictures in it.
    fn judge(&self, file: &Path, what: &str) -> Vec<Picture> {
        let name = self.row.name();
        let probe = pictures::probe(file);
        assert_eq!(probe.complaints, "", "{name}: {what}");
        assert_eq!(probe.audio_s.is_empty(), self.row.heard.is_none(), "{name}: {what}: sound");
        let pictures = pictures::decode_probed(file, &probe);
        let by_gstreamer = decoded_by_gstreamer(file, probe.size);
        assert_eq!(by_gstreamer, pictures.len(), "{name}: {what}: pictures by GStreamer and by ffmpeg");
        pictures
    }

    /// A live view begins with a picture that can be shown, and those after it follow.
    fn look_live(&self, codecs: &str, file: &Path) {
        let name = self.row.name();
        let (codec, sound) = codecs.split_once(", ").map_or((codecs, None), |(a, b)| (a, Some(b)));
        assert_eq!(sound, self.row.heard, "{name}");
        let expected = match self.row.codec {
            Codec::H264 | Codec::H264B | Codec::H264Interlaced => "avc1.",
            Codec::H265 | Codec::H265Open => "hvc1.1.6.L",
            Codec::Mjpeg => "mp4v.6C",
        };
        assert!(codec.starts_with(expected), "{name}: {codec}");
        let probe = pictures::probe(file);
        assert_eq!(probe.complaints, "", "{name}: live");
        let shown = pictures::decode_from(file, &probe);
        let leading = probe.video_s.len() - shown.len();
        assert!(
            leading <= if self.row.codec == Codec::H265Open { 4 } else { 0 },
            "{name}: live lacks {leading} pictures"
        );
        let frames: Vec<u32> = shown.iter().map(|p| p.mark.expect("its mark").frame).collect();
        let follow = frames.windows(2).filter(|pair| pair[1] == (pair[0] + 1) % (8 * FPS)).count();
        // Cut off anywhere, pictures that would still be shown in between are missing.
        let missing = if self.row.reorders() { 4 } else { 1 };
        assert!(frames.len() > 10 && follow + missing >= frames.len(), "{name}: live shows {frames:?}");
    }
}

/// What the hub gave of a camera.
struct Kept {
    /// Playback and export: their parts, and how many seconds after the first each begins.
    films: Vec<(&'static str, Vec<(PathBuf, f64)>)>,
    /// Its codecs as a viewer is told them, and the file.
    live: (String, PathBuf),
    timeline: String,
}

/// How many pictures GStreamer decodes; it must not complain.
fn decoded_by_gstreamer(file: &Path, (width, height): (u32, u32)) -> usize {
    let decoded = file.with_extension("gray");
    let out = Command::new("gst-launch-1.0")
        .args(["-q", "filesrc"])
        .arg(format!("location={}", file.display()))
        .args(["!", "qtdemux", "!", "decodebin", "!", "videoconvert", "!", "video/x-raw,format=GRAY8", "!", "filesink"])
        .arg(format!("location={}", decoded.display()))
        .env("GST_DEBUG", "1") // errors; its warnings are also about what is right, such as a trex after the trak
        .env("GST_DEBUG_NO_COLOR", "1")
        .output()
        .expect("gst-launch-1.0 runs: scripts/setup installs it");
    let said = String::from_utf8_lossy(&out.stderr);
    assert!(out.status.success() && said.is_empty(), "GStreamer on {}: {said}", file.display());
    // Rows of GRAY8 are multiples of 4 bytes.
    let size = width.next_multiple_of(4) as usize * height as usize;
    let bytes = std::fs::metadata(&decoded).expect("decoded pictures").len() as usize;
    assert_eq!(bytes % size, 0, "whole pictures");
    bytes / size
}

/// A browser shows live what it can play: those cameras' pictures move.
async fn play(browser: &Browser, home: &Home, cameras: &[Camera]) {
    browser.sign_in(home.port).await;
    browser
        .run(&format!(
            "window.live = {ids}.map(id => {{
                const video = document.createElement('video'), media = new MediaSource(), queue = [];
                let buffer;
                const feed = () => {{ if (buffer && !buffer.updating && queue.length) buffer.appendBuffer(queue.shift()); }};
                video.muted = true;
                video.src = URL.createObjectURL(media);
                document.body.append(video);
                media.onsourceopen = () => {{
                    const socket = new WebSocket(`wss://${{location.host}}/api/v1/cameras/${{id}}/live`);
                    socket.binaryType = 'arraybuffer';
                    socket.onmessage = e => {{
                        if (e.data instanceof ArrayBuffer) queue.push(e.data);
                        else if (!buffer) {{
                            buffer = media.addSourceBuffer(`video/mp4; codecs=\"${{JSON.parse(e.data).codecs}}\"`);
                            buffer.onupdateend = feed;
                        }}
                        feed();
                    }};
                }};
                video.play();
                return video;
            }});",
            ids = playable(cameras, |row| !row.changes),
        ))
        .await;
    // As the hub's page does, over a hole where a slow viewer was dropped to the next key picture.
    let moves = "return window.live.every(v => {
        const { buffered } = v, last = buffered.length - 1;
        if (last > 0 && v.currentTime < buffered.start(last)) v.currentTime = buffered.start(last);
        return v.currentTime > 1 && v.videoWidth > 0 && !v.error;
    })";
    let what = "return JSON.stringify(window.live.map(v => [v.currentTime, v.videoWidth, v.error && v.error.message, \
                [...Array(v.buffered.length).keys()].map(i => [v.buffered.start(i), v.buffered.end(i)])]))";
    let deadline = SystemClock.mono() + Duration::from_secs(40);
    while browser.run(moves).await != true {
        let now = SystemClock.mono();
        assert!(now < deadline, "the browser shows live what it can play: {}", browser.run(what).await);
        SystemClock.sleep(Duration::from_millis(200)).await;
    }
    browser.open("about:blank").await; // that ends it all
}

/// A browser plays the footage of those cameras.
async fn play_back(browser: &Browser, home: &Home, owner: &Client, cameras: &[Camera]) {
    browser.open(&format!("https://127.0.0.1:{}/healthz", home.port)).await;
    let mut films = Vec::new();
    for camera in cameras.iter().filter(|c| c.row.plays_in_a_browser()) {
        let spans = owner.segments(&camera.id).await;
        for what in ["playback", "export"] {
            films.push(format!("/api/v1/cameras/{}/{what}.mp4?from={}&to={}", camera.id, spans[0].0, spans[0].1));
        }
    }
    // A few at a time: the hub makes at most four files to take away at once.
    for films in films.chunks(6) {
        browser
            .run(&format!(
                "window.films = {films:?}.map(src => {{ const v = document.createElement('video'); v.muted = true; \
                 v.src = src; document.body.append(v); v.play(); return v; }});"
            ))
            .await;
        let plays = "return window.films.every(v => v.currentTime > 0.7 && v.videoWidth > 0 && !v.error)";
        browser.wait(&format!("the browser plays {films:?}"), Duration::from_secs(40), plays).await;
        browser.run("window.films.forEach(v => { v.removeAttribute('src'); v.load(); v.remove(); })").await;
    }
}

/// The ids of the cameras that a browser can play, as JavaScript has lists.
fn playable(cameras: &[Camera], row: impl Fn(&Row) -> bool) -> String {
    let ids: Vec<_> = cameras.iter().filter(|c| c.row.plays_in_a_browser() && row(&c.row)).map(|c| &c.id).collect();
    format!("{ids:?}")
}
