//! Listens to an MP4 as a stranger does: with ffmpeg, which shares no code with the hub.

use std::path::Path;
use std::process::Command;

/// Samples per second that are looked at.
const RATE: usize = 48_000;
/// A quarter of the loudest of a simulated camera's tone, which is 6,000.
const LOUD: u16 = 1_500;
/// Silence before a tone, in samples.
const SILENCE: usize = RATE * 2 / 5;

/// Where tones begin in a file's sound, in seconds on the line on which `pictures::probe` puts the pictures. A tone is what
/// follows 0.4 s of silence.
///
/// # Panics
/// If ffmpeg is missing, or cannot decode the sound without an error.
pub fn tones(file: &Path) -> Vec<f64> {
    let out = Command::new("ffmpeg")
        .args(["-v", "error", "-xerror", "-copyts", "-i"])
        .arg(file)
        // Silence where there is no sound, so that samples count from 0.
        .args(["-map", "0:a", "-af", "aresample=48000:async=1:min_hard_comp=0.001:first_pts=0", "-ac", "1"])
        .args(["-f", "s16le", "-"])
        .output()
        .expect("ffmpeg runs: scripts/setup installs it");
    let errors = String::from_utf8_lossy(&out.stderr);
    assert!(out.status.success() && errors.is_empty(), "ffmpeg on {}: {errors}", file.display());
    let samples = out.stdout.chunks_exact(2).map(|b| i16::from_le_bytes([b[0], b[1]]));
    let mut silent = 0;
    let mut begin = Vec::new();
    for (i, sample) in samples.enumerate() {
        if sample.unsigned_abs() > LOUD {
            if silent >= SILENCE {
                begin.push(i as f64 / RATE as f64);
            }
            silent = 0;
        } else {
            silent += 1;
        }
    }
    begin
}
