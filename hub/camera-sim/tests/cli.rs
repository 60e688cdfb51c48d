//! The command line, word for word.

use std::io::{BufRead, BufReader};
use std::process::{Command, Output, Stdio};

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

fn camera_sim(args: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_camera-sim"));
    command.args(args);
    command
}

fn run(args: &[&str]) -> (Option<i32>, String, String) {
    let Output { status, stdout, stderr } = camera_sim(args).output().unwrap();
    (status.code(), String::from_utf8(stdout).unwrap(), String::from_utf8(stderr).unwrap())
}

#[test]
fn a_list_is_printed_and_nothing_started() {
    let expected = "rtsp://127.0.0.1:9000/cam01/main\nrtsp://127.0.0.1:9000/cam01/sub\n\
                    rtsp://127.0.0.1:9000/cam02/main\nrtsp://127.0.0.1:9000/cam02/sub\n";
    let list = ["--cameras", "2", "--codec", "h264", "--port", "9000", "--list"];
    assert_eq!(run(&list), (Some(0), expected.to_owned(), String::new()));
    let (code, json, _) = run(&[&list[..], &["--json"]].concat());
    let json: serde_json::Value = serde_json::from_str(&json).unwrap();
    assert_eq!(
        (code, &json[1]["name"], &json[1]["sub"]),
        (Some(0), &"cam02".into(), &"rtsp://127.0.0.1:9000/cam02/sub".into())
    );
}

#[test]
fn wrong_usage_says_what_to_give() {
    for (args, message) in [
        (&["--size", "1280"][..], "\"1280\" is not a size: give one like 1280x720"),
        (
            &["--size", "1283x720"],
            "1283x720 is not a size that can be simulated: give one from 160x90 to 3840x2160, both even",
        ),
        (
            &["--codec", "vp8"],
            "\"vp8\" is not a codec that can be simulated: give h264, h264-b, h264-interlaced, h265, h265-open or mjpeg",
        ),
        (&["--cameras", "0"], "0 is not in 1..=999"),
        (&["--fault", "cam02"], "\"cam02\" is no fault: give one like cam02=stall"),
        (&["--cameras", "1", "--fault", "cam02=stall"], "There is no cam02 to break. Give --cameras 2 or more."),
        (&["--user", "admin"], "The value of --user is not a user. Give one like NAME:PASSWORD."),
    ] {
        let (code, out, err) = run(args);
        // Long messages are wrapped to the terminal's width.
        let words = err.split_whitespace().collect::<Vec<_>>().join(" ");
        assert_eq!((code, out.as_str()), (Some(2), ""), "{args:?}");
        assert!(words.contains(message), "{args:?}: {words}");
    }
}

#[test]
fn a_taken_port_is_an_error_before_anything_is_made() {
    let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let port = taken.local_addr().unwrap().port().to_string();
    let expected = format!(
        "The simulated cameras cannot listen on 127.0.0.1:{port}: Address already in use (os error 98). Stop what uses \
         the port, or choose another one with --port.\n"
    );
    assert_eq!(run(&["--port", &port]), (Some(1), String::new(), expected));
}

#[test]
fn a_missing_plugin_is_named_with_its_package() {
    let empty = tempfile::tempdir().unwrap();
    let mut command = camera_sim(&["--port", &free_port()]);
    command.env("GST_PLUGIN_SYSTEM_PATH_1_0", empty.path()).env("GST_PLUGIN_PATH", empty.path());
    command.env("GST_REGISTRY", empty.path().join("registry"));
    let output = command.output().unwrap();
    assert_eq!(output.status.code(), Some(1));
    assert_eq!(
        String::from_utf8(output.stderr).unwrap(),
        "Clips cannot be encoded: the GStreamer element x264enc is missing. Install the package \
         gstreamer1.0-plugins-ugly, with scripts/setup.\n"
    );
}

#[test]
fn cameras_run_until_they_are_told_to_stop() {
    for stop in [Signal::SIGINT, Signal::SIGTERM] {
        let port = free_port();
        let args = ["--cameras", "1", "--size", "320x180", "--fps", "10", "--port", &port, "--user", "admin:geheim"];
        let mut child = camera_sim(&args).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
        // What is printed can be played.
        let line = BufReader::new(child.stdout.as_mut().unwrap()).lines().next().unwrap().unwrap();
        assert_eq!(line, format!("rtsp://127.0.0.1:{port}/cam01/main"));
        std::net::TcpStream::connect(format!("127.0.0.1:{port}")).unwrap();
        kill(Pid::from_raw(child.id() as i32), stop).unwrap();
        let output = child.wait_with_output().unwrap();
        assert_eq!((output.status.code(), String::from_utf8(output.stderr).unwrap()), (Some(0), String::new()));
    }
}

fn free_port() -> String {
    std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port().to_string()
}
