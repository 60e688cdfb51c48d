//! How cameras depart from the standard, each against both sources: what our own takes is recorded by it, and what it cannot
//! take ends with a reason that leads to GStreamer's, which records it. `docs/cameras.md` names the cameras.

mod support;

use std::sync::Arc;
use std::time::Duration;

use base::SystemClock;
use base::footage::Track;
use bytes::Bytes;
use media::{Choice, Credentials, EndReason, Ingest, IngestEnd, Options, Source, Way};
use rtsp_server::{
    After, Clip as Film, ClipSource, Config, Media, Mount, Place, Quirks, Reserved, Scheme, Server, Start, TrackStart,
    Unit,
};
use support::{AAC_CONFIG, Clip, FRAME, PICTURE_90K, Remember, sound};
use tokio::runtime::Handle;

const PICTURE: Duration = Duration::from_millis(50);
const SECRET: &str = "hunter2";

fn tracks(clip: &Clip) -> Vec<Media> {
    let video = Media::H264 { parameter_sets: Some((clip.sps.clone(), clip.pps.clone())), framerate: Some(20) };
    vec![video, Media::Aac { sample_rate: 16_000, channels: 1, config: Bytes::from_static(AAC_CONFIG) }]
}

/// The usual clip with its sound, again and again, behind a password if `scheme` says how it is asked for.
fn camera(quirks: Quirks, scheme: Option<Scheme>) -> Server {
    let clip = Clip::usual();
    let picture = |i: usize| {
        let nals = clip.pictures[i].iter().map(|nal| &nal[..]);
        Unit::h264(0, PICTURE * i as u32, (i as i64 * PICTURE_90K) as u32, clip.is_key(i), nals)
    };
    let sounds = sound()
        .into_iter()
        .enumerate()
        .filter_map(|(i, data)| Unit::aac(1, Duration::from_millis(64) * i as u32, (i as i64 * FRAME) as u32, &data));
    let units = (0..32).map(picture).chain(sounds).collect();
    let tracks = tracks(&clip);
    let film = Arc::new(Film::new(&tracks, units, PICTURE * 32).unwrap());
    let first = TrackStart { seq: u16::MAX - 9, rtptime: u32::MAX - 20_000 };
    let source = Arc::new(ClipSource::new(film, Arc::new(SystemClock), Start::Beginning, After::Loop, first));
    let mount = Mount { name: "camera".into(), tracks, source };
    let mut config = Config { quirks, ..Config::new(Arc::new(SystemClock)) };
    if let Some(scheme) = scheme {
        config = Config { credentials: Some(rtsp_server::Credentials::new("viewer", SECRET)), scheme, ..config };
    }
    let port = Reserved::bind("127.0.0.1:0".parse().unwrap()).unwrap();
    Server::start(port, config, [("cam".into(), mount)]).unwrap()
}

fn source(camera: &Server) -> Source {
    Source::parse(&format!("rtsp://{}/cam", camera.addr()), Some(Credentials::new("viewer", SECRET))).unwrap()
}

/// Records until so many pictures and as much sound have come. How it ended, if that was before.
async fn record(source: Source, pictures: usize) -> Result<Remember, IngestEnd> {
    media::init().unwrap();
    let remember = Remember::default();
    let clock = Arc::new(SystemClock);
    let ingest = Ingest::start(source, &Handle::current(), clock, Options::default(), remember.output()).unwrap();
    let enough = |s: &support::Seen| {
        s.units_of(Track::Video).len() >= pictures && s.units_of(Track::Audio).len() >= pictures / 2
    };
    tokio::select! {
        () = remember.until("pictures and sound", enough) => {
            ingest.stop().await;
            Ok(remember)
        }
        end = ingest.ended() => Err(end),
    }
}

/// Records in the ways that a hub tries, until one works; which that was.
async fn record_somehow(source: &Source, pictures: usize) -> (Way, Option<String>) {
    let mut choice = Choice::new(source.ways(base::Transport::Auto).unwrap(), None);
    loop {
        match record(source.clone().by(choice.via().way), pictures).await {
            Ok(_) => return (choice.via().way, choice.via().why.map(str::to_owned)),
            Err(end) => assert!(choice.failed(&end), "{end:?} leads nowhere"),
        }
    }
}

/// Spaced as they were sent, whatever else is odd.
fn even(remember: &Remember) {
    for (n, unit) in remember.seen().units_of(Track::Video).iter().enumerate() {
        assert_eq!(unit.dts, n as i64 * PICTURE_90K);
    }
}

