//! What a person with a phone waits for: the first live picture, how far live is behind, an instant of a day. In Debian's Chromium,
//! which decodes in software on the same machine.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use base::footage::StreamName;
use base::{Clock, SystemClock};
use camera_sim::{Options, Simulator};
use serde_json::{Value, json};
use testkit::browser::Browser;
use testkit::hub::{Home, HubProcess, claim};

use crate::{day, seek, tables};

const READ_MARKS: &str = include_str!("../../../keepsight/tests/read_marks.js");
const SOON: Duration = Duration::from_secs(30);

/// So often, and for so long.
pub struct Plan {
    pub views: u64,
    pub live_minutes: u64,
    pub seeks: u64,
}

pub async fn run(keepsight: &Path, plan: &Plan) -> Vec<Value> {
    let mut figures = vec![tables::machine()];
    live(keepsight, plan, &mut figures).await;
    println!("== a day of one camera");
    let home = Home::new();
    let film = day::film(keepsight).await;
    let (camera, began) = day::record(&home, &film).await;
    let hub = HubProcess::start(keepsight, &home).await;
    let browser = opened(&home).await;
    println!("== {} instants of the day", plan.seeks);
    let mut took = Vec::new();
    for _ in 0..plan.seeks {
        let at = began + Duration::from_millis(seek::random(day::MINUTES * 60_000 - 60_000));
        seek::forget(&home.footage());
        let address = format!("#/camera/{camera}/at/{at}");
        took.push(first_picture(&browser, "playback", &format!("location.hash = {address:?}")).await);
    }
    figures.push(figure("an instant of a day, from the tap to its picture", took));
    hub.stop().await;
    figures
}

/// One camera that sends the bench stream, as its main and as its small stream.
async fn live(keepsight: &Path, plan: &Plan, figures: &mut Vec<Value>) {
    let home = Home::new();
    let options = Options { cameras: 1, ..Options::default() };
    let cameras = Simulator::start(options, Arc::new(SystemClock)).await.expect("a camera");
    let hub = HubProcess::start(keepsight, &home).await;
    let (owner, _) = claim(keepsight, &home).await;
    let camera = owner.add_camera("Camera", &cameras.addresses()[0].main).await;
    owner.wait_recording(std::slice::from_ref(&camera), SOON).await;
    let browser = opened(&home).await;

    println!("== {} taps on a camera", plan.views);
    let mut took = Vec::new();
    for _ in 0..plan.views {
        took.push(first_picture(&browser, "live", "document.querySelector('[data-testid=tile]').click()").await);
    }
    figures.push(figure("first live picture, 1920x1080, from the tap", took));

    println!("== {} minutes of live pictures", plan.live_minutes);
    // Of the camera that was tapped on last.
    browser.wait("it plays", SOON, &format!("{READ_MARKS} return liveMarks(1)")).await;
    let began = SystemClock.mono();
    let mut behind = Vec::new();
    while SystemClock.mono().since(began) < Duration::from_secs(60 * plan.live_minutes) {
        let Some(mark) = browser.run(&format!("{READ_MARKS} return liveMarks(1)")).await.get(0).cloned() else {
            continue;
        };
        // When it was read, at the latest: what the browser took for the answer counts too.
        let now = SystemClock.mono();
        let sent = cameras.sent(1, StreamName::Main).expect("it is the one");
        let shown = sent.iter().rev().find(|sent| json!(sent.frame) == mark["frame"]).expect("it was sent");
        behind.push(now.since(shown.at).as_secs_f64() * 1e3);
        SystemClock.sleep(Duration::from_millis(500)).await; // between two looks
    }
    figures.push(figure("live, behind the camera", behind));
    hub.stop().await;
    cameras.stop().await;
}

async fn opened(home: &Home) -> Browser {
    let browser = Browser::start(&home.root_pem()).await;
    browser.be_a_phone(412, 915, false).await;
    browser.sign_in(home.port).await;
    browser.open(&format!("https://127.0.0.1:{}/", home.port)).await;
    browser
}

/// Milliseconds from a tap in the list of cameras to the first picture that the browser shows of what was asked for.
async fn first_picture(browser: &Browser, kind: &str, tap: &str) -> f64 {
    browser.run("location.hash = '#/'").await;
    let ready = match kind {
        "live" => "liveMarks(1)",
        _ => "document.querySelector('[data-testid=tile]')", // of a camera that is long gone
    };
    browser
        .wait(
            "the list is shown",
            SOON,
            &format!("{READ_MARKS} return !document.querySelector('video[data-kind=playback]') && {ready}"),
        )
        .await;
    browser
        .run(&format!(
            "window.took = null; const before = document.querySelector('video'), began = performance.now(); {tap}; \
             const look = () => {{ const video = document.querySelector('video[data-kind={kind}]'); \
             if (!video || video === before) return requestAnimationFrame(look); \
             video.requestVideoFrameCallback(() => {{ window.took = performance.now() - began; }}); }}; look();"
        ))
        .await;
    browser.wait("a picture is shown", SOON, "return window.took").await.as_f64().expect("milliseconds")
}

fn figure(what: &str, mut ms: Vec<f64>) -> Value {
    ms.sort_by(f64::total_cmp);
    let at = |part: f64| ms[((ms.len() - 1) as f64 * part).round() as usize].round();
    let figure = json!({
        "what": what, "count": ms.len(),
        "ms": {"p50": at(0.5), "p90": at(0.9), "p95": at(0.95), "p99": at(0.99), "max": at(1.0)},
    });
    println!("{figure}");
    figure
}

/// Markdown of all figures.
pub fn tables(figures: &[Value]) -> String {
    let mut text = format!(
        "\n{}\n| ms | count | median | p90 | p95 | p99 | most |\n|---|---|---|---|---|---|---|\n",
        tables::machine_says(&figures[0])
    );
    for figure in figures.iter().filter(|figure| figure["ms"].is_object()) {
        let ms = &figure["ms"];
        text += &format!(
            "| {} | {} | {} | {} | {} | {} | {} |\n",
            figure["what"].as_str().unwrap_or_default(),
            figure["count"],
            ms["p50"],
            ms["p90"],
            ms["p95"],
            ms["p99"],
            ms["max"]
        );
    }
    text
}
