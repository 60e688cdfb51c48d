//! Looks into an MP4 as a stranger does: with ffprobe and ffmpeg, which share no code with the hub.

use std::path::Path;
use std::process::{Command, Stdio};

use base::Timestamp;
use camera_sim::mark::{self, Mark};
use serde_json::Value;

use crate::client::Client;

/// One decoded picture.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Picture {
    /// Presentation time in seconds.
    pub time_s: f64,
    /// Whose picture it is, if its mark can be read.
    pub mark: Option<Mark>,
}

/// What ffprobe says of a file.
#[derive(Debug)]
pub struct Probe {
    /// Presentation times of the video packets, in seconds, in presentation order.
    pub video_s: Vec<f64>,
    /// Presentation times of the audio packets, in seconds.
    pub audio_s: Vec<f64>,
    /// Width and height of the pictures.
    pub size: (u32, u32),
    /// Everything it printed to stderr: warnings about the file.
    pub complaints: String,
}

/// Lists the packets of a file.
///
/// # Panics
/// If ffprobe is missing or refuses the file.
pub fn probe(file: &Path) -> Probe {
    let out = Command::new("ffprobe")
        .args(["-v", "warning", "-print_format", "json", "-show_streams", "-show_packets"])
        .arg(file)
        .output()
        .expect("ffprobe runs: scripts/setup installs it");
    let complaints = String::from_utf8_lossy(&out.stderr).into_owned();
    assert!(out.status.success(), "ffprobe refuses {}: {complaints}", file.display());
    let json: Value = serde_json::from_slice(&out.stdout).expect("ffprobe prints JSON");
    let times = |kind: &str| {
        let mut times: Vec<f64> = json["packets"]
            .as_array()
            .into_iter()
            .flatten()
            .filter(|p| p["codec_type"] == kind)
            .filter_map(|p| p["pts_time"].as_str()?.parse().ok())
            .collect();
        times.sort_by(f64::total_cmp);
        times
    };
    let video = json["streams"].as_array().into_iter().flatten().find(|s| s["codec_type"] == "video");
    let size =
        video.map_or((0, 0), |v| (v["width"].as_u64().unwrap_or(0) as u32, v["height"].as_u64().unwrap_or(0) as u32));
    Probe { video_s: times("video"), audio_s: times("audio"), size, complaints }
}

/// Plays what was kept of a simulated camera from `from` on, up to the newest, and looks at every picture: none is missing, none
/// is another camera's, and there is no gap. How many there are.
///
/// # Panics
/// If it is otherwise.
pub async fn none_is_missing(owner: &Client, id: &str, number: u16, from: Timestamp, scratch: &Path) -> usize {
    let timeline = owner.timeline(id).await;
    let ends_later =
        |gap: &&Value| gap["end"].as_str().and_then(|t| t.parse::<Timestamp>().ok()).expect("a time") > from;
    let gaps: Vec<_> = timeline["gaps"].as_array().expect("a list").iter().filter(ends_later).collect();
    assert!(gaps.is_empty(), "camera {number}: nothing was lost, {gaps:?}");
    let last: Timestamp =
        owner.camera(id).await["last_fragment_at"].as_str().and_then(|t| t.parse().ok()).expect("it records");
    let answer = owner.playback(id, from, last).await.expect(200);
    assert_eq!(answer.header("keepsight-next"), "", "camera {number}: one stretch");
    std::fs::write(scratch, &answer.body).expect("room for a film");
    let marks: Vec<_> = decode(scratch).iter().map(|p| p.mark.expect("every picture has its mark")).collect();
    assert!(!marks.is_empty(), "camera {number}: there are pictures");
    for pair in marks.windows(2) {
        assert_eq!(pair[1].camera, number);
        assert_eq!(
            pair[1].frame,
            (pair[0].frame + 1) % crate::LOOP_PICTURES,
            "camera {number}: not one picture is missing"
        );
    }
    marks.len()
}

/// ffmpeg counts time in pictures at the rate that it takes for the film's, and a gap makes that one lower: two pictures would then
/// have the same time, which it complains of. So it is told to count finer.
const TICK: &str = "1/90000";

/// Decodes every picture of a file and reads its mark.
///
/// # Panics
/// If ffmpeg is missing or cannot decode the file without an error.
pub fn decode(file: &Path) -> Vec<Picture> {
    decode_probed(file, &probe(file))
}

/// The same for a file that was probed before.
///
/// # Panics
/// If ffmpeg is missing or cannot decode the file without an error.
pub fn decode_probed(file: &Path, probe: &Probe) -> Vec<Picture> {
    let pictures = decode_from(file, probe);
    assert_eq!(pictures.len(), probe.video_s.len(), "as many pictures as packets");
    pictures
}

/// The same for a file that may begin with the key picture of an open GOP: the pictures right after it that are shown before it
/// lean on what is not in the file, and are left out by every decoder.
///
/// # Panics
/// If ffmpeg is missing or cannot decode the file without an error.
pub fn decode_from(file: &Path, probe: &Probe) -> Vec<Picture> {
    let (w, h) = probe.size;
    let out = Command::new("ffmpeg")
        .args(["-v", "error", "-xerror", "-i"])
        .arg(file)
        .args(["-map", "0:v:0", "-fps_mode", "passthrough", "-enc_time_base", TICK])
        .args(["-f", "rawvideo", "-pix_fmt", "gray", "-"])
        .stdin(Stdio::null())
        .output()
        .expect("ffmpeg runs: scripts/setup installs it");
    let errors = String::from_utf8_lossy(&out.stderr);
    assert!(out.status.success() && errors.is_empty(), "ffmpeg on {}: {errors}", file.display());
    let size = (w * h) as usize;
    assert_eq!(out.stdout.len() % size, 0, "whole pictures");
    let leading = probe.video_s.len().checked_sub(out.stdout.len() / size).expect("no more pictures than packets");
    out.stdout
        .chunks_exact(size)
        .zip(&probe.video_s[leading..])
        .map(|(luma, time_s)| Picture { time_s: *time_s, mark: mark::read(luma, w as usize, w as usize, h as usize) })
        .collect()
}

/// The marks of all pictures that ffmpeg makes of a file, however it is cut or damaged; `None` for one that cannot be read.
/// Pictures are scaled to `size`.
///
/// # Panics
/// If ffmpeg is missing.
pub fn marks_in(file: &Path, size: (usize, usize)) -> Vec<Option<Mark>> {
    let (w, h) = size;
    let out = Command::new("ffmpeg")
        .args(["-v", "quiet", "-i"])
        .arg(file)
        .args(["-map", "0:v:0", "-fps_mode", "passthrough", "-enc_time_base", TICK])
        .args(["-vf", &format!("scale={w}:{h}")])
        .args(["-f", "rawvideo", "-pix_fmt", "gray", "-"])
        .stdin(Stdio::null())
        .output()
        .expect("ffmpeg runs: scripts/setup installs it");
    out.stdout.chunks_exact(w * h).map(|luma| mark::read(luma, w, w, h)).collect()
}
