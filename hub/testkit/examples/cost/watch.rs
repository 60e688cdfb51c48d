//! The cost of recording and watching for motion: the hub with its children, and Debian's `motion`, from the same cameras in the
//! same minute. Both record the main stream as it comes and look at the small one.

use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::Duration;

use base::{Clock, SystemClock};
use http::Method;
use serde_json::{Value, json};
use testkit::client::Client;
use testkit::hub::{Home, HubProcess, claim};

use crate::process::Process;
use crate::tables;

/// Until caches are warm, scenes are learnt, and what was taken for motion at the start is over.
const WARM_UP: Duration = Duration::from_secs(30);
/// Until what moves all the time is known to.
const KNOWN: Duration = Duration::from_secs(135);
const BEGIN: Duration = Duration::from_secs(90);
/// The main stream of the cameras, which nobody decodes, and the small one.
const MAIN: &str = "1280x720";
const SUB: (usize, usize) = (640, 360);
const FPS: u64 = 20;
/// In parts of the picture: left, top, right, bottom. What changes in simulated cameras' pictures: their mark, and their bar with the
/// noise below it, which is another in each picture.
const MOVES: [[f64; 4]; 2] = [[0.0, 0.0, 0.55, 0.38], [0.0, 0.38, 1.0, 1.0]];

pub async fn run(keepsight: &Path, seconds: u64, cameras: &[u64]) -> Vec<Value> {
    let mut figures = vec![tables::machine()];
    let most = cameras.iter().copied().max().unwrap_or(1);
    let logs = tempfile::tempdir().expect("a temporary folder");
    println!("== {most} simulated cameras (the first time each has to be encoded)");
    let port = testkit::free_port().to_string();
    let mut command = Command::new(keepsight);
    command.args(["camera-sim", "--json", "--size", MAIN, "--port", &port, "--cameras", &most.to_string()]);
    let mut simulator = Process::start(command.stdout(Stdio::piped()), &logs.path().join("simulator.log"));
    let mut line = String::new();
    let said = simulator.0.stdout.take().map(BufReader::new).expect("its standard output").read_line(&mut line);
    let list: Vec<Value> = said.ok().and_then(|_| serde_json::from_str(&line).ok()).expect("its addresses");
    for count in cameras {
        for moves in [false, true] {
            println!("== {count} cameras, {} moves, {seconds} s", if moves { "something" } else { "nothing" });
            let lines = measure(keepsight, &list[..*count as usize], moves, seconds).await;
            lines.iter().for_each(|line| println!("   {line}"));
            figures.extend(lines);
        }
    }
    figures
}

async fn measure(keepsight: &Path, cameras: &[Value], moves: bool, seconds: u64) -> Vec<Value> {
    let home = Home::new();
    let hub = HubProcess::start(keepsight, &home).await;
    let (owner, _) = claim(keepsight, &home).await;
    let mut ids = Vec::new();
    for (n, camera) in cameras.iter().enumerate() {
        let (main, sub) = (json!({"url": camera["main"]}), json!({"url": camera["sub"]}));
        let body = json!({"name": format!("Camera {n}"), "main": main, "sub": sub});
        let id = owner.post("/api/v1/cameras", body).await.expect(201).json()["id"].as_str().expect("an id").to_owned();
        let part = |of: f64| (of * 10_000.0) as u64;
        let corners = |[l, t, r, b]: [f64; 4]| [[l, t], [r, t], [r, b], [l, b]].map(|[x, y]| [part(x), part(y)]);
        let masks = if moves { Vec::new() } else { MOVES.map(corners).to_vec() };
        let change = json!({"motion": {"masks": masks}});
        owner.request(Method::PATCH, &format!("/api/v1/cameras/{id}"), Some(change)).await.expect(200);
        ids.push(id);
    }
    let folder = home.scratch("motion");
    std::fs::create_dir_all(&folder).expect("a folder");
    let motion = motion(&folder, cameras, moves);
    owner.wait_recording(&ids, BEGIN).await;
    SystemClock.sleep(if moves { KNOWN } else { WARM_UP }).await;

    let looked_before = looked(&owner).await;
    let used = || [cpu_s(hub.pid()), cpu_s(motion.pid())];
    let (began, before) = (SystemClock.mono(), used());
    SystemClock.sleep(Duration::from_secs(seconds)).await;
    let (after, took) = (used(), SystemClock.mono().since(began));
    let camera_minutes = cameras.len() as f64 * took.as_secs_f64() / 60.0;
    let [ours, theirs] = [0, 1].map(|i| (after[i] - before[i]) / camera_minutes);
    let looked = (looked(&owner).await - looked_before) / camera_minutes / 60.0;
    let two = |value: f64| (value * 100.0).round() / 100.0;
    let load = std::fs::read_to_string("/proc/loadavg").unwrap_or_default();
    let written = std::fs::read_dir(&folder).expect("a folder").flatten();
    let films = written.filter(|file| file.path().extension().is_some_and(|ending| ending == "mp4" || ending == "mkv"));
    let bytes: u64 = films.filter_map(|file| file.metadata().ok()).map(|of| of.len()).sum();
    for id in &ids {
        let camera = owner.camera(id).await;
        assert_eq!((&camera["recording"], &camera["watched"]["state"]), (&json!(true), &json!("ok")), "{camera}");
    }
    let line = json!({
        "what": "watch", "cameras": cameras.len(), "moves": moves, "seconds": took.as_secs(),
        "keepsight_cpu_s_per_camera_minute": two(ours), "motion_cpu_s_per_camera_minute": two(theirs),
        "ratio": two(ours / theirs), "pictures_looked_at_per_camera_second": two(looked),
        "motion_recorded_mb": (bytes as f64 / 1e6).round(), "load": load.split(' ').next(),
    });
    drop(motion);
    hub.stop().await;
    vec![line]
}

