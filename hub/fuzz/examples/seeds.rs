//! Writes the seeds of `corpus/` anew, by what the hub itself writes: `cargo run -p fuzz --example seeds`.

use std::error::Error;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::{Arc, mpsc};

use base::footage::{Fragment, SegmentDetails, SegmentInfo, StreamName, Track, VideoParams};
use base::state::GapReason;
use base::{
    BootId, CameraId, Clock, ConnectionId, EpochId, EventId, GapId, HubId, PrincipalId, SegmentId, SimClock, Stamp,
    Timestamp,
};
use footage::bmff::{self, NewRun, NewSample, build_fragment};
use footage::{Disk, Keeper, Kept, Options, open_any};
use store::engine::{Engine, KeyRange, MemoryEngine, Order, Tree};
use store::{
    Actor, Camera, Epoch, Event, EventKind, ExportKind, Gap, Grant, Principal, PrincipalKind, Rights, Role,
    StreamSource,
};
use vault::{EpochSecrets, PrincipalIdentity, Purpose, Viewer};

type Result<T> = std::result::Result<T, Box<dyn Error>>;

fn main() -> Result<()> {
    segments()?;
    store()?;
    ranges()?;
    manifests()?;
    cameras()?;
    units()?;
    notices()?;
    configs()
}

/// A segment of a few small pictures: closed, cut short, and the format's own test vector as it lies on a disk.
fn segments() -> Result<()> {
    let vectors = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/format/vectors");
    let sealed = fs::read(vectors.join("segment.mp4.age"))?;
    seed("sealed", "cut", &sealed[..70_000])?;
    let vector = Viewer::from_identities(&fs::read_to_string(vectors.join("segment.key.txt"))?)?;
    let init = open_any(&vector, &vectors.join("segment.mp4.age"))?.init().clone();

    let (clock, dir) = (SimClock::default(), tempfile::tempdir()?);
    let disk = Disk::create(dir.path(), &clock)?;
    let (camera, epoch) = (CameraId::from_bytes(fuzz::CAMERA), EpochId::from_bytes(fuzz::EPOCH));
    let secrets = EpochSecrets::generate(epoch, camera);
    let (tell, told) = mpsc::channel();
    let notify = Box::new(move |kept| drop(tell.send(kept)));
    let (hub, boot) = (HubId::new(&clock), BootId::new(&clock));
    // Never synced while it is written: each sync would fill 64 KiB.
    let options = Options { hold_back: std::time::Duration::from_secs(3600), ..Options::default() };
    let keeper = Keeper::start_with(disk.clone(), Arc::new(clock.clone()), hub, boot, notify, options)?;
    let writer = keeper.stream(camera, StreamName::Main, secrets.public());
    writer.begin(init, ConnectionId::new(&clock), clock.mono());
    for half in 0..4 {
        writer.push(fragment(half, &clock)).map_err(|_| "overloaded")?;
    }
    keeper.stop();
    let closed = told.try_iter().find_map(|kept| match kept {
        Kept::Closed(info) => Some(info),
        _ => None,
    });
    let path = disk.segment_path(&closed.ok_or("no segment was closed")?);

    let identity = PrincipalIdentity::generate();
    let wrapped = secrets.wrap(Purpose::Footage, &identity.recipient());
    let viewer = Viewer::new(PrincipalId::new(&clock), identity, vec![wrapped]);
    let mut plain = vec![0; usize::try_from(fs::metadata(&path)?.len())?];
    let mut opened = viewer.open(camera, Purpose::Footage, Some(epoch), fs::File::open(&path)?)?;
    let len = opened.read_at(0, &mut plain)?;
    seed("segment", "closed", &plain[..len])?;
    seed("segment", "cut", &plain[..len * 2 / 3])?;
    seed("segment", "headless", &plain[32..len])
}

/// Half a second: five pictures and four frames of sound.
fn fragment(half: u64, clock: &SimClock) -> Fragment {
    let sample = |duration| NewSample { data: b"0123456789", duration, cts_offset: 0, key: true };
    let video = NewRun { track: Track::Video, dts: half * 45_000, samples: (0..5).map(|_| sample(9_000)).collect() };
    let audio = NewRun { track: Track::Audio, dts: half * 8_000, samples: (0..4).map(|_| sample(2_000)).collect() };
    let bytes = build_fragment(half as u32, &[video, audio]);
    let samples =
        bmff::parse_fragment(&bytes).expect("what was built is read").runs.into_iter().flat_map(|r| r.samples);
    Fragment {
        samples: samples.collect(),
        start_90k: half as i64 * 45_000,
        end_90k: (half as i64 + 1) * 45_000,
        key: true,
        arrived: clock.mono(),
        bytes,
    }
}

