//! Simulated cameras as their clients see them.

#[path = "../../rtsp-server/tests/client/mod.rs"]
mod client;
mod decode;

use std::net::SocketAddr;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use base::footage::StreamName::{Main, Sub};
use base::{Clock, SimClock, SystemClock};
use camera_sim::mark::Mark;
use camera_sim::{Audio, Fault, NoSuchCamera, Options, SimError, Simulator};
use client::{Client, Rtp, deadline};
use rtsp_server::{Credentials, Scheme};

const FPS: u32 = 10;
const LOOP: u32 = 8 * FPS;

async fn start(options: Options) -> Simulator {
    Simulator::start(options, Arc::new(SystemClock)).await.unwrap()
}

fn addr(simulator: &Simulator) -> SocketAddr {
    ([127, 0, 0, 1], simulator.port()).into()
}

/// Puts pictures together from packets (RFC 6184).
#[derive(Default)]
struct Pictures {
    nals: Vec<Vec<u8>>,
    whole: Vec<Vec<Vec<u8>>>,
    timestamps: Vec<u32>,
}

impl Pictures {
    fn add(&mut self, packet: &Rtp) {
        let p = &packet.payload;
        match p[0] & 0x1f {
            28 if p[1] & 0x80 != 0 => self.nals.push([&[p[0] & 0xe0 | p[1] & 0x1f], &p[2..]].concat()),
            28 => self.nals.last_mut().unwrap().extend(&p[2..]),
            _ => self.nals.push(p.clone()),
        }
        if packet.marker {
            self.whole.push(std::mem::take(&mut self.nals));
            self.timestamps.push(packet.timestamp);
        }
    }
}

