//! Real input that nobody here made: the film of pedestrians that OpenCV's documentation ships (Debian's `opencv-doc`),
//! served by GStreamer's own RTSP server.

use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

/// Where Debian's `opencv-doc` has it: 795 pictures of 768×576 at 10 per second.
const VTEST: &str = "/usr/share/doc/opencv-doc/examples/data/vtest.avi";

/// A film with a tone, as MP4.
#[derive(Debug)]
pub struct Film {
    /// The encoded file.
    pub file: PathBuf,
}

impl Film {
    /// Encodes the film to H.264 without B-frames and a tone to AAC, looped to at least `seconds`.
    ///
    /// # Panics
    /// If the film or ffmpeg are missing.
    pub fn encode(folder: &Path, seconds: u32) -> Film {
        assert!(Path::new(VTEST).exists(), "{VTEST} is missing: scripts/setup installs opencv-doc");
        let file = folder.join("film.mp4");
        let seconds = seconds.to_string();
        let out = Command::new("ffmpeg")
            .args(["-v", "error", "-stream_loop", "-1", "-i", VTEST])
            .args(["-f", "lavfi", "-i", "sine=frequency=440:sample_rate=16000", "-t", &seconds])
            .args(["-c:v", "libx264", "-preset", "veryfast", "-pix_fmt", "yuv420p", "-g", "20", "-bf", "0"])
            .args(["-c:a", "aac", "-b:a", "48k"])
            .arg(&file)
            .output()
            .expect("ffmpeg runs: scripts/setup installs it");
        assert!(out.status.success(), "ffmpeg: {}", String::from_utf8_lossy(&out.stderr));
        Film { file }
    }
}

/// A running film server; it ends when this is dropped.
#[derive(Debug)]
pub struct FilmServer {
    process: Child,
    /// Where the film plays.
    pub url: String,
}

impl FilmServer {
    /// Serves a film; returns when it listens.
    ///
    /// # Panics
    /// If the server does not start.
    pub fn start(film: &Film) -> FilmServer {
        let port = crate::free_port();
        let script = concat!(env!("CARGO_MANIFEST_DIR"), "/film_server.py");
        // Debian's own Python: the bindings are packages of the system.
        let mut process = Command::new("/usr/bin/python3")
            .arg(script)
            .arg(&film.file)
            .arg(port.to_string())
            .stdout(Stdio::piped())
            .spawn()
            .expect("Debian's python3 runs");
        let mut line = String::new();
        let stdout = process.stdout.take().expect("stdout is piped");
        BufReader::new(stdout).read_line(&mut line).expect("the film server's output is text");
        assert_eq!(line, "ready\n", "the film server starts: scripts/setup installs gir1.2-gst-rtsp-server-1.0");
        FilmServer { process, url: format!("rtsp://127.0.0.1:{port}/film") }
    }
}

impl Drop for FilmServer {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}