/// One row of each kind, and exports of them.
fn store() -> Result<()> {
    let (clock, dir, engine) = (SimClock::default(), tempfile::tempdir()?, MemoryEngine::default());
    let store = fuzz::store(dir.path(), engine.clone())?;
    let (id, start) = (CameraId::from_bytes(fuzz::CAMERA), clock.wall());
    let end = Timestamp::from_second(start.as_second() + 60)?;
    let now = clock.clone();
    let stamp = Some(Stamp { boot: BootId::new(&clock), mono: clock.mono() });
    store.urgent_blocking(move |db| {
        let url = "rtsp://192.168.1.20:554/main".to_owned();
        let main = StreamSource { url, username: Some("viewer".to_owned()), ..StreamSource::default() };
        let camera = Camera {
            id,
            name: "Door".to_owned(),
            main,
            sub: None,
            created: start,
            paused: false,
            paused_until: None,
            while_home: None,
            record_sub: false,
            motion: None,
        };
        let public = EpochSecrets::generate(EpochId::from_bytes(fuzz::EPOCH), id).public();
        db.add_camera(&camera, &Epoch { camera: id, public, created: start, hub: None, owed: None }, &[])?;
        db.put_segment(&SegmentInfo {
            camera: id,
            id: SegmentId::new(&now),
            stream: StreamName::Main,
            epoch: Some(EpochId::from_bytes(fuzz::EPOCH)),
            media: Some((ConnectionId::new(&now), 7)),
            stamp,
            start,
            end,
            bytes: 20_000_000,
            video: Some(VideoParams { codec: "avc1.64001f".to_owned(), width: 1920, height: 1080 }),
            audio: None,
            fingerprint: Some(7),
            details: SegmentDetails::Closed,
        })?;
        let (gap, reason) = (GapId::new(&now), GapReason::CameraLost);
        let stream = StreamName::Main;
        db.put_gap(&Gap {
            id: gap,
            camera: id,
            stream,
            start,
            end: None,
            reason,
            start_stamp: stamp,
            end_stamp: None,
        })?;
        let (event, detail) = (EventId::new(&now), Default::default());
        let (kind, end) = (EventKind::Motion, Some(end));
        db.put_event(&Event { id: event, camera: id, kind, start, stamp, end, detail })?;
        let identity = PrincipalIdentity::generate();
        let ada = PrincipalId::new(&now);
        let (name, recipient) = ("ada".to_owned(), identity.recipient());
        db.put_principal(&Principal {
            id: ada,
            name,
            kind: PrincipalKind::Person,
            role: Role::Member,
            recipient,
            created: start,
        })?;
        db.put_grant(&Grant {
            principal: ada,
            camera: id,
            rights: Rights { live: true, playback: true, export: false, manage: false },
            expires: None,
        })?;
        db.append_audit(Actor::Hub, "camera added", "Door").map(drop)
    })?;

    for tree in Tree::ALL {
        let mut rows = Vec::new();
        engine.scan(tree, &KeyRange::all(), Order::Forward, &mut |key, row| {
            let content = &row[5..]; // after version and checksum
            rows.extend([tree.number(), key.len() as u8]);
            rows.extend(key);
            rows.extend((content.len() as u16).to_be_bytes());
            rows.extend(content);
            std::ops::ControlFlow::Continue(())
        })?;
        if !rows.is_empty() {
            seed("rows", tree.name(), &rows)?;
        }
    }
    let path = dir.path().join("export");
    for (name, kind) in [("settings", ExportKind::Settings), ("history", ExportKind::History { from: start, to: end })]
    {
        store.export(&path, kind)?;
        let file = fs::read(&path)?;
        seed("export", name, &file)?;
        seed("export", &format!("{name}-frames"), &frames(&file))?;
    }
    store.close_blocking();
    Ok(())
}

/// An export without its checksums, as the target takes it.
fn frames(file: &[u8]) -> Vec<u8> {
    let mut rest = &file[b"keepsight-store-export\n".len()..];
    let mut frames = Vec::new();
    while let Some((len, after)) = rest.split_first_chunk() {
        let (frame, next) = after[4..].split_at(u32::from_be_bytes(*len) as usize);
        frames.extend((frame.len() as u16).to_be_bytes());
        frames.extend(frame);
        rest = next;
    }
    frames
}