/// Two loops and more, in simulated time: every packet, timestamp, mark and sample is where it should be.
#[tokio::test]
async fn a_clip_loops_without_a_seam() {
    let clock = SimClock::default();
    let simulator = Simulator::start(Options::small(2), Arc::new(clock.clone())).await.unwrap();
    let uri = &simulator.addresses()[0].main;
    clock.advance(Duration::from_millis(3_050)); // the next key picture is 950 ms away
    let mut client = Client::connect(addr(&simulator)).await;
    let info = client.play(uri, 2).await.header("RTP-Info").to_owned();
    let asked = clock.mono();
    clock.advance(Duration::from_millis(950));

    let count = 2 * LOOP as usize + 25;
    let (mut pictures, mut sound) = (Pictures::default(), Vec::new());
    let mut next_seq = [None; 2];
    let mut starts = Vec::new();
    while pictures.whole.len() < count {
        let (channel, packet) = client.rtp().await.unwrap();
        let next = &mut next_seq[usize::from(channel / 2)];
        assert!(next.is_none_or(|seq| seq == packet.seq), "packet {next:?} is missing");
        if next.is_none() {
            starts.push((channel / 2, packet.seq, packet.timestamp));
        }
        *next = Some(packet.seq.wrapping_add(1));
        if channel == 0 {
            pictures.add(&packet);
            if packet.marker {
                clock.advance(Duration::from_millis(1_000) / FPS);
            }
        } else {
            sound.push((packet.timestamp, packet.payload[4..].to_vec()));
        }
    }

    // RTP-Info told where they start: the key picture at 4 s; sound comes in frames of 64 ms, the next at 4.032 s.
    starts.sort();
    let [(_, seq, video), (_, audio_seq, audio)] = starts[..] else { panic!("{starts:?}") };
    assert_eq!(
        info,
        format!(
            "url={uri}/trackID=0;seq={seq};rtptime={video},url={uri}/trackID=1;seq={audio_seq};rtptime={}",
            audio.wrapping_sub(512)
        )
    );

    // Timestamps go on evenly.
    for (i, timestamp) in pictures.timestamps.iter().enumerate() {
        assert_eq!(*timestamp, video.wrapping_add(90_000 / FPS * i as u32));
    }
    for (i, (timestamp, _)) in sound.iter().enumerate() {
        assert_eq!(*timestamp, audio.wrapping_add(1_024 * i as u32));
    }

    // Pictures too: none twice, none left out, at their own size and scaled.
    let first = 4 * FPS;
    let expected: Vec<Option<Mark>> =
        (0..count as u32).map(|i| Some(Mark { camera: 1, frame: (first + i) % LOOP })).collect();
    for size in [(320, 180), (240, 180), (1_280, 720)] {
        assert_eq!(decode::marks(&pictures.whole, size), expected);
    }

    // What the simulator says it sent is what was received, each when it was due. It may be one picture ahead.
    let sent = simulator.sent(1, Main).unwrap();
    assert!((count..=count + 1).contains(&sent.len()));
    assert_eq!(simulator.pictures_sent(1, Main), Ok(sent.len() as u64));
    assert_eq!(simulator.pictures_sent(1, Sub), Ok(0));
    for (i, sent) in sent[..count].iter().enumerate() {
        let n = i as u32;
        assert_eq!((sent.client, sent.serial, sent.frame), (0, u64::from(first + n), (first + n) % LOOP));
        assert_eq!((sent.timestamp, sent.key), (pictures.timestamps[i], (first + n).is_multiple_of(FPS)));
        assert_eq!(sent.at, asked + Duration::from_millis(950) + Duration::from_millis(100) * n);
        assert_eq!(pictures.whole[i][0][0] & 0x1f == 7, sent.key);
    }

    // Sound: a tone of 0.2 s at each full second, the same in each loop, also where one loop ends.
    let samples = decode::samples(sound.into_iter().map(|(_, frame)| frame));
    let loop_samples = 8 * 16_000;
    assert!(samples.len() > 2 * loop_samples);
    for i in 4_096..samples.len() - loop_samples {
        assert!((samples[i] - samples[i + loop_samples]).abs() < 0.001, "sample {i}");
    }
    // The first sample is at 4.032 s.
    let loud = |second: f64| {
        let at = ((second - 4.032) * 16_000.0) as usize;
        samples[at..at + 160].iter().map(|s| s.abs()).fold(0.0, f32::max) > 0.05
    };
    for second in 5..19 {
        let second = f64::from(second);
        assert_eq!(
            [-0.02, 0.005, 0.1, 0.185, 0.22, 0.5].map(|o| loud(second + o)),
            [false, true, true, true, false, false]
        );
    }
    simulator.stop().await;
}

#[tokio::test]
async fn every_stream_carries_its_own_cameras_mark() {
    let clock = SimClock::default();
    let options = Options { audio: Audio::Off, size: "640x360".parse().unwrap(), ..Options::small(3) };
    let simulator = Simulator::start(options, Arc::new(clock.clone())).await.unwrap();
    for address in simulator.addresses() {
        for uri in [&address.main, &address.sub] {
            let mut client = Client::connect(addr(&simulator)).await;
            client.play(uri, 1).await;
            clock.advance(Duration::from_secs(2));
            let mut pictures = Pictures::default();
            while pictures.whole.is_empty() {
                pictures.add(&client.rtp().await.unwrap().1);
            }
            let size = if uri.ends_with("main") { (640, 360) } else { (320, 180) };
            let mark = decode::marks(&pictures.whole, size)[0].unwrap();
            assert_eq!((mark.camera, mark.frame % FPS), (address.number, 0), "{uri}");
        }
    }
}

#[tokio::test]
async fn the_bitrate_is_what_was_asked_for() {
    let cache = tempfile::tempdir().unwrap();
    for (size, fps, kbit) in [("1280x720", 10, 1_500), ("640x360", 10, 800), ("320x180", 10, 150)] {
        let options = Options {
            cameras: 1,
            size: size.parse().unwrap(),
            fps,
            bitrate_kbit: Some(kbit),
            audio: Audio::Off,
            cache: Some(cache.path().into()),
            ..Options::default()
        };
        start(options).await.stop().await;
        let clip = std::fs::read_dir(cache.path()).unwrap().map(|e| e.unwrap().path()).find(|p| {
            p.extension().is_some_and(|e| e == "clip")
                && p.to_str().unwrap().contains(&format!("{size}-{fps}fps-{kbit}"))
        });
        let is = clip.unwrap().metadata().unwrap().len() as f64 / f64::from(kbit * 1_000); // 8 s of 8 bits
        assert!((0.93..1.07).contains(&is), "{size}: {is} of what was asked for");
    }
}

