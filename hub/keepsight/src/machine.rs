//! What the hub asks of the machine that it may not do itself: each by a file in its own folder in memory, into which systemd's
//! path units look (`keepsight-restart.path`, `keepsight-footage-disk.path`, `keepsight-time.path`, `keepsight-wifi-change.path`).
//! And what others want to know of it: `claimed`, by which the radio of a hub that nobody owns becomes a network of its own.

use std::path::{Path, PathBuf};

use base::Problem;
use store::Store;
use system::footage_disk::{FootageDisks, REQUEST};
use system::{HubWifi, INTERNET_TIME, Image, InternetTime, TIME_SETTINGS, TimeSettings, WIFI_REQUEST};
use tokio::sync::watch;

use crate::config::Config;

/// Asks for a restart of the machine.
pub(crate) const RESTART: &str = "restart";
/// Says `yes` or `no`.
const CLAIMED: &str = "claimed";

/// Where a file is looked for. systemd makes the folder; without it nobody looks.
pub(crate) fn asked_in(name: &str) -> Option<PathBuf> {
    std::env::var_os("RUNTIME_DIRECTORY").map(|folder| Path::new(&folder).join(name))
}

/// Has an image start anew. Where the hub runs on something else, nothing of it is set at the start of the machine.
pub(crate) fn ask_for_restart(config: &Config) {
    if !is_image(config) {
        return;
    }
    let Some(path) = asked_in(RESTART) else { return };
    if let Err(e) = base::fs::write_atomic(&path, b"", 0o600) {
        tracing::error!(error = &e as &dyn std::error::Error, "the machine cannot be asked to start anew");
    }
}

/// The disks of this machine; only an image makes one of them the footage disk.
pub(crate) fn disks(config: &Config) -> FootageDisks {
    FootageDisks::new("/", config.paths.data(), asked_in(REQUEST).filter(|_| is_image(config)))
}

/// Whether time servers are asked, as an owner decided. Said again at each start, since it is said in memory.
pub(crate) async fn internet_time(config: &Config, store: &Store) -> InternetTime {
    let time = InternetTime::new(asked_in(INTERNET_TIME).filter(|_| is_image(config)));
    // Recording does without, whatever cannot be read or written here: a later version's settings after it went back, too.
    let wanted = store.read(|db| db.setting::<TimeSettings>(TIME_SETTINGS)).await.unwrap_or_else(|e| {
        tracing::error!(problem = %Problem::from(e), "it is not known whether time servers are wanted: none is asked");
        None
    });
    if let Err(e) = time.say(wanted.unwrap_or_default()) {
        tracing::error!(error = &e as &dyn std::error::Error, "it cannot be said whether time servers are to be asked");
    }
    time
}

/// Wi-Fi of this machine; only an image lets its hub choose.
pub(crate) fn wifi(config: &Config) -> HubWifi {
    HubWifi::new("/", asked_in(WIFI_REQUEST).filter(|_| is_image(config)))
}

/// Says whether the hub has an owner, now and whenever that changes. No secret: everybody in the network can ask it that.
pub(crate) async fn say_whether_claimed(mut claimed: watch::Receiver<bool>) {
    let Some(path) = asked_in(CLAIMED) else { return };
    loop {
        let word: &[u8] = if *claimed.borrow_and_update() { b"yes\n" } else { b"no\n" };
        let file = path.clone();
        let said = tokio::task::spawn_blocking(move || {
            base::fs::write_atomic(&file, word, 0o644)?;
            // Whatever the umask says: the radio's service is not this user.
            let mode = std::os::unix::fs::PermissionsExt::from_mode(0o644);
            std::fs::set_permissions(&file, mode).map_err(base::fs::FsError::on("change", &file))
        });
        if let Ok(Err(e)) = said.await {
            tracing::error!(error = &e as &dyn std::error::Error, "it cannot be said whether the hub has an owner");
        }
        if claimed.changed().await.is_err() {
            return; // the hub stops
        }
    }
}

fn is_image(config: &Config) -> bool {
    matches!(Image::read(config.update.image()), Ok(Some(_)))
}