#[tokio::test]
async fn what_our_own_source_takes_it_records_and_so_does_gstreamers() {
    let quirks = [
        Quirks { other_channels: true, ..Quirks::default() },
        Quirks { early_data: true, ..Quirks::default() },
        Quirks { stray_data: true, ..Quirks::default() },
        Quirks { no_rtp_info: true, ..Quirks::default() },
        Quirks { no_content_base: true, ..Quirks::default() },
        Quirks { new_session_ids: true, ..Quirks::default() },
    ];
    let all = quirks.map(async |quirk| {
        let camera = camera(quirk.clone(), None);
        for way in [Way::Own, Way::Tcp] {
            match record(source(&camera).by(way), 20).await {
                Ok(remember) => even(&remember),
                Err(end) => panic!("{quirk:?} by {way:?}: {end:?}"),
            }
        }
    });
    futures::future::join_all(all).await;
}

#[tokio::test]
async fn every_way_to_ask_for_a_password_is_answered() {
    for scheme in [Scheme::Digest, Scheme::DigestWithoutQop, Scheme::Basic] {
        for also_basic in [None, Some(Place::First), Some(Place::Last)] {
            let camera = camera(Quirks { also_basic, ..Quirks::default() }, Some(scheme));
            for way in [Way::Own, Way::Tcp] {
                let end = record(source(&camera).by(way), 2).await.err();
                assert_eq!(end, None, "{scheme:?} and {also_basic:?} by {way:?}");
            }
        }
    }
}

#[tokio::test]
async fn a_nonce_of_its_own_for_each_request_is_taken_by_gstreamers_source() {
    let camera = camera(Quirks { nonce_per_method: true, ..Quirks::default() }, Some(Scheme::Digest));
    let (way, why) = record_somehow(&source(&camera), 20).await;
    assert_eq!(way, Way::Tcp, "{why:?}");
    // A wrong password stays one: both sources are asked once.
    let wrong =
        Source::parse(source(&camera).address().unwrap().as_str(), Some(Credentials::new("viewer", "no"))).unwrap();
    let end = record(wrong.clone(), 1).await.err().unwrap();
    assert_eq!(end.reason, EndReason::Unauthorised);
}

#[tokio::test]
async fn a_redirect_is_followed() {
    let end = camera(Quirks::default(), Some(Scheme::Digest));
    let redirect = Some(source(&end).address().unwrap().to_string());
    let begin = camera(Quirks { redirect, ..Quirks::default() }, None);
    let (way, why) = record_somehow(&source(&begin), 20).await;
    assert_eq!(way, Way::Tcp);
    assert!(why.as_deref().is_some_and(|why| why.contains("302")), "{why:?}");
}

#[tokio::test]
async fn a_camera_without_rtp_over_the_rtsp_connection_is_asked_for_datagrams() {
    for status in [461, 406] {
        let camera = camera(Quirks { refuses_tcp: Some(status), ..Quirks::default() }, None);
        for way in [Way::Own, Way::Tcp] {
            let end = record(source(&camera).by(way), 1).await.err().unwrap();
            assert_eq!(end.reason, EndReason::NoTransport, "{status} by {way:?}: {end:?}");
            assert!(end.detail.contains(&status.to_string()), "{end:?}");
        }
        // This server has none either.
        let end = record(source(&camera).by(Way::Udp), 1).await.err().unwrap();
        assert_eq!(end.reason, EndReason::NoTransport, "{end:?}");
    }
}

#[tokio::test]
async fn sessions_with_short_timeouts_are_kept_alive() {
    // Own by requests, GStreamer's mostly by RTCP, which comes every 5 s or so; each for two timeouts and more.
    let kept = [(Way::Own, 3, 140), (Way::Tcp, 8, 360)].map(async |(way, timeout_s, pictures)| {
        let camera = camera(Quirks { session_timeout_s: Some(timeout_s), ..Quirks::default() }, None);
        let end = record(source(&camera).by(way), pictures).await.err();
        assert_eq!(end, None, "by {way:?}");
    });
    futures::future::join_all(kept).await;
}

#[tokio::test]
async fn a_camera_that_refuses_to_be_kept_alive_under_the_wrong_number_is_kept_by_gstreamers_source() {
    let quirks = Quirks { session_timeout_s: Some(2), refuses_set_parameter: true, ..Quirks::default() };
    let camera = camera(quirks, None);
    let end = record(source(&camera), 100).await.err().unwrap();
    assert_eq!((end.reason, &end.detail[..]), (EndReason::Beyond, "It answers requests under the wrong number"));
    assert_eq!(record_somehow(&source(&camera), 100).await.0, Way::Tcp);
}