/// As its documentation has it for recording all day without coding anew: it looks at the small stream, and writes the main one.
fn motion(folder: &Path, cameras: &[Value], moves: bool) -> Process {
    let show = |path: &Path| path.display().to_string();
    let mut main = format!(
        "daemon off\nsetup_mode off\nlog_file {}\nlog_level 5\ntarget_dir {}\nwebcontrol_port 0\nstream_port 0\nwidth {}\nheight {}\n\
         framerate {FPS}\ndespeckle_filter EedDl\nminimum_motion_frames 1\nevent_gap 60\npicture_output off\nmovie_output on\n\
         movie_passthrough on\nmovie_max_time 60\nmovie_codec mp4\nemulate_motion on\n",
        show(&folder.join("log")),
        show(folder),
        SUB.0,
        SUB.1,
    );
    let mask = folder.join("mask.pgm");
    let masked = |x: usize, y: usize| {
        let (x, y) = (x as f64 / SUB.0 as f64, y as f64 / SUB.1 as f64);
        MOVES.iter().any(|[l, t, r, b]| (*l..*r).contains(&x) && (*t..*b).contains(&y))
    };
    let pixels = (0..SUB.1).flat_map(|y| (0..SUB.0).map(move |x| if masked(x, y) { 0 } else { 255 }));
    std::fs::write(&mask, [format!("P5\n{} {}\n255\n", SUB.0, SUB.1).into_bytes(), pixels.collect()].concat())
        .expect("room");
    for (n, camera) in cameras.iter().enumerate() {
        let text = |of: &str| camera[of].as_str().expect("an address").to_owned();
        let masked = if moves { String::new() } else { format!("mask_file {}\n", show(&mask)) };
        let config = folder.join(format!("camera{n}.conf"));
        let lines = format!(
            "camera_id {}\nnetcam_url {}\nnetcam_high_url {}\nthreshold {}\nmovie_filename {n}-%v-%Y%m%d%H%M%S\n{masked}",
            n + 1,
            text("sub"),
            text("main"),
            1_500 * SUB.0 * SUB.1 / (640 * 480),
        );
        std::fs::write(&config, lines).expect("room");
        main += &format!("camera {}\n", show(&config));
    }
    std::fs::write(folder.join("motion.conf"), main).expect("room");
    let mut command = Command::new("motion");
    command.args(["-n", "-c"]).arg(folder.join("motion.conf")).stdout(Stdio::null());
    Process::start(&mut command, &folder.join("errors"))
}

/// Processor time of a process with all its children, those that have ended too, in seconds.
fn cpu_s(pid: u32) -> f64 {
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
    let fields: Vec<_> = stat.rsplit(')').next().unwrap_or_default().split_whitespace().collect();
    let ticks: u64 = (14..=17).filter_map(|n: usize| fields.get(n - 3)?.parse::<u64>().ok()).sum();
    let tasks = std::fs::read_dir(format!("/proc/{pid}/task")).into_iter().flatten().flatten();
    let children =
        tasks.filter_map(|task| std::fs::read_to_string(task.path().join("children")).ok()).collect::<String>();
    ticks as f64 / 100.0 + children.split_whitespace().filter_map(|child| child.parse().ok()).map(cpu_s).sum::<f64>()
}

/// Pictures that were looked at, at all cameras.
async fn looked(owner: &Client) -> f64 {
    let text = owner.get("/metrics").await.expect(200);
    let text = String::from_utf8_lossy(&text.body).into_owned();
    let lines = text.lines().filter(|line| line.starts_with("keepsight_camera_looked"));
    lines.filter_map(|line| line.rsplit(' ').next()?.parse::<f64>().ok()).sum()
}
