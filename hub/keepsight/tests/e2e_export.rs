//! Footage to take away: one file that any player takes, in which a gap is as long as it was, and every part of which can be
//! fetched alone.

use std::path::Path;
use std::time::Duration;

use base::{Clock, SystemClock, Timestamp};
use testkit::client::{Answer, Client};
use testkit::hub::{self, Home, HubProcess};
use testkit::pictures::{self, Picture};
use testkit::{LOOP_PICTURES, wait_for};

const KEEPSIGHT: &str = env!("CARGO_BIN_EXE_keepsight");

#[tokio::test]
async fn e2e_an_export_is_one_file_with_its_gaps_and_comes_in_parts() {
    let home = Home::new();
    let cameras = testkit::cameras(2).await;
    let process = HubProcess::start(Path::new(KEEPSIGHT), &home).await;
    let (owner, _) = hub::claim(Path::new(KEEPSIGHT), &home).await;
    let id = owner.add_camera("Front door", &cameras.addresses()[0].main).await;
    owner.add_camera("Yard", &cameras.addresses()[1].main).await;

    // Some seconds, a gap, and some seconds more.
    recorded(&owner, &id, 6.0).await;
    cameras.go_offline().await.unwrap();
    wait_for("the gap", Duration::from_secs(20), async || owner.camera(&id).await["recording"] == false).await;
    SystemClock.sleep(Duration::from_secs(3)).await; // the test's own input: how long the gap is
    cameras.go_online().await.unwrap();
    wait_for("a second segment", Duration::from_secs(30), async || owner.segments(&id).await.len() > 1).await;
    recorded(&owner, &id, 4.0).await;

    let spans = owner.segments(&id).await;
    let (from, to) = (spans[0].0, spans[1].1);
    let whole = owner.get(&export(&id, from, to)).await.expect(200);
    assert_eq!(whole.header("content-type"), "video/mp4");
    assert_eq!(whole.header("content-length"), whole.body.len().to_string());
    assert_eq!(whole.header("accept-ranges"), "bytes");
    assert!(whole.header("content-disposition").contains("Front door"), "{}", whole.header("content-disposition"));
    assert_eq!(whole.header("keepsight-next"), "");
    let started: Timestamp = whole.header("keepsight-start").parse().unwrap();
    assert!(started.duration_since(from).as_secs_f64().abs() < 0.05, "it begins with the first picture");

    // The same pictures as were sent, and as playback shows.
    let shown = decoded(&home, &whole);
    let mut played = Vec::new();
    for (start, end) in &spans[..2] {
        played.push(decoded(&home, &owner.playback(&id, *start, (*end).min(to)).await.expect(200)));
    }
    let marks = |pictures: &[Picture]| pictures.iter().map(|p| p.mark.expect("its mark")).collect::<Vec<_>>();
    assert_eq!(marks(&shown), marks(&played.concat()), "picture by picture what playback shows");
    let edge = played[0].len();
    for (n, pair) in shown.windows(2).enumerate().filter(|(n, _)| n + 1 != edge) {
        let (before, after) = (pair[0].mark.unwrap(), pair[1].mark.unwrap());
        assert_eq!((after.camera, after.frame), (1, (before.frame + 1) % LOOP_PICTURES), "picture {n}");
        let apart = pair[1].time_s - pair[0].time_s;
        assert!((0.03..0.2).contains(&apart), "picture {n}: {apart} s apart");
    }
    // And the gap lies where it was.
    let gap = spans[1].0.duration_since(spans[0].0).as_secs_f64();
    assert!((shown[edge].time_s - shown[0].time_s - gap).abs() < 0.1, "{} {gap}", shown[edge].time_s);
    let length = to.duration_since(from).as_secs_f64();
    let last = shown.last().unwrap().time_s - shown[0].time_s;
    assert!((length - last).abs() < 0.3, "as long as it was: {length} s, {last} s");
    let probe = pictures::probe(&home.scratch("export.mp4"));
    assert_eq!(probe.complaints, "");
    assert!(!probe.audio_s.is_empty());

    in_parts(&owner, &id, (from, to), &whole).await;

    // Nobody without a session, nothing where there is nothing, no span without an end.
    assert_eq!(home.client().get(&export(&id, from, to)).await.status, 401);
    let before = from - jiff::SignedDuration::from_secs(3_600);
    assert_eq!(owner.get(&export(&id, before, from)).await.status, 404);
    let week = from + jiff::SignedDuration::from_hours(7 * 24);
    assert_eq!(owner.get(&export(&id, from, week)).await.expect(400).problem(), "bad-interval");
    process.stop().await;
}

/// Each part is what stands there in the whole, under the same tag; and what has changed is not mixed.
async fn in_parts(owner: &Client, id: &str, (from, to): (Timestamp, Timestamp), whole: &Answer) {
    let (tag, len) = (whole.header("etag").to_owned(), whole.body.len());
    assert!(tag.starts_with('"') && tag.ends_with('"'), "a strong tag: {tag}");
    let ask = async |headers: &[(&str, &str)]| {
        let mut request = owner.http().get(format!("{}{}", owner.base(), export(id, from, to)));
        request = request.header("cookie", owner.cookie().expect("signed in"));
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        owner.send(request).await
    };
    let mut at = 0;
    for share in [100, 7, 3, 2, 1] {
        let end = at + (len - at) / share; // small parts and large ones, the last one to the end
        let part = ask(&[("range", &format!("bytes={at}-{}", end - 1)), ("if-range", &tag)]).await.expect(206);
        assert_eq!(part.header("content-range"), format!("bytes {at}-{}/{len}", end - 1));
        assert_eq!(part.header("etag"), tag);
        assert!(part.body == whole.body[at..end], "bytes {at} to {end} are those of the whole");
        at = end;
    }
    let tail = ask(&[("range", "bytes=-1000")]).await.expect(206);
    assert!(tail.body == whole.body[len - 1_000..]);
    let beyond = ask(&[("range", &format!("bytes={len}-"))]).await.expect(416);
    assert_eq!(beyond.header("content-range"), format!("bytes */{len}"));
    let other = ask(&[("range", "bytes=0-9"), ("if-range", "\"another\"")]).await.expect(200);
    assert!(other.body == whole.body, "of another file than expected: all of it");
    assert_eq!(ask(&[("if-match", "\"another\"")]).await.expect(412).problem(), "footage-changed");
    assert_eq!(ask(&[("if-match", &tag), ("range", "bytes=0-9")]).await.status, 206);
}

fn export(id: &str, from: Timestamp, to: Timestamp) -> String {
    format!("/api/v1/cameras/{id}/export.mp4?from={from}&to={to}")
}

fn decoded(home: &Home, answer: &Answer) -> Vec<Picture> {
    let file = home.scratch("export.mp4");
    std::fs::write(&file, &answer.body).unwrap();
    pictures::decode(&file)
}

/// Waits until the newest segment is so long.
async fn recorded(owner: &Client, id: &str, seconds: f64) {
    wait_for("some footage", Duration::from_secs(30), async || {
        let spans = owner.segments(id).await;
        spans.last().is_some_and(|(start, end)| end.duration_since(*start).as_secs_f64() > seconds)
    })
    .await;
}
