//! The cost of recording: the hub, one ffmpeg per camera, and the floor, from the same cameras in the same minute.

use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::Duration;

use base::{Clock, SystemClock};
use serde_json::{Value, json};
use testkit::hub::{Home, HubProcess, claim};

use crate::process::{Process, occupied, used};
use crate::tables;

/// Until caches are warm and buffers have their size.
const WARM_UP: Duration = Duration::from_secs(15);
/// Cameras begin to be recorded within.
const BEGIN: Duration = Duration::from_secs(60);
const RECORDERS: [&str; 3] = ["keepsight", "ffmpeg", "floor"];

pub struct Plan<'a> {
    pub keepsight: &'a Path,
    pub floor: &'a Path,
    pub seconds: u64,
    pub rounds: u64,
    pub cameras: Vec<u64>,
}

impl Plan<'_> {
    pub async fn run(&self) -> Vec<Value> {
        let mut figures = vec![tables::machine()];
        let most = self.cameras.iter().copied().max().unwrap_or(1);
        let logs = tempfile::tempdir().expect("a temporary folder");
        println!("== {most} simulated cameras (the first time each has to be encoded)");
        let (simulator, addresses) = self.simulator(most, logs.path());
        for round in 1..=self.rounds {
            for cameras in &self.cameras {
                println!("== {cameras} cameras, round {round} of {}, {} s", self.rounds, self.seconds);
                let lines = self.measure(&addresses[..*cameras as usize], &simulator, round).await;
                lines.iter().for_each(|line| println!("   {line}"));
                figures.extend(lines);
            }
        }
        figures
    }

    /// Returns when all can be played.
    fn simulator(&self, cameras: u64, logs: &Path) -> (Process, Vec<String>) {
        let port = testkit::free_port().to_string();
        let mut command = Command::new(self.keepsight);
        command.args(["camera-sim", "--json", "--port", &port, "--cameras", &cameras.to_string()]);
        let mut process = Process::start(command.stdout(Stdio::piped()), &logs.join("simulator.log"));
        let mut line = String::new();
        let said = process.0.stdout.take().map(BufReader::new).expect("its standard output").read_line(&mut line);
        let list: Vec<Value> = said.ok().and_then(|_| serde_json::from_str(&line).ok()).expect("its addresses");
        (process, list.iter().map(|a| a["main"].as_str().expect("an address").to_owned()).collect())
    }

    async fn measure(&self, addresses: &[String], simulator: &Process, round: u64) -> Vec<Value> {
        let home = Home::new();
        let scratch = |name: &str| {
            std::fs::create_dir_all(home.scratch(name)).expect("a folder");
            home.scratch(name)
        };
        let log = home.scratch("recorders.log");

        let hub = HubProcess::start(self.keepsight, &home).await;
        let (owner, _) = claim(self.keepsight, &home).await;
        let mut ids = Vec::new();
        for (n, address) in addresses.iter().enumerate() {
            ids.push(owner.add_camera(&format!("Camera {n}"), address).await);
        }
        let ffmpegs: Vec<_> = addresses
            .iter()
            .enumerate()
            .map(|(n, address)| ffmpeg(address, &scratch(&format!("ffmpeg{n}")), &log))
            .collect();
        let mut command = Command::new(self.floor);
        command.arg(scratch("floor")).args(addresses);
        let mut floor = Process::start(command.stdout(Stdio::piped()), &log);
        let mut said = String::new();
        let out = floor.0.stdout.take().map(BufReader::new).expect("its standard output").read_line(&mut said);
        assert!(out.is_ok() && said.trim() == "playing", "the floor does not play: {said}");
        owner.wait_recording(&ids, BEGIN).await;
        SystemClock.sleep(WARM_UP).await;

        let pids = [vec![hub.pid()], ffmpegs.iter().map(Process::pid).collect(), vec![floor.pid()]];
        let all = || pids.each_ref().map(|pids| used(pids));
        let (began, before, before_simulator) = (SystemClock.mono(), all(), used(&[simulator.pid()]));
        SystemClock.sleep(Duration::from_secs(self.seconds)).await;
        let (after, took) = (all(), SystemClock.mono().since(began));
        let simulated = used(&[simulator.pid()]) - before_simulator;
        let cameras = addresses.len() as f64;
        let camera_minutes = cameras * took.as_secs_f64() / 60.0;
        let floor_written = (after[2] - before[2]).written;
        let mut lines = Vec::new();
        for (i, name) in RECORDERS.iter().enumerate() {
            let used = after[i] - before[i];
            let holds = occupied(&pids[i]);
            let split = (used.user_ticks + used.system_ticks).max(1) as f64;
            lines.push(json!({
                "what": "record", "recorder": name, "cameras": addresses.len(), "round": round,
                "seconds": round_to(took.as_secs_f64(), 1),
                "cpu_s_per_camera_minute": round_to(used.cpu_ns as f64 / 1e9 / camera_minutes, 4),
                "of_it_system": round_to(used.system_ticks as f64 / split, 2),
                "memory_mb": round_to(holds.memory as f64 / 1e6, 1),
                "memory_mb_per_camera": round_to(holds.memory as f64 / 1e6 / cameras, 2),
                "threads": holds.threads,
                "written_mb_per_camera_minute": round_to(used.written as f64 / 1e6 / camera_minutes, 2),
                "written_to_floor": round_to(used.written as f64 / floor_written.max(1) as f64, 3),
                "reads_per_camera_second": per_second(used.reads, camera_minutes),
                "writes_per_camera_second": per_second(used.writes, camera_minutes),
                "sleeps_per_camera_second": per_second(used.sleeps, camera_minutes),
            }));
        }
        for id in &ids {
            assert_eq!(owner.camera(id).await["recording"], true, "a camera was not recorded at the end");
        }
        assert!(lines[0]["written_to_floor"].as_f64() > Some(0.9), "the hub wrote less than came");
        lines.push(json!({
            "what": "simulator", "cameras": addresses.len(), "round": round,
            "cores": round_to(simulated.cpu_ns as f64 / 1e9 / took.as_secs_f64(), 3),
            "lost_segments": lost(&owner, &ids).await,
        }));
        drop(ffmpegs);
        hub.stop().await;
        lines
    }
}

