//! `first-boot.toml`: lies where every computer can write it.

use system::first_boot::{Change, FirstBoot};

pub fn read(bytes: &[u8]) {
    let text = String::from_utf8_lossy(bytes);
    match FirstBoot::parse(&text) {
        // Each thing that is said has its line.
        Err(wrong) => assert!(!wrong.is_empty() && wrong.iter().all(|one| one.line >= 1), "{wrong:?}"),
        Ok(read) => {
            // Nothing gets into another program's file but one value on one line.
            if let Change::To(wifi) = read.wifi {
                assert!(!wifi.password.as_str().contains(char::is_control));
            }
            if let Change::To(keys) = read.ssh {
                assert!(keys.iter().all(|key| !key.as_str().contains(char::is_control)));
            }
        }
    }
}
