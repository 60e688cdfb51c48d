//! Where figures go: a line of JSON each, and tables in a document.

use std::path::Path;
use std::process::Command;

use base::{Clock, SystemClock};
use serde_json::{Value, json};

/// What stands between them is written anew each time.
const MARKS: [&str; 2] = ["<!-- figures: written by scripts/bench -->", "<!-- end of figures -->"];

/// Writes `RESULTS.jsonl`, and the tables into `RESULTS.md`; where that has no marks, they are put at its end.
pub fn keep(results: &Path, figures: &[Value], tables: &str) {
    lines(results, figures);
    let document = results.with_extension("md");
    let old = std::fs::read_to_string(&document).unwrap_or_default();
    let (head, rest) = old.split_once(MARKS[0]).unwrap_or((&old, ""));
    let tail = rest.split_once(MARKS[1]).map_or("\n", |(_, tail)| tail);
    let new = format!("{head}{}\n{tables}{}{tail}", MARKS[0], MARKS[1]);
    std::fs::write(&document, new).expect("the results can be written");
}

/// Writes `RESULTS.jsonl` alone.
pub fn lines(results: &Path, figures: &[Value]) {
    let lines: String = figures.iter().map(|line| format!("{line}\n")).collect();
    std::fs::write(results.with_extension("jsonl"), lines).expect("the results can be written");
}

/// The machine, and when.
pub fn machine() -> Value {
    let file = |path: &str| std::fs::read_to_string(path).unwrap_or_default();
    let cpu = file("/proc/cpuinfo");
    let cpu = cpu.lines().find_map(|l| l.strip_prefix("model name")?.split_once(':')).map_or("?", |(_, name)| name);
    let ffmpeg = Command::new("ffmpeg").arg("-version").output().map(|out| out.stdout).unwrap_or_default();
    json!({
        "what": "machine",
        "date": SystemClock.wall().strftime("%Y-%m-%d %H:%M UTC").to_string(),
        "cpu": cpu.trim(),
        "cores": std::thread::available_parallelism().map_or(0, usize::from),
        "linux": file("/proc/sys/kernel/osrelease").trim(),
        "load": file("/proc/loadavg").split(' ').next(),
        "ffmpeg": String::from_utf8_lossy(&ffmpeg).split_whitespace().nth(2),
    })
}

/// The same in a sentence.
pub fn machine_says(machine: &Value) -> String {
    let text = |name: &str| machine[name].as_str().map_or_else(|| machine[name].to_string(), str::to_owned);
    let (date, cores, cpu) = (text("date"), text("cores"), text("cpu"));
    format!("{date}, {cores} cores of an {cpu}, Linux {}, load {} at the start.\n", text("linux"), text("load"))
}
