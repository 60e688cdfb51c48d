//! `keepsight.toml`: written by a person, or by whatever made the first-boot file.

use std::path::Path;

use keepsight::config::Config;

pub fn read(bytes: &[u8]) {
    let text = String::from_utf8_lossy(bytes);
    if let Err(e) = Config::parse(Path::new("keepsight.toml"), &text) {
        // What is said names the file.
        assert!(e.to_string().contains("keepsight.toml"), "{e}");
    }
}
