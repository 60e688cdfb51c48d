//! Wi-Fi that an owner sets in the app. The hub may not touch the radio: it asks by a file in its folder in memory, in the words of
//! `first-boot.toml`; `keepsight wifi`, run by the system as root, joins the network, keeps it if that went well, and says in a file
//! of its own how it went. Described in `docs/first-boot.md`.

use std::fs::File;
use std::path::{Path, PathBuf};

use base::fs::FsError;
use base::{Problem, ProblemKind};
use nix::fcntl::Flock;
use serde::{Deserialize, Serialize};
use zeroize::Zeroizing;

use crate::first_boot::{BadValue, Country, Ssid, Wifi, WifiPassword};
use crate::turn;

/// The hub's file, in its folder in memory: a `first-boot.toml` with nothing but Wi-Fi in it.
pub const WIFI_REQUEST: &str = "wifi.toml";
/// The system's, below the machine's root; beside it a lock that is held as long as a network is being joined.
const SAID: &str = "run/keepsight-system/wifi.json";
const LOCK: &str = "run/keepsight-system/wifi.lock";
/// What a network of the hub's own says on the screen while it is open: a folder for each radio (`/usr/lib/keepsight/wifi`).
const OWN: &str = "run/keepsight-wifi";
/// Network devices, as the kernel tells of them.
const DEVICES: &str = "sys/class/net";
const MAX_BYTES: u64 = 4_096;

/// How it goes with a network that is to be joined.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum WifiStage {
    /// The hub has asked.
    Asked,
    /// It is tried.
    Joining,
    /// It was joined, and is kept. Without a network: the one before is left and forgotten.
    Joined,
    /// It was not: what was set before holds.
    Failed,
}

/// A network that was to be joined, or (`None`) left.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct WifiChange {
    /// Its name.
    pub network: Option<String>,
    /// How it went.
    pub stage: WifiStage,
}

/// What the system says of Wi-Fi.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Said {
    /// The network that holds.
    pub network: Option<String>,
    /// The last change since the machine started.
    pub change: Option<WifiChange>,
}

impl Said {
    /// Below a machine's root; nothing was said: nothing is set.
    pub fn read(root: &Path) -> Self {
        let bytes = base::fs::read(&root.join(SAID), MAX_BYTES).unwrap_or_default();
        let mut said: Self = serde_json::from_slice(&bytes).unwrap_or_default();
        let joining = said.change.as_mut().filter(|change| change.stage == WifiStage::Joining);
        if let Some(change) = joining.filter(|_| !turn::is_taken(&root.join(LOCK))) {
            // It ended without a word: killed, or nothing could be written.
            change.stage = WifiStage::Failed;
        }
        said
    }

    /// Held by whoever joins a network, so that the hub knows when one ended without a word. Waits for another one.
    pub fn begin(root: &Path) -> Result<Flock<File>, FsError> {
        turn::wait(&root.join(LOCK))
    }

    /// Where it is said, and how.
    pub fn file(&self) -> (&'static str, Vec<u8>) {
        let name = SAID.rsplit('/').next().unwrap_or(SAID);
        (name, serde_json::to_vec(self).expect("texts are JSON"))
    }
}

/// How it is with Wi-Fi.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct WifiStatus {
    /// The machine has a radio.
    pub radio: bool,
    /// The network that was set and holds.
    pub network: Option<String>,
    /// A network is joined.
    pub connected: bool,
    /// It is a network of its own, because none leads to it.
    pub own: bool,
    /// The last change since the machine started.
    pub change: Option<WifiChange>,
}

/// The names of the machine's radios, and whether each has been let into a network or is one.
pub fn radios(root: &Path) -> Vec<(String, bool)> {
    let folder = root.join(DEVICES);
    let mut radios: Vec<_> = std::fs::read_dir(&folder)
        .into_iter()
        .flatten()
        .flatten()
        .filter(|entry| entry.path().join("phy80211").exists())
        .filter_map(|entry| {
            // Dormant until the keys are agreed on (RFC 2863; wpa_supplicant sees to it): who has a carrier may have a wrong password.
            let state = std::fs::read_to_string(entry.path().join("operstate")).unwrap_or_default();
            Some((entry.file_name().into_string().ok()?, state.trim() == "up"))
        })
        .collect();
    radios.sort();
    radios
}