fn manifests() -> Result<()> {
    let text = |minimum: &str| {
        format!(
            "{{\"format\": 1, \"version\": \"0.3.0\", \"compatible\": \"keepsight-generic-x86-64\", {minimum}\"bundle\": \
             \"keepsight-0.3.0.raucb\", \"size\": 166600000, \"sha256\": \"{}\"}}\n",
            "2c".repeat(32)
        )
    };
    seed("manifest", "least", text("").as_bytes())?;
    seed("manifest", "all", text("\"minimum\": \"0.2.0\", ").as_bytes())
}

fn ranges() -> Result<()> {
    let asked = [("first", "bytes=0-499"), ("from", "bytes=500-"), ("last", "bytes=-500"), ("many", "bytes=0-1,5-9")];
    for (name, header) in asked {
        seed("range", name, &[&10_000_u64.to_be_bytes(), header.as_bytes()].concat())?;
    }
    Ok(())
}

/// What a camera says when it is asked: by its description alone, and up to its first picture.
fn cameras() -> Result<()> {
    let answer = |cseq: u32, lines: &str, body: &str| {
        let length = if body.is_empty() { String::new() } else { format!("Content-Length: {}\r\n", body.len()) };
        format!("RTSP/1.0 200 OK\r\nCSeq: {cseq}\r\n{lines}{length}\r\n{body}")
    };
    let description = |parameters: &str| {
        let sdp = format!(
            "v=0\r\no=- 0 0 IN IP4 127.0.0.1\r\ns=camera\r\nt=0 0\r\nm=video 0 RTP/AVP 96\r\na=rtpmap:96 H264/90000\r\n\
             a=fmtp:96 packetization-mode=1{parameters}\r\na=control:trackID=0\r\nm=audio 0 RTP/AVP 97\r\n\
             a=rtpmap:97 mpeg4-generic/16000/1\r\na=fmtp:97 streamtype=5;profile-level-id=1;mode=AAC-hbr;config=1408;\
             sizelength=13;indexlength=3;indexdeltalength=3\r\na=control:trackID=1\r\n"
        );
        answer(1, "Content-Type: application/sdp\r\nContent-Base: rtsp://127.0.0.1/cam/\r\n", &sdp)
    };
    let sets = ";sprop-parameter-sets=Z0IAKeKQFAe2AtwEBAaQeJEV,aM48gA==";
    seed("camera", "description", description(sets).as_bytes())?;
    let transport =
        |channel| format!("Session: 1\r\nTransport: RTP/AVP/TCP;unicast;interleaved={channel}-{}\r\n", channel + 1);
    let mut plays = description("");
    plays += &answer(2, &transport(0), "");
    plays += &answer(3, &transport(2), "");
    plays += &answer(4, "Session: 1\r\nRTP-Info: url=rtsp://127.0.0.1/cam/trackID=0;seq=1;rtptime=0\r\n", "");
    let clip = fs::read(Path::new(env!("CARGO_MANIFEST_DIR")).join("../media/tests/data/smaller.h264"))?;
    let nals = nals(&clip);
    let key = nals.iter().position(|nal| nal[0] & 31 == 5).ok_or("no key picture")?;
    let payloads = rtsp_server::rtp::h264(nals[..=key].iter().copied(), 1_200);
    let mut bytes = plays.into_bytes();
    for (i, payload) in payloads.iter().enumerate() {
        let last = u8::from(i + 1 == payloads.len()) << 7;
        let [high, low] = (12 + payload.len() as u16).to_be_bytes();
        bytes.extend([b'$', 0, high, low, 0x80, 96 | last, 0, 1 + i as u8, 0, 0, 0, 0, 0, 0, 0, 7]);
        bytes.extend_from_slice(payload);
    }
    seed("camera", "plays", &bytes)?;
    seed(
        "camera",
        "refuses",
        b"RTSP/1.0 401 Unauthorized\r\nCSeq: 1\r\nWWW-Authenticate: Digest realm=\"c\", nonce=\"1\"\r\n\r\n",
    )
}

/// The NAL units of a byte stream (H.264 annex B).
fn nals(stream: &[u8]) -> Vec<&[u8]> {
    let starts: Vec<_> = stream.windows(3).enumerate().filter(|(_, w)| *w == [0, 0, 1]).map(|(i, _)| i + 3).collect();
    let ends = starts.iter().skip(1).map(|start| start - 3).chain([stream.len()]);
    let whole = starts.iter().zip(ends).map(|(start, end)| &stream[*start..end]);
    whole
        .map(|nal| &nal[..nal.iter().rposition(|b| *b != 0).map_or(0, |at| at + 1)])
        .filter(|nal| !nal.is_empty())
        .collect()
}

