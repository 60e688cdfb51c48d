//! A machine with cameras of its own, where there are none: hubs find elements of GStreamer for tests in place of those that open
//! devices (`hub/media/examples/lenses.rs`).

use std::path::{Path, PathBuf};
use std::process::Command;

/// Plugins of the system that such a hub has: those that it uses, without the ones that open devices.
const PLUGINS: [&str; 14] = [
    "coreelements",
    "app",
    "videoparsersbad",
    "videoconvertscale",
    "videorate",
    "videotestsrc",
    "jpeg",
    "x264",
    "openh264",
    "libav",
    "rtp",
    "rtsp",
    "rtpmanager",
    "udp",
];

/// The hub's binary, on a machine with such cameras, and with an encoder in hardware that does as it is called; an empty name:
/// without one.
///
/// # Panics
/// If the plugin was not built, or there is no room for its folder.
pub fn command(binary: &Path, folder: &Path, encoder: &str) -> Command {
    let [own, system] = ["made-up", "system"].map(|name| folder.join(name));
    for folder in [&own, &system] {
        std::fs::create_dir_all(folder).expect("room for a folder");
    }
    let link = |file: PathBuf, folder: &Path| {
        let to = folder.join(file.file_name().expect("a file"));
        if file.exists() && !to.exists() {
            std::os::unix::fs::symlink(&file, to).expect("room for a link");
        }
    };
    let built = binary.with_file_name("examples").join("liblenses.so");
    assert!(built.exists(), "{} is built with the tests", built.display());
    link(built, &own);
    let out = Command::new("pkg-config").args(["--variable=pluginsdir", "gstreamer-1.0"]).output();
    let out = out.expect("pkg-config runs: scripts/setup installs it").stdout;
    let plugins = PathBuf::from(String::from_utf8(out).expect("a path").trim());
    for name in PLUGINS {
        link(plugins.join(format!("libgst{name}.so")), &system);
    }
    let mut command = Command::new(binary);
    command
        .env("GST_PLUGIN_PATH_1_0", own)
        .env("GST_PLUGIN_SYSTEM_PATH_1_0", system)
        .env("GST_REGISTRY_1_0", folder.join("registry.bin"));
    if !encoder.is_empty() {
        command.env("KEEPSIGHT_MADE_UP_ENCODER", encoder);
    }
    command
}