/// Wi-Fi, as the hub sees it and asks for it.
#[derive(Debug, Clone)]
pub struct HubWifi {
    root: PathBuf,
    request: Option<PathBuf>,
}

impl HubWifi {
    /// Of the machine whose files begin at `root`; `request`: where somebody looks for requests.
    pub fn new(root: impl Into<PathBuf>, request: Option<PathBuf>) -> Self {
        Self { root: root.into(), request }
    }

    /// Somebody looks for requests.
    pub fn can_be_set(&self) -> bool {
        self.request.is_some()
    }

    /// How it is. Blocks.
    pub fn status(&self) -> WifiStatus {
        let Said { network, mut change } = Said::read(&self.root);
        if let Some(path) = &self.request
            && let Ok(text) = base::fs::read(path, MAX_BYTES).map(Zeroizing::new)
        {
            let asked = std::str::from_utf8(&text).ok().and_then(|text| crate::first_boot::FirstBoot::parse(text).ok());
            let network = asked.and_then(|asked| asked.wifi.into_option()).map(|wifi| wifi.ssid.as_str().to_owned());
            change = Some(WifiChange { network, stage: WifiStage::Asked });
        }
        let radios = radios(&self.root);
        let connected = network.is_some() && radios.iter().any(|(_, joined)| *joined);
        let own = radios.iter().any(|(radio, _)| self.root.join(OWN).join(radio).join("screen.txt").exists());
        WifiStatus { radio: !radios.is_empty(), network, connected, own, change }
    }

    /// Asks for a network to be joined; `None`: none is to be any more. Blocks: a small file.
    ///
    /// # Errors
    /// Nobody sets it here; there is no radio; one is being joined.
    pub fn ask(&self, wifi: Option<&Wifi>) -> Result<(), Problem> {
        let path = self.request.as_deref().ok_or(ProblemKind::WifiNotOurs)?;
        let status = self.status();
        if !status.radio {
            return Err(ProblemKind::NoRadio.into());
        }
        if status.change.is_some_and(|change| matches!(change.stage, WifiStage::Asked | WifiStage::Joining)) {
            return Err(ProblemKind::WifiBusy.into());
        }
        let text = wifi.map_or_else(|| Zeroizing::new("wifi = false\n".to_owned()), in_toml);
        base::fs::write_atomic(path, text.as_bytes(), 0o600)
            .map_err(|e: FsError| Problem::with(ProblemKind::FileError, format_args!("{e}: {}", e.source)))
    }
}

/// A network as a person names it, or what is wrong with it: which of the words, and why.
///
/// # Errors
/// A word cannot be used; none is repeated.
pub fn wifi_of(ssid: &str, password: &str, country: &str, hidden: bool) -> Result<Wifi, String> {
    let why = |name: &'static str| move |why: BadValue| format!("The network's {name} {why}");
    Ok(Wifi {
        ssid: Ssid::new(ssid).map_err(why("name"))?,
        password: WifiPassword::new(password).map_err(why("password"))?,
        country: Country::new(country).map_err(why("country"))?,
        hidden,
    })
}