/// Asks for a stream; the status of the first answer, `None` if the connection is closed instead.
async fn describe(simulator: &Simulator, uri: &str) -> Option<u16> {
    let mut client = Client::connect(addr(simulator)).await;
    client.send(format!("DESCRIBE {uri} RTSP/1.0\r\nCSeq: 1\r\n\r\n").as_bytes()).await;
    client.reply().await.map(|reply| reply.status)
}

#[tokio::test]
async fn a_broken_camera_leaves_the_others_alone() {
    let simulator = start(Options::small(2)).await;
    let [one, two] = [0, 1].map(|i| simulator.addresses()[i].main.clone());
    let mut other = Client::connect(addr(&simulator)).await;
    other.play(&two, 2).await;
    for (fault, status) in [(Fault::Close, Some(200)), (Fault::Unauthorised, Some(401)), (Fault::Refuse, None)] {
        let mut client = Client::connect(addr(&simulator)).await;
        client.play(&one, 2).await;
        client.rtp().await.unwrap();
        simulator.set_fault(1, Some(fault)).unwrap();
        client.closed().await;
        assert_eq!(describe(&simulator, &one).await, status, "{fault:?}");
        assert_eq!(describe(&simulator, &two).await, Some(200));
        if fault == Fault::Close {
            let mut client = Client::connect(addr(&simulator)).await;
            client.play(&one, 2).await;
            client.closed().await;
        }
        simulator.set_fault(1, None).unwrap();
        assert_eq!(describe(&simulator, &one).await, Some(200));
    }
    // Cut once: it can be played again at once.
    let mut client = Client::connect(addr(&simulator)).await;
    client.play(&one, 2).await;
    simulator.cut(1).unwrap();
    client.closed().await;
    let mut client = Client::connect(addr(&simulator)).await;
    client.play(&one, 2).await;
    client.rtp().await.unwrap();
    assert!(other.rtp().await.is_some());
    assert_eq!(simulator.set_fault(3, None), Err(NoSuchCamera(3)));
    assert_eq!(simulator.cut(0), Err(NoSuchCamera(0)));
}

#[tokio::test]
async fn a_stalled_camera_answers_but_sends_nothing_and_goes_on_with_a_key_picture() {
    let clock = SimClock::default();
    let options = Options { audio: Audio::Off, ..Options::small(1) };
    let simulator = Simulator::start(options, Arc::new(clock.clone())).await.unwrap();
    let uri = simulator.addresses()[0].main.clone();
    let mut client = Client::connect(addr(&simulator)).await;
    client.play(&uri, 1).await;
    client.rtp().await.unwrap();
    simulator.set_fault(1, Some(Fault::Stall)).unwrap();
    for _ in 0..50 {
        clock.advance(Duration::from_millis(110));
        assert_eq!(client.request("GET_PARAMETER", &uri, &[]).await.status, 200);
    }
    let sent = simulator.pictures_sent(1, Main).unwrap();
    assert_eq!(sent, 1);
    simulator.set_fault(1, None).unwrap();
    // The stall is noticed as soon as the camera's task runs; the key picture at 6 s is 500 ms away.
    deadline(async {
        while clock.sleepers() == 0 {
            tokio::task::yield_now().await;
        }
    })
    .await;
    clock.advance(Duration::from_millis(500));
    deadline(async {
        while simulator.pictures_sent(1, Main).unwrap() == sent {
            tokio::task::yield_now().await;
        }
    })
    .await;
    let last = *simulator.sent(1, Main).unwrap().last().unwrap();
    assert_eq!((last.serial, last.key), (6 * u64::from(FPS), true));
}

