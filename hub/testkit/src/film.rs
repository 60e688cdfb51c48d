//! Real input that nobody here made: the film of pedestrians that OpenCV's documentation ships (Debian's `opencv-doc`).

use std::path::{Path, PathBuf};
use std::process::Command;

/// Where Debian's `opencv-doc` has it: 795 pictures of 768×576 at 10 per second.
const VTEST: &str = "/usr/share/doc/opencv-doc/examples/data/vtest.avi";

/// How a film is coded.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Coding {
    /// H.264 without B-pictures, as most cameras.
    H264,
    /// H.264 as x264 makes it: B-pictures in a pyramid.
    H264B,
    /// H.265 as x265 makes it: B-pictures in a pyramid, open GOPs.
    H265,
}

/// A film with a tone, as MP4.
#[derive(Debug)]
pub struct Film {
    /// The encoded file.
    pub file: PathBuf,
    /// How.
    pub coding: Coding,
}

impl Film {
    /// Encodes the film, and a tone to AAC, looped to at least `seconds`.
    ///
    /// # Panics
    /// If the film or ffmpeg are missing.
    pub fn encode(folder: &Path, seconds: u32, coding: Coding) -> Film {
        assert!(Path::new(VTEST).exists(), "{VTEST} is missing: scripts/setup installs opencv-doc");
        let file = folder.join(format!("{coding:?}.mp4"));
        let seconds = seconds.to_string();
        let video: &[&str] = match coding {
            Coding::H264 => &["-c:v", "libx264", "-preset", "veryfast", "-g", "20", "-bf", "0"],
            Coding::H264B => &["-c:v", "libx264", "-preset", "veryfast", "-g", "20", "-bf", "3", "-b_strategy", "0"],
            Coding::H265 => &[
                "-c:v",
                "libx265",
                "-preset",
                "ultrafast",
                "-tag:v",
                "hvc1",
                "-x265-params",
                "log-level=error:keyint=20:min-keyint=20:scenecut=0:bframes=4:b-adapt=0",
            ],
        };
        let out = Command::new("ffmpeg")
            .args(["-v", "error", "-stream_loop", "-1", "-i", VTEST])
            .args(["-f", "lavfi", "-i", "sine=frequency=440:sample_rate=16000", "-t", &seconds, "-pix_fmt", "yuv420p"])
            .args(video)
            .args(["-c:a", "aac", "-b:a", "48k"])
            .arg(&file)
            .output()
            .expect("ffmpeg runs: scripts/setup installs it");
        assert!(out.status.success(), "ffmpeg: {}", String::from_utf8_lossy(&out.stderr));
        Film { file, coding }
    }
}
