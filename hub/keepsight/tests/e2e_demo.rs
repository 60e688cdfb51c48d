//! What a newcomer sees: one command, four cameras, a page that plays.

use std::io::{BufRead, BufReader};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use base::{Clock, SystemClock};
use testkit::browser::Browser;

const KEEPSIGHT: &str = env!("CARGO_BIN_EXE_keepsight");

/// Reads the mark of a video in the page: the same reading as `camera_sim::mark::read`, from a canvas.
const READ_MARKS: &str = include_str!("read_marks.js");

/// The demo as a process; it does not outlive the test.
struct Demo(Child);

impl Demo {
    fn start() -> Demo {
        let mut command = Command::new(KEEPSIGHT);
        command.arg("demo").stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::inherit());
        Demo(command.spawn().expect("the demo starts"))
    }
}

impl Drop for Demo {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

#[tokio::test]
async fn e2e_the_demo_records_four_cameras_and_its_page_plays() {
    let mut demo = Demo::start();
    let mut lines = BufReader::new(demo.0.stdout.take().expect("stdout is piped")).lines();
    let mut printed = String::new();
    let mut field = |name: &str| loop {
        let line = lines.next().expect("the demo goes on printing").expect("text");
        printed += &line;
        printed.push('\n');
        if let Some((key, value)) = line.split_once(": ")
            && key.trim() == name
        {
            return value.trim().to_owned();
        }
    };
    let address = field("On this machine");
    let name = field("Name");
    let password = field("Password");
    let root = field("Certificate");
    let seconds: f64 = field("Recording 4 cameras after").trim_end_matches(" s").parse().expect("seconds");
    assert!(address.starts_with("https://127.0.0.1:"), "{address}");
    assert!(seconds <= 5.0, "four cameras recorded {seconds} s after the hub's start");
    assert!(printed.contains("██") || printed.contains('▀') || printed.contains('█'), "a QR code is printed");

    let browser = Browser::start(&std::fs::read_to_string(root).expect("the root certificate")).await;
    browser.open(&address).await;
    browser
        .wait("the page asks who is there", Duration::from_secs(20), "return !!document.querySelector('form')")
        .await;
    browser
        .run(&format!(
            "const set = (n, v) => {{ const e = [...document.querySelectorAll('form')].find(f => f.offsetParent) \
             .querySelector(`[name=${{n}}]`); e.value = v; e.dispatchEvent(new Event('input', {{bubbles: true}})); return e; }}; \
             set('name', {name:?}); set('password', {password:?}).form.requestSubmit();"
        ))
        .await;

    // Four cameras move, and each tile shows its own camera.
    let live = format!("{READ_MARKS} return liveMarks(4);");
    let first = browser.wait("four cameras play live", Duration::from_secs(30), &live).await;
    let later = format!(
        "{READ_MARKS} const m = liveMarks(4); return m && m.every((x, i) => x.frame !== {}[i]) && m;",
        frames(&first)
    );
    let second = browser.wait("the pictures move", Duration::from_secs(20), &later).await;
    let whose = |marks: &serde_json::Value| -> Vec<u64> {
        let mut cameras: Vec<_> = marks.as_array().into_iter().flatten().filter_map(|m| m["camera"].as_u64()).collect();
        cameras.sort_unstable();
        cameras
    };
    assert_eq!(whose(&first), [1, 2, 3, 4], "each tile shows a camera of its own");
    assert_eq!(whose(&second), [1, 2, 3, 4]);

    // The last minutes of one of them play back, and it is the same camera's footage.
    let playback = format!(
        "{READ_MARKS} if (!window.asked) {{ window.asked = true; window.mine = liveMarks(4)[0].camera; \
         playBack(0, 6); }} const m = playbackMark(); return m && {{...m, mine: window.mine}};"
    );
    let began = SystemClock.mono();
    let mark = browser.wait("the last minutes play", Duration::from_secs(30), &playback).await;
    assert_eq!(mark["camera"], mark["mine"], "played back is the camera that was asked for");
    assert!(SystemClock.mono().since(began) < Duration::from_secs(30));

    // Ctrl-C stops it cleanly.
    let pid = nix::unistd::Pid::from_raw(demo.0.id() as i32);
    nix::sys::signal::kill(pid, nix::sys::signal::Signal::SIGINT).unwrap();
    let mut status = None;
    testkit::wait_for("the demo stops", Duration::from_secs(20), async || {
        status = demo.0.try_wait().unwrap();
        status.is_some()
    })
    .await;
    assert!(status.is_some_and(|s| s.success()), "Ctrl-C ends it in order: {status:?}");
}

fn frames(marks: &serde_json::Value) -> String {
    let frames: Vec<_> = marks.as_array().into_iter().flatten().map(|m| m["frame"].to_string()).collect();
    format!("[{}]", frames.join(","))
}