/// A simulator of one camera, and a client that plays its main stream.
async fn playing() -> (Simulator, String, Client) {
    let simulator = start(Options { audio: Audio::Off, ..Options::small(1) }).await;
    let uri = simulator.addresses()[0].main.clone();
    let mut client = Client::connect(addr(&simulator)).await;
    client.play(&uri, 1).await;
    client.rtp().await.unwrap();
    (simulator, uri, client)
}

#[tokio::test]
async fn a_half_open_connection_stays_and_says_nothing_even_when_the_camera_is_well_again() {
    for (fault, hangs) in [(Fault::HalfOpen, true), (Fault::HalfOpenRefusing, false)] {
        let (simulator, uri, mut client) = playing().await;
        simulator.set_fault(1, Some(fault)).unwrap();
        let mut new = Client::connect(addr(&simulator)).await;
        new.send(format!("DESCRIBE {uri} RTSP/1.0\r\nCSeq: 1\r\n\r\n").as_bytes()).await;
        match base::clock::timeout(&SystemClock, Duration::from_millis(300), new.reply()).await {
            None => assert!(hangs, "not reset"),
            Some(reply) => assert!(!hangs && reply.is_none(), "{fault:?}: {reply:?}"),
        }
        let sent = simulator.pictures_sent(1, Main).unwrap();
        simulator.set_fault(1, None).unwrap();
        let mut other = Client::connect(addr(&simulator)).await;
        other.play(&uri, 1).await;
        let mut pictures = Pictures::default();
        while pictures.whole.len() < 5 {
            pictures.add(&other.rtp().await.unwrap().1);
        }
        assert!(simulator.sent(1, Main).unwrap()[sent as usize..].iter().all(|s| s.client == 1), "{fault:?}");
        client.send(format!("GET_PARAMETER {uri} RTSP/1.0\r\nCSeq: 9\r\n\r\n").as_bytes()).await;
        let silent = [&mut client, &mut new].into_iter().take(1 + usize::from(hangs));
        for half_open in silent {
            let answer = base::clock::timeout(&SystemClock, Duration::from_millis(300), async {
                while half_open.frame().await.is_some() {}
            });
            assert!(answer.await.is_none(), "{fault:?}: it stays open");
        }
    }
}

#[tokio::test]
async fn a_camera_that_starts_again_resets_refuses_and_counts_anew() {
    let (simulator, uri, mut client) = playing().await;
    let before = Client::connect(addr(&simulator)).await.play(&uri, 1).await.header("RTP-Info").to_owned();
    simulator.set_fault(1, Some(Fault::Reboot)).unwrap();
    client.closed().await;
    assert_eq!(describe(&simulator, &uri).await, None);
    simulator.set_fault(1, None).unwrap();
    let after = Client::connect(addr(&simulator)).await.play(&uri, 1).await.header("RTP-Info").to_owned();
    let seq = |info: &str| info.split("seq=").nth(1).and_then(|s| s.split(';').next()?.parse::<u16>().ok()).unwrap();
    let apart = seq(&after).wrapping_sub(seq(&before)).min(seq(&before).wrapping_sub(seq(&after)));
    let rtptime = |info: &str| info.split("rtptime=").nth(1).unwrap().parse::<u32>().unwrap();
    let ticks = rtptime(&after).wrapping_sub(rtptime(&before)) as i32;
    assert!(apart > 1_000 || ticks.unsigned_abs() > 90_000 * 60, "{before} and {after}");
    // A reset alone: it can be played at once, and counts on.
    let mut client = Client::connect(addr(&simulator)).await;
    client.play(&uri, 1).await;
    simulator.reset(1).unwrap();
    client.closed().await;
    assert_eq!(describe(&simulator, &uri).await, Some(200));
}