/// Two seconds of pictures and sound, with a jump.
fn units() -> Result<()> {
    let unit =
        |kind: u8, step: i32, data: &[u8]| [&[kind][..], &step.to_be_bytes(), &[data.len() as u8], data].concat();
    let mut bytes = unit(0, 0, &[1, 0x64, 0, 0x1f, 0xff, 0xe1, 0, 0, 1, 0, 0]);
    bytes.extend(unit(0x10, 0, &[0x14, 0x08]));
    for n in 0..40 {
        let key = u8::from(n % 20 == 0) << 2;
        bytes.extend(unit(0x40 | key, (4_500 << 8) * i32::from(n != 0), &[n; 9]));
        bytes.extend(unit(0x41, 800 << 8, &[n; 5]));
    }
    // Sound that jumps by a day, within a fragment: once a sample lay elsewhere than its table said.
    let mut far = bytes.clone();
    far.extend(unit(0x43, 0x1200, &[1; 5]));
    far.extend(unit(0x41, 800 << 8, &[2; 5]));
    seed("units", "far", &far)?;
    bytes.extend(unit(0x30, 0, &[]));
    bytes.extend(unit(0x46, 1, &[1; 9]));
    seed("units", "usual", &bytes)
}

fn configs() -> Result<()> {
    seed("config", "installed", include_bytes!("../../../systemd/keepsight.toml"))?;
    seed("config", "empty", b"")?;
    let all = "[paths]\ndata = \"/srv/k\"\nfootage = \"/mnt/f\"\n[api]\nhttps = [\"[::]:8443\"]\nhttp = []\n\
               [limits]\ncameras = 8\nconnections = 64\nconnections_per_address = 16\n\
               [storage]\nreserve = \"2 GiB\"\nbudget = \"500 GB\"\n";
    seed("config", "all", all.as_bytes())?;
    // A key whose other half nobody has.
    let all = "name = \"garage\"\ntime_zone = \"Europe/Berlin\"\n[wifi]\nssid = \"Home\"\npassword = \"correct horse\"\n\
               country = \"DE\"\nhidden = true\n[ssh]\nkeys = [\"ssh-ed25519 \
               AAAAC3NzaC1lZDI1NTE5AAAAIMKZPML4KJp7aPajOV7VNOMbA5LYL3RUSnkzWJvajjjB ada@laptop\"]\n";
    seed("first-boot", "all", all.as_bytes())?;
    seed("first-boot", "off", b"wifi = false\r\nssh = false\r\n")
}

/// What cameras say, as ONVIF's Streaming Specification §5.2.1.1 has it.
fn notices() -> Result<()> {
    let message = |topic: &str, operation: &str, value: &str| {
        format!(
            r#"<wsnt:NotificationMessage><wsnt:Topic Dialect="d">tns1:{topic}</wsnt:Topic><wsnt:Message><tt:Message UtcTime="2008-10-10T12:24:57.321Z" PropertyOperation="{operation}"><tt:Source><tt:SimpleItem Name="Rule" Value="a &lt; b"/></tt:Source><tt:Key><tt:SimpleItem Name="ObjectId" Value="15"/></tt:Key><tt:Data><tt:SimpleItem Name="State" Value="{value}"/></tt:Data></tt:Message></wsnt:Message></wsnt:NotificationMessage>"#
        )
    };
    let whole = |inside: &str| {
        format!(
            r#"<?xml version="1.0" encoding="UTF-8"?><tt:MetadataStream xmlns:tt="http://www.onvif.org/ver10/schema" xmlns:wsnt="http://docs.oasis-open.org/wsn/b-2">{inside}</tt:MetadataStream>"#
        )
    };
    let motion = message("RuleEngine/CellMotionDetector/Motion", "Changed", "true");
    let people = message("RuleEngine/tnsr:MyRuleDetector/PeopleDetect", "Deleted", "0");
    seed("notices", "two", whole(&format!("<tt:Event>{motion}{people}</tt:Event>")).as_bytes())?;
    let entities =
        format!("<!DOCTYPE a [<!ENTITY a 'ha'>]>{}", message("VideoSource/MotionAlarm&a;", "Initialized", "&a;"));
    seed("notices", "entities", entities.as_bytes())?;
    let frame = r#"<tt:VideoAnalytics><tt:Frame UtcTime="2008-10-10T12:24:57.321Z"><tt:Object ObjectId="12"/><!-- - --><![CDATA[<]]></tt:Frame></tt:VideoAnalytics>"#;
    seed("notices", "frame", whole(frame).as_bytes())
}

fn seed(target: &str, name: &str, bytes: &[u8]) -> Result<()> {
    let dir = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("corpus").join(target);
    fs::create_dir_all(&dir)?;
    Ok(fs::write(dir.join(name), bytes)?)
}