/// As people record with it: without opening what is coded, a file a minute.
fn ffmpeg(address: &str, dir: &Path, log: &Path) -> Process {
    let mut command = Command::new("ffmpeg");
    command.args(["-nostdin", "-hide_banner", "-loglevel", "error", "-rtsp_transport", "tcp", "-i", address]);
    command.args(["-c", "copy", "-f", "segment", "-segment_time", "60", "-segment_format", "mp4"]);
    command.args(["-reset_timestamps", "1"]).arg(dir.join("%03d.mp4"));
    Process::start(&mut command, log)
}

/// Holes in the hub's timelines while it was measured: there must be none.
async fn lost(owner: &testkit::client::Client, ids: &[String]) -> usize {
    let mut holes = 0;
    for id in ids {
        let segments = owner.segments(id).await;
        holes +=
            segments.windows(2).filter(|pair| (pair[1].0.duration_since(pair[0].1)).as_millis().abs() > 100).count();
    }
    holes
}

fn per_second(count: u64, camera_minutes: f64) -> f64 {
    round_to(count as f64 / camera_minutes / 60.0, 1)
}

fn round_to(value: f64, digits: i32) -> f64 {
    let factor = 10f64.powi(digits);
    (value * factor).round() / factor
}

/// Markdown of all figures: rounds are averaged, their least and most stand beside.
pub fn tables(figures: &[Value]) -> String {
    let mut counts: Vec<u64> =
        figures.iter().filter(|f| f["what"] == "record").filter_map(|f| f["cameras"].as_u64()).collect();
    counts.sort_unstable();
    counts.dedup();
    let of = |name: &str, cameras: u64, what: &str| -> Vec<f64> {
        let is = |f: &&Value| f["recorder"] == name && f["cameras"] == cameras;
        figures.iter().filter(is).filter_map(|f| f[what].as_f64()).collect()
    };
    let mean = |values: &[f64]| values.iter().sum::<f64>() / values.len().max(1) as f64;
    let cost = |name: &str, cameras: u64| mean(&of(name, cameras, "cpu_s_per_camera_minute"));
    let mut out = format!("\n{}\n", tables::machine_says(&figures[0]));
    out += "CPU-seconds per camera-minute, the mean of the rounds (least–most):\n\n";
    out += "| cameras | keepsight, sealed and synced | ffmpeg per camera | floor | to ffmpeg | to the floor | simulator, cores |\n";
    out += "|---|---|---|---|---|---|---|\n";
    for n in counts.iter().copied() {
        let cell = |name: &str| {
            let values = of(name, n, "cpu_s_per_camera_minute");
            let (least, most) = values.iter().fold((f64::MAX, 0.0), |(a, b): (f64, f64), v| (a.min(*v), b.max(*v)));
            format!("{:.3} ({least:.3}–{most:.3})", mean(&values))
        };
        let [ours, ffmpeg, floor] = RECORDERS.map(|name| cost(name, n));
        let simulator: Vec<f64> = figures
            .iter()
            .filter(|f| f["what"] == "simulator" && f["cameras"] == n)
            .filter_map(|f| f["cores"].as_f64())
            .collect();
        let cells = RECORDERS.map(cell).join(" | ");
        out += &format!("| {n} | {cells} | {:.2} | {:.2} | {:.2} |\n", ours / ffmpeg, ours / floor, mean(&simulator));
    }
    out += "\nWhat else they take, the mean of the rounds:\n\n";
    out += "| cameras | | memory MB | MB per camera | threads | MB written per camera-minute | reads | writes | sleeps | of the CPU, kernel |\n";
    out += "|---|---|---|---|---|---|---|---|---|---|\n";
    for n in counts.iter().copied() {
        for name in RECORDERS {
            let value = |what: &str, digits: usize| format!("{:.digits$}", mean(&of(name, n, what)));
            out += &format!(
                "| {n} | {name} | {} | {} | {} | {} | {} | {} | {} | {} |\n",
                value("memory_mb", 0),
                value("memory_mb_per_camera", 2),
                value("threads", 0),
                value("written_mb_per_camera_minute", 1),
                value("reads_per_camera_second", 1),
                value("writes_per_camera_second", 1),
                value("sleeps_per_camera_second", 1),
                value("of_it_system", 2),
            );
        }
    }
    out +=
        "\nReads, writes and sleeps are per camera and second; memory is RSS, of the ffmpegs the sum of their PSS.\n";
    if let (Some(least), Some(most)) = (counts.first().copied(), counts.last().copied()) {
        let ratio = |a: f64, b: f64| a / b;
        let goal = |ok: bool| if ok { "met" } else { "missed" };
        let memory = |n: u64| mean(&of("keepsight", n, "memory_mb"));
        let at = |n: u64| if counts.contains(&n) { n } else { most };
        let to_ffmpeg = ratio(cost("keepsight", at(32)), cost("ffmpeg", at(32)));
        let to_floor = ratio(cost("keepsight", at(32)), cost("floor", at(32)));
        let scale = ratio(cost("keepsight", most), cost("keepsight", least));
        let per_camera = memory(most) / most as f64;
        out += "\n| goal | measured | |\n|---|---|---|\n";
        out += &format!("| ≤ 0.4 × ffmpeg at {} | {to_ffmpeg:.2} | {} |\n", at(32), goal(to_ffmpeg <= 0.4));
        out += &format!("| ≤ 2.2 × the floor at {} | {to_floor:.2} | {} |\n", at(32), goal(to_floor <= 2.2));
        out +=
            &format!("| cost per camera at {most} ≤ 0.7 × that at {least} | {scale:.2} | {} |\n", goal(scale <= 0.7));
        out +=
            &format!("| ≤ 1.5 MB of memory per camera at {most} | {per_camera:.2} | {} |\n", goal(per_camera <= 1.5));
        if most > least {
            let more = (memory(most) - memory(least)) / (most - least) as f64;
            out += &format!("| each further camera takes | {more:.2} MB | |\n");
        }
    }
    out
}