#[tokio::test]
async fn bad_parameters_are_none_in_the_description_and_garbage_in_the_stream() {
    let (simulator, uri, mut client) = playing().await;
    let sdp = async || Client::connect(addr(&simulator)).await.request("DESCRIBE", &uri, &[]).await.body;
    assert!(sdp().await.contains("sprop-parameter-sets"));
    simulator.set_fault(1, Some(Fault::BadParameters)).unwrap();
    assert!(!sdp().await.contains("sprop-parameter-sets"));
    let parameters = async |client: &mut Client, good: bool| {
        let mut found = 0;
        while found < 4 {
            let (_, packet) = client.rtp().await.unwrap();
            let garbage = packet.payload[1..].iter().all(|b| *b == 0xff);
            found += u32::from(matches!(packet.payload[0] & 0x1f, 7 | 8) && garbage != good);
        }
    };
    deadline(parameters(&mut client, false)).await;
    simulator.set_fault(1, None).unwrap();
    assert!(sdp().await.contains("sprop-parameter-sets"));
    deadline(parameters(&mut client, true)).await;
}

#[tokio::test]
async fn timestamps_jump_and_packets_get_lost() {
    let (simulator, _, mut client) = playing().await;
    let mut last = None;
    let mut next = async |client: &mut Client| {
        let (_, packet) = client.rtp().await.unwrap();
        let before: Option<(u16, u32)> = last.replace((packet.seq, packet.timestamp));
        before.map(|(seq, at)| (packet.seq.wrapping_sub(seq), packet.timestamp.wrapping_sub(at) as i32))
    };
    next(&mut client).await;
    for ms in [3_600_000, -7_200_000] {
        simulator.jump(1, ms).unwrap();
        let jumped = deadline(async {
            loop {
                let (apart, ticks) = next(&mut client).await.unwrap();
                assert_eq!(apart, 1, "nothing is lost");
                if ticks.unsigned_abs() > 90_000 {
                    break i64::from(ticks);
                }
            }
        });
        assert!((jumped.await - ms * 90).abs() <= 90_000);
    }
    simulator.set_fault(1, Some(Fault::Loss { one_in: 3 })).unwrap();
    deadline(async {
        let mut gaps = 0;
        while gaps < 3 {
            gaps += u32::from(next(&mut client).await.unwrap().0 > 1);
        }
    })
    .await;
    simulator.set_fault(1, None).unwrap();
}

#[tokio::test]
async fn a_trickle_is_a_byte_at_a_time_until_it_is_over() {
    let (simulator, uri, mut client) = playing().await;
    simulator.set_fault(1, Some(Fault::Trickle { bytes_per_s: 20 })).unwrap();
    let mut new = Client::connect(addr(&simulator)).await;
    new.send(format!("DESCRIBE {uri} RTSP/1.0\r\nCSeq: 1\r\n\r\n").as_bytes()).await;
    let quick = base::clock::timeout(&SystemClock, Duration::from_millis(500), new.reply()).await;
    assert!(quick.is_none(), "an answer takes longer");
    let mut pictures = Pictures::default();
    let whole = base::clock::timeout(&SystemClock, Duration::from_secs(2), async {
        while pictures.whole.len() < 5 {
            pictures.add(&client.rtp().await.unwrap().1);
        }
    });
    assert!(whole.await.is_none(), "five pictures take longer");
    simulator.set_fault(1, None).unwrap();
    assert_eq!(new.reply().await.unwrap().status, 200);
}

#[tokio::test]
async fn all_cameras_can_lose_the_network() {
    let simulator = start(Options::small(2)).await;
    let uri = simulator.addresses()[1].sub.clone();
    let mut client = Client::connect(addr(&simulator)).await;
    client.play(&uri, 2).await;
    simulator.go_offline().await.unwrap();
    client.closed().await;
    assert!(tokio::net::TcpStream::connect(addr(&simulator)).await.is_err());
    simulator.go_online().await.unwrap();
    assert_eq!(describe(&simulator, &uri).await, Some(200));
}

