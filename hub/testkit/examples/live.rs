//! Measures how soon a viewer sees something: live pictures and still ones, of the real binary. `scripts/bench live` runs it.
//!
//! ```text
//! live BINARY [COUNT]    prints its figures as lines of JSON; COUNT views of each kind, 300 if it is not given
//! ```
//!
//! One simulated camera sends the bench stream (1920x1080, 20 pictures a second, 3 Mbit/s, a key picture every 2 s). Each view is
//! a new connection: TCP, TLS, the session's cookie, the camera's key, the ring's gate.

#![expect(clippy::disallowed_macros, reason = "a program that prints figures")]
#![allow(clippy::print_stdout, reason = "a program that prints figures")]

use std::path::Path;
use std::time::Duration;

use base::{Clock, SystemClock};
use serde_json::{Value, json};
use testkit::client::{Client, Live};
use testkit::hub::{self, Home, HubProcess};
use tokio_tungstenite::tungstenite::Message;

/// Instants at which views begin are spread over the time between two key pictures.
const APART: Duration = Duration::from_millis(37);

#[tokio::main]
async fn main() {
    let mut arguments = std::env::args().skip(1);
    let binary = arguments.next().expect("usage: live BINARY [COUNT]");
    let count = arguments.next().map_or(300, |n| n.parse().expect("a number of views"));
    let binary = Path::new(&binary);
    let home = Home::new();
    let options = camera_sim::Options { cameras: 1, ..camera_sim::Options::default() };
    let cameras = camera_sim::Simulator::start(options, std::sync::Arc::new(SystemClock)).await.expect("a camera");
    let process = HubProcess::start(binary, &home).await;
    let (owner, _) = hub::claim(binary, &home).await;
    let address = &cameras.addresses()[0];
    let camera = json!({"name": "Camera", "main": {"url": address.main}, "sub": {"url": address.sub}});
    let id = owner.post("/api/v1/cameras", camera).await.expect(201).json()["id"].as_str().expect("an id").to_owned();
    owner.wait_recording(std::slice::from_ref(&id), Duration::from_secs(20)).await;

    let live = |stream: &str| format!("/api/v1/cameras/{id}/live?stream={stream}");
    // Cold: the first one to look at the small stream, whose connection is made for it.
    let (view, steps, time) = first_picture(&owner, &live("sub")).await;
    report("first picture, small stream, cold (once)", vec![time], &[steps], json!({}));
    let warm = tokio::spawn(watch(view)); // keeps it warm

    views("first picture, main stream, warm", &owner, &live("main"), count).await;
    views("first picture, small stream, warm", &owner, &live("sub"), count).await;
    let mut others = Vec::new();
    for _ in 0..20 {
        others.push(tokio::spawn(watch(first_picture(&owner, &live("main")).await.0)));
    }
    views("first picture, main stream, 20 others look", &owner, &live("main"), count).await;
    others.iter().for_each(|other| other.abort());

    let stills = |query: &str| format!("/api/v1/cameras/{id}/snapshot.jpg{query}");
    snapshots("snapshot, 1920x1080, the first (once)", &owner, &process, &stills(""), 1).await;
    snapshots("snapshot, 1920x1080, one a second", &owner, &process, &stills(""), count / 10).await;
    snapshots("snapshot, 320 wide, one a second", &owner, &process, &stills("?width=320"), count / 10).await;
    snapshots("snapshot, small stream, one a second", &owner, &process, &stills("?stream=sub"), count / 10).await;
    warm.abort();
    process.stop().await;
}

/// A new connection's first picture: the view, its steps, and the time from the first packet on.
async fn first_picture(owner: &Client, path: &str) -> (Live, [Duration; 3], Duration) {
    let began = SystemClock.mono();
    let (mut view, steps) = owner.websocket_in_steps(path).await.expect("the hub shows it");
    let mut binary = 0;
    while binary < 2 {
        // Text, the init segment, then the key picture.
        match view.next().await {
            Some(Message::Binary(_)) => binary += 1,
            Some(_) => {}
            None => panic!("the hub closed"),
        }
    }
    (view, steps, SystemClock.mono().since(began))
}

async fn watch(mut view: Live) {
    while view.next().await.is_some() {}
}

async fn views(what: &str, owner: &Client, path: &str, count: usize) {
    let (mut times, mut steps) = (Vec::new(), Vec::new());
    for _ in 0..count {
        let (view, step, time) = first_picture(owner, path).await;
        drop(view);
        times.push(time);
        steps.push(step);
        SystemClock.sleep(APART).await;
    }
    report(what, times, &steps, json!({}));
}

async fn snapshots(what: &str, owner: &Client, process: &HubProcess, path: &str, count: usize) {
    let (mut times, mut bytes) = (Vec::new(), 0);
    let before = children_ms(process.pid());
    for _ in 0..count {
        let began = SystemClock.mono();
        bytes = owner.get(path).await.expect(200).body.len();
        times.push(SystemClock.mono().since(began));
        SystemClock.sleep(Duration::from_secs(1)).await;
    }
    // Each picture's decoder has ended by then; the ones that stand ready are those of the next.
    let cpu_ms = (children_ms(process.pid()) - before) / count as f64;
    report(what, times, &[], json!({"bytes": bytes, "decoder_cpu_ms": cpu_ms}));
}

/// Processor time of a process's children that have ended, in ms: `cutime` and `cstime` of proc(5), in ticks of 10 ms.
fn children_ms(pid: u32) -> f64 {
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).expect("a running process");
    let fields: Vec<&str> = stat.rsplit_once(") ").expect("its name in brackets").1.split(' ').collect();
    [13, 14].iter().filter_map(|at| fields.get(*at)?.parse::<f64>().ok()).sum::<f64>() * 10.0
}

fn report(what: &str, mut times: Vec<Duration>, steps: &[[Duration; 3]], more: Value) {
    let ms = |time: Duration| (time.as_secs_f64() * 10_000.0).round() / 10.0;
    let percentile = |times: &[Duration], p: usize| ms(times[(times.len() * p / 100).min(times.len() - 1)]);
    times.sort();
    let median_of = |step: usize| {
        let mut of: Vec<Duration> = steps.iter().map(|s| s[step]).collect();
        of.sort();
        of.get(of.len() / 2).map(|time| ms(*time))
    };
    let mut line = json!({
        "what": what,
        "count": times.len(),
        "p50_ms": percentile(&times, 50),
        "p95_ms": percentile(&times, 95),
        "p99_ms": percentile(&times, 99),
        "max_ms": percentile(&times, 100),
    });
    if !steps.is_empty() {
        line["median_steps_ms"] = json!({"tcp": median_of(0), "tls": median_of(1), "answer": median_of(2)});
    }
    if let (Value::Object(line), Value::Object(more)) = (&mut line, more) {
        line.extend(more);
    }
    println!("{line}");
}