/// The words are written in place, so that no copy of the password is left behind in memory.
fn in_toml(wifi: &Wifi) -> Zeroizing<String> {
    let mut text = Zeroizing::new(String::with_capacity(MAX_BYTES as usize));
    text.push_str("[wifi]\n");
    for (key, word) in
        [("ssid", wifi.ssid.as_str()), ("password", wifi.password.as_str()), ("country", wifi.country.as_str())]
    {
        text.push_str(key);
        text.push_str(" = \"");
        for c in word.chars() {
            // TOML 1.0, basic strings: quotes and backslashes are escaped; names and passwords have no control characters.
            if matches!(c, '"' | '\\') {
                text.push('\\');
            }
            text.push(c);
        }
        text.push_str("\"\n");
    }
    text.push_str(if wifi.hidden { "hidden = true\n" } else { "" });
    text
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::first_boot::{Change, FirstBoot};

    fn machine() -> (tempfile::TempDir, HubWifi) {
        let dir = tempfile::tempdir().unwrap();
        let wifi = HubWifi::new(dir.path(), Some(dir.path().join(WIFI_REQUEST)));
        (dir, wifi)
    }

    #[test]
    fn a_network_is_asked_for_where_somebody_looks_and_there_is_a_radio() {
        let home = wifi_of("Home", "correct horse", "DE", false).unwrap();
        let (dir, wifi) = machine();
        let kind = |asked: Result<(), Problem>| asked.unwrap_err().kind;
        assert_eq!(kind(HubWifi::new(dir.path(), None).ask(Some(&home))), ProblemKind::WifiNotOurs);
        assert_eq!(kind(wifi.ask(Some(&home))), ProblemKind::NoRadio);
        std::fs::create_dir_all(dir.path().join("sys/class/net/wlan0/phy80211")).unwrap();
        std::fs::create_dir_all(dir.path().join("sys/class/net/eth0")).unwrap();
        assert_eq!(radios(dir.path()), [("wlan0".to_owned(), false)]);
        std::fs::write(dir.path().join("sys/class/net/wlan0/operstate"), "dormant\n").unwrap();
        assert_eq!(radios(dir.path()), [("wlan0".to_owned(), false)], "the password is not known to be right yet");
        assert!(!wifi.status().own);
        std::fs::write(dir.path().join("sys/class/net/wlan0/operstate"), "up\n").unwrap();
        assert!(!wifi.status().own, "a radio that is not the hub's may be anywhere");
        std::fs::create_dir_all(dir.path().join("run/keepsight-wifi/wlan0")).unwrap();
        std::fs::write(dir.path().join("run/keepsight-wifi/wlan0/screen.txt"), "Wi-Fi: Keepsight-1a2b").unwrap();
        assert!(wifi.status().own);
        wifi.ask(Some(&home)).unwrap();
        let change = wifi.status().change.unwrap();
        assert_eq!((change.network.as_deref(), change.stage), (Some("Home"), WifiStage::Asked));
        assert_eq!(kind(wifi.ask(None)), ProblemKind::WifiBusy);
    }

    #[test]
    fn who_ends_without_a_word_has_failed() {
        let (dir, wifi) = machine();
        std::fs::create_dir_all(dir.path().join("sys/class/net/wlan0/phy80211")).unwrap();
        let stage = || wifi.status().change.unwrap().stage;
        let lock = Said::begin(dir.path()).unwrap();
        let joining = WifiChange { network: Some("Home".into()), stage: WifiStage::Joining };
        std::fs::write(dir.path().join(SAID), Said { network: None, change: Some(joining) }.file().1).unwrap();
        assert_eq!(stage(), WifiStage::Joining);
        assert_eq!(wifi.ask(None).unwrap_err().kind, ProblemKind::WifiBusy);
        drop(lock);
        assert_eq!(stage(), WifiStage::Failed);
        wifi.ask(None).unwrap();
    }

    #[test]
    fn what_is_wrong_is_said_without_the_word() {
        assert_eq!(
            wifi_of("Home", "geheim", "DE", false).unwrap_err(),
            "The network's password has 6 characters; a Wi-Fi password has 8 to 63 (or is a key of 64 hexadecimal digits)"
        );
        assert!(wifi_of("", "correct horse", "DE", false).unwrap_err().starts_with("The network's name "));
        assert!(wifi_of("Home", "correct horse", "UK", false).unwrap_err().starts_with("The network's country "));
    }

    proptest! {
        #[test]
        fn what_is_asked_for_is_what_is_read(ssid in "[^\\pC]{1,8}", password in "[ -~]{8,63}", hidden: bool) {
            let wifi = wifi_of(&ssid, &password, "DE", hidden).unwrap();
            prop_assert_eq!(FirstBoot::parse(&in_toml(&wifi)).unwrap().wifi, Change::To(wifi));
        }
    }
}