#[tokio::test]
async fn clips_come_from_the_cache_and_damaged_ones_are_made_anew() {
    let folder = tempfile::tempdir().unwrap();
    let cache = folder.path().join("not/there/yet");
    let options = || Options { cache: Some(cache.clone()), ..Options::small(1) };
    // Two at once: one makes the clips, the other waits for them.
    let (a, b) = tokio::join!(start(options()), start(options()));
    drop((a, b));
    let clips = |folder: &Path| {
        let files = std::fs::read_dir(folder).unwrap().map(|e| e.unwrap().path());
        let mut clips: Vec<_> = files.filter(|p| p.extension().is_some_and(|e| e == "clip")).collect();
        clips.sort();
        clips
    };
    let [clip] = &clips(&cache)[..] else { panic!("main and sub stream are the same at this size") };
    let (made, content) = (clip.metadata().unwrap().modified().unwrap(), std::fs::read(clip).unwrap());
    drop(start(options()).await);
    assert_eq!(clip.metadata().unwrap().modified().unwrap(), made);
    // Encoding is repeatable, so a test can compare.
    for damage in [&content[..1_000], b"", b"something else"] {
        std::fs::write(clip, damage).unwrap();
        drop(start(options()).await);
        assert!(std::fs::read(clip).unwrap() == content);
    }
    // A cache that cannot be used is no reason not to start.
    let file = folder.path().join("file");
    std::fs::write(&file, "").unwrap();
    drop(start(Options { cache: Some(file), ..Options::small(1) }).await);
}

#[tokio::test]
async fn options_that_cannot_be_are_refused() {
    let small = || Options::small(1);
    for (options, message) in [
        (Options { cameras: 0, ..small() }, "0 cameras cannot be simulated: from 1 to 999 can"),
        (Options { cameras: 1_000, ..small() }, "1000 cameras cannot be simulated: from 1 to 999 can"),
        (Options { fps: 0, ..small() }, "0 pictures per second cannot be simulated: from 1 to 60 can"),
        (Options { fps: 61, ..small() }, "61 pictures per second cannot be simulated: from 1 to 60 can"),
        (Options { key_seconds: 3, ..small() }, "The time between key pictures must be 1, 2, 4 or 8 seconds"),
        (Options { bitrate_kbit: Some(1), ..small() }, "The bitrate must be from 50 to 50,000 kbit/s"),
    ] {
        let error = Simulator::start(options, Arc::new(SystemClock)).await.err().unwrap();
        assert_eq!(error.to_string(), message);
    }
    let first = start(small()).await;
    let error = Simulator::start(Options { port: first.port(), ..small() }, Arc::new(SystemClock)).await.err().unwrap();
    assert!(matches!(error, SimError::Listen(_)));
    assert_eq!(
        error.explain(),
        format!(
            "The simulated cameras cannot listen on 127.0.0.1:{}: Address already in use (os error 98). Stop what \
             uses the port, or choose another one with --port.",
            first.port()
        )
    );
}

/// A camera that is mute sends pictures only; its sound comes late, without lost packets; its clock may jump alone.
#[tokio::test]
async fn sound_may_come_late_and_its_clock_jump_alone() {
    let simulator = start(Options { audio: Audio::Pcmu, ..Options::small(1) }).await;
    simulator.set_fault(1, Some(Fault::Mute)).unwrap();
    let mut client = Client::connect(addr(&simulator)).await;
    let info = client.play(&simulator.addresses()[0].main, 2).await.header("RTP-Info").to_owned();
    let number = |name: &str| -> u32 {
        let at = info.rfind(&format!("{name}=")).unwrap() + name.len() + 1;
        info[at..].split([';', ',']).next().unwrap().parse().unwrap()
    };
    for _ in 0..15 {
        assert_eq!(client.rtp().await.unwrap().0, 0, "a picture");
    }
    simulator.set_fault(1, None).unwrap();
    let sound = async |client: &mut Client| loop {
        if let (2, packet) = client.rtp().await.unwrap() {
            return packet;
        }
    };
    let first = sound(&mut client).await;
    assert_eq!(u32::from(first.seq), number("seq"), "what was not sent is not lost");
    let late = first.timestamp.wrapping_sub(number("rtptime"));
    assert!(late.is_multiple_of(160) && (4_000..80_000).contains(&late), "{late} samples after the start");

    simulator.jump_sound(1, -60_000).unwrap();
    let mut before = first;
    loop {
        let packet = sound(&mut client).await;
        assert_eq!(packet.seq, before.seq.wrapping_add(1));
        let step = packet.timestamp.wrapping_sub(before.timestamp) as i32;
        if step != 160 {
            assert_eq!(step, 160 - 480_000);
            break;
        }
        before = packet;
    }
}

/// Clients that share no code with us take the streams, with and without a password.
#[tokio::test(flavor = "multi_thread")]
async fn ffmpeg_and_gstreamer_play_the_cameras() {
    tokio::join!(
        played_by_all(None, Audio::Aac),
        played_by_all(Some(Scheme::Digest), Audio::Aac),
        played_by_all(Some(Scheme::DigestWithoutQop), Audio::Pcmu),
        played_by_all(Some(Scheme::Basic), Audio::Off),
        played_by_all(None, Audio::Pcma),
        played_by_all(None, Audio::Opus),
        played_by_all(None, Audio::L16),
    );
}

async fn played_by_all(scheme: Option<Scheme>, audio: Audio) {
    let credentials = scheme.map(|_| Credentials::new("admin", "geheim"));
    let options = Options { credentials, scheme: scheme.unwrap_or(Scheme::Digest), audio, ..Options::small(1) };
    let simulator = start(options).await;
    let uri = simulator.addresses()[0].main.clone();
    let with_user = if scheme.is_some() { uri.replace("rtsp://", "rtsp://admin:geheim@") } else { uri.clone() };
    let (sound, decoder) = match audio {
        Audio::Aac => ("aac,16000\n", "r. ! rtpmp4gdepay ! avdec_aac ! fakesink num-buffers=5"),
        Audio::Pcmu => ("pcm_mulaw,8000\n", "r. ! rtppcmudepay ! mulawdec ! fakesink num-buffers=5"),
        Audio::Pcma => ("pcm_alaw,8000\n", "r. ! rtppcmadepay ! alawdec ! fakesink num-buffers=5"),
        Audio::Opus => ("opus,48000\n", "r. ! rtpopusdepay ! opusdec ! fakesink num-buffers=5"),
        Audio::L16 => ("pcm_s16be,16000\n", "r. ! rtpL16depay ! fakesink num-buffers=5"),
        Audio::Off => ("", ""),
    };
    let ffprobe = format!(
        "ffprobe -v error -rtsp_transport tcp -show_entries stream=codec_name,width,height,sample_rate \
         -of csv=p=0 {with_user}"
    );
    let gstreamer = format!(
        "gst-launch-1.0 rtspsrc location={with_user} protocols=tcp name=r \
         r. ! rtph264depay ! h264parse ! avdec_h264 ! fakesink num-buffers=5 {decoder}"
    );
    let (ffprobe, gstreamer) = tokio::join!(run(&ffprobe), run(&gstreamer));
    assert_eq!(ffprobe, (true, format!("h264,320,180\n{sound}")), "{scheme:?}");
    // Each sink has had its five. How rtspsrc takes its leave afterwards is not ours: it may close before it says goodbye.
    assert!(gstreamer.1.contains("Got EOS from element"), "{scheme:?}: {}", gstreamer.1);
    if scheme.is_some() {
        let (ok, _) = run(&format!("ffprobe -v quiet -rtsp_transport tcp {uri}")).await;
        assert!(!ok, "played without the password");
    }
}

async fn run(command: &str) -> (bool, String) {
    let mut words = command.split_whitespace();
    let program = words.next().unwrap();
    let output = tokio::process::Command::new(program).args(words).kill_on_drop(true).output();
    let output = deadline(output).await.unwrap_or_else(|e| panic!("{program} is needed: {e}"));
    let text = if output.stdout.is_empty() { output.stderr } else { output.stdout };
    (output.status.success(), String::from_utf8(text).unwrap())
}
