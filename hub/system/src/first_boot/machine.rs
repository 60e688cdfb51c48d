//! Taking a first-boot file, and doing at each start what was taken.
//!
//! The system itself cannot be written, so that what other programs read is made anew below `/run/keepsight-system` at each start:
//! `wifi.conf` for wpa_supplicant, `authorized_keys` for sshd, `localtime`, to which `/etc/localtime` leads.

use std::fmt::{self, Write as _};
use std::fs::{OpenOptions, Permissions};
use std::io::Write as _;
use std::num::NonZeroU32;
use std::os::unix::fs::{MetadataExt, OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};

use aws_lc_rs::pbkdf2;
use base::fs::{self, FsError};
use base::{Problem, ProblemKind};
use serde::{Deserialize, Serialize};
use zeroize::Zeroizing;

use crate::wifi::{Said, WifiChange, WifiStage};

use super::{Change, Country, FirstBoot, MachineName, SshKey, Ssid, Wifi, WifiPassword, ZoneName};

/// The file, below GRUB's partition; the second name is what an editor makes of it on a computer that hides names' ends.
const FILES: [&str; 2] = ["first-boot.toml", "first-boot.toml.txt"];
/// What was wrong with it, beside it, for who has no screen at the hub.
const ERRORS: &str = "first-boot-errors.txt";
/// Longer files are something else.
const MAX_BYTES: u64 = 64 * 1024;
/// Format number of the file that this program keeps.
const FORMAT: u32 = 1;
/// Which factory reset the system has seen to, in its folder.
const RESET: &str = "factory-reset";
/// What a factory reset leaves in the system's folder: it is the machine's, and nobody's secret.
const STAYS: [&str; 3] = [RESET, "machine-id", "rauc"];
/// IEEE 802.11, J.4.1.
const ROUNDS: NonZeroU32 = NonZeroU32::new(4096).unwrap();

/// A machine, by the root of its files.
#[derive(Debug, Clone)]
pub struct Machine {
    root: PathBuf,
}

/// What was done, in sentences for the screen.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Outcome {
    /// What was done.
    pub done: Vec<String>,
    /// What was not, and why.
    pub wrong: Vec<String>,
}

impl Outcome {
    fn text(&self) -> String {
        self.wrong.iter().chain(&self.done).fold(String::new(), |text, line| text + line + "\n")
    }
}

/// Everything that was ever set and holds.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
struct Settings {
    name: Option<MachineName>,
    time_zone: Option<ZoneName>,
    wifi: Option<Wifi>,
    ssh_keys: Vec<SshKey>,
}

impl Machine {
    /// The machine whose files begin at `root`: "/", but for tests.
    pub fn new(root: impl Into<PathBuf>) -> Self {
        Self { root: root.into() }
    }

    /// Takes the file, if there is a new one, and does what holds. Goes as far as it can: whatever fails is said, and the
    /// rest is done.
    pub fn first_boot(&self) -> Outcome {
        let mut outcome = Outcome::default();
        let forgotten = self.forget_if_reset(&mut outcome);
        let mut settings = match self.kept() {
            // What is to be forgotten holds no more, whether it went or not.
            Ok(settings) => {
                if forgotten {
                    settings
                } else {
                    Settings::default()
                }
            }
            Err(why) => {
                outcome
                    .wrong
                    .push(format!("What was set before cannot be used: {why}. Set it again by a new first-boot.toml."));
                Settings::default()
            }
        };
        match self.file() {
            None => self.say_beside(None),
            Some(file) => match read(&file) {
                Err(wrong) => {
                    let name = file.file_name().unwrap_or_default().to_string_lossy();
                    let lines = wrong.iter().map(|one| format!("{name}, {one}."));
                    outcome.wrong.extend(lines);
                    self.say_beside(Some(&outcome.wrong));
                    outcome.wrong.push("Nothing of the file was taken; what was set before holds.".into());
                }
                Ok(new) => {
                    settings.change(new);
                    self.take(&file, &settings, &mut outcome);
                }
            },
        }
        self.apply(&settings, &mut outcome);
        if let Err(e) = self.write_run("first-boot.txt", outcome.text().as_bytes(), 0o644) {
            outcome.wrong.push(sentence(&e));
        }
        outcome
    }

    /// After a factory reset of the hub nothing of what was set before holds, and nothing of it stays: Wi-Fi, keys for SSH and
    /// the one that the hub showed by SSH, name, time zone, the end of the journal. `false`: it does not go.
    fn forget_if_reset(&self, outcome: &mut Outcome) -> bool {
        let hub = self.path("var/lib/keepsight");
        let Some(reset) = crate::reset::last(&hub) else { return true };
        let system = hub.join("system");
        let seen = system.join(RESET);
        if fs::read(&seen, 64).is_ok_and(|bytes| bytes == reset.to_string().into_bytes()) {
            return true;
        }
        let forgets = || {
            is_own(&system)?;
            let seen = || fs::write_atomic(&seen, reset.to_string().as_bytes(), 0o600);
            forget(&system).and_then(|()| seen()).map_err(|e| format!("{e}: {}", e.source))
        };
        match forgets() {
            Ok(()) => {
                outcome.done.push("After the factory reset: what was set on the card before is gone.".into());
                true
            }
            Err(why) => {
                outcome.wrong.push(format!(
                    "What was set before the factory reset is still on the card: {why}. It does not hold, and is removed at the \
                     next start."
                ));
                false
            }
        }
    }

    /// Keeps what was set, then takes it off the card: in this order, so that a power cut loses nothing.
    fn take(&self, file: &Path, settings: &Settings, outcome: &mut Outcome) {
        if let Err(e) = self.keep(settings) {
            outcome.wrong.push(format!(
                "{} So first-boot.toml holds for this start, and is taken again at the next.",
                sentence(&e)
            ));
            return;
        }
        outcome.done.push("first-boot.toml was taken.".into());
        self.say_beside(None);
        if let Err(e) = erase(file) {
            outcome.wrong.push(format!("{} What it says is still on the card: remove it on a computer.", sentence(&e)));
        }
    }

    fn apply(&self, settings: &Settings, outcome: &mut Outcome) {
        let mut done = |did: Result<Option<String>, FsError>| match did {
            Ok(line) => outcome.done.extend(line),
            Err(e) => outcome.wrong.push(sentence(&e)),
        };
        done(self.apply_name(settings.name.as_ref()));
        done(self.apply_zone(settings.time_zone.as_ref()));
        done(self.apply_wifi(settings.wifi.as_ref()));
        done(self.say_wifi(settings.wifi.as_ref(), None).map(|()| None));
        done(self.apply_keys(&settings.ssh_keys));
    }

    fn apply_name(&self, name: Option<&MachineName>) -> Result<Option<String>, FsError> {
        let Some(name) = name else { return Ok(None) };
        let path = self.path("proc/sys/kernel/hostname");
        // In place: the kernel's own file.
        let written = OpenOptions::new()
            .write(true)
            .truncate(true)
            .open(&path)
            .and_then(|mut f| f.write_all(name.as_str().as_bytes()));
        written.map_err(FsError::on("write", &path))?;
        Ok(Some(format!("Name: {}.", name.as_str())))
    }

    fn apply_zone(&self, zone: Option<&ZoneName>) -> Result<Option<String>, FsError> {
        let link = self.run("localtime");
        let Some(zone) = zone else { return gone(&link).map(|()| None) };
        self.make_run()?;
        gone(&link)?;
        let target = Path::new("/usr/share/zoneinfo").join(zone.as_str());
        std::os::unix::fs::symlink(target, &link).map_err(FsError::on("create", &link))?;
        Ok(Some(format!("Time zone: {}.", zone.as_str())))
    }

    /// Joins the network that the hub asks for, or leaves the one that was set, and keeps that. `text`: the hub's words, as in
    /// `first-boot.toml`, of which only Wi-Fi is taken: who may sign in, or what the machine is called, is not for the hub to
    /// say. `join` has what is set used, and says whether a network was joined; where it was not, what was set before
    /// holds, and is used again.
    ///
    /// # Errors
    /// Nothing was changed, or (`wifi-not-joined`) not for long.
    pub fn change_wifi(&self, text: &str, join: impl Fn(bool) -> bool) -> Result<String, Problem> {
        let bad = |why: &dyn fmt::Display| Problem::with(ProblemKind::BadFile, why);
        let _lock = Said::begin(&self.root).map_err(|e| file_problem(&e))?;
        let wanted = FirstBoot::parse(text).map_err(|wrong| bad(&wrong[0]))?.wifi;
        let before = self.kept().map_err(|why| bad(&why))?;
        let mut settings = before.clone();
        settings.change(FirstBoot { wifi: wanted, ..FirstBoot::default() });
        let network = settings.wifi.as_ref().map(|wifi| wifi.ssid.as_str().to_owned());
        let say = |settings: &Settings, stage| {
            let change = Some(WifiChange { network: network.clone(), stage });
            self.say_wifi(settings.wifi.as_ref(), change).map_err(|e| file_problem(&e))
        };
        say(&before, WifiStage::Joining)?;
        let changes = || {
            self.apply_wifi(settings.wifi.as_ref()).map_err(|e| file_problem(&e))?;
            if !join(network.is_some()) {
                return Err(ProblemKind::WifiNotJoined.into());
            }
            self.keep(&settings).map_err(|e| file_problem(&e))
        };
        if let Err(problem) = changes() {
            self.apply_wifi(before.wifi.as_ref()).map_err(|e| file_problem(&e))?;
            // How that goes is seen by the radio itself.
            join(false);
            say(&before, WifiStage::Failed)?;
            return Err(problem);
        }
        say(&settings, WifiStage::Joined)?;
        Ok(network.map_or_else(|| "No Wi-Fi is joined any more.".into(), |name| format!("Wi-Fi: {name}.")))
    }

    /// For the hub, without the password.
    fn say_wifi(&self, wifi: Option<&Wifi>, change: Option<WifiChange>) -> Result<(), FsError> {
        let said = Said { network: wifi.map(|wifi| wifi.ssid.as_str().to_owned()), change };
        let (name, text) = said.file();
        self.write_run(name, &text, 0o644)
    }

    fn apply_wifi(&self, wifi: Option<&Wifi>) -> Result<Option<String>, FsError> {
        let Some(wifi) = wifi else { return gone(&self.run("wifi.conf")).map(|()| None) };
        self.write_run("wifi.conf", supplicant(wifi).as_bytes(), 0o600)?;
        Ok(Some(format!("Wi-Fi: {} ({}).", wifi.ssid.as_str(), wifi.country.as_str())))
    }

    fn apply_keys(&self, keys: &[SshKey]) -> Result<Option<String>, FsError> {
        if keys.is_empty() {
            return gone(&self.run("authorized_keys")).map(|()| None);
        }
        let lines = keys.iter().fold(String::new(), |lines, key| lines + key.as_str() + "\n");
        self.write_run("authorized_keys", lines.as_bytes(), 0o600)?;
        Ok(Some(format!("SSH: {} key{}, user root.", keys.len(), if keys.len() == 1 { "" } else { "s" })))
    }

    /// Whether what was kept is the system's own: its folder lies in one that belongs to the hub, which must not be able to
    /// let somebody in.
    fn kept(&self) -> Result<Settings, String> {
        let path = self.kept_path();
        for place in [path.parent().unwrap_or(Path::new("/")), &path] {
            if !is_own(place)? {
                return Ok(Settings::default());
            }
        }
        let bytes = Zeroizing::new(fs::read(&path, MAX_BYTES).map_err(|e| format!("{e}: {}", e.source))?);
        Settings::from_json(&bytes).map_err(|why| format!("{}: {why}", path.display()))
    }

    fn keep(&self, settings: &Settings) -> Result<(), FsError> {
        let path = self.kept_path();
        fs::create_dir(path.parent().unwrap_or(Path::new("/")), 0o700)?;
        fs::write_atomic(&path, &settings.to_json(), 0o600)
    }

    /// Writes what is wrong beside the file, or takes away what was wrong before. The card may be full or locked: then the
    /// screen says it.
    fn say_beside(&self, wrong: Option<&[String]>) {
        let path = self.path("efi").join(ERRORS);
        let _ = match wrong {
            Some(wrong) => fs::write_atomic(&path, (wrong.join("\r\n") + "\r\n").as_bytes(), 0o600),
            None => gone(&path),
        };
    }

    fn file(&self) -> Option<PathBuf> {
        FILES.iter().map(|name| self.path("efi").join(name)).find(|path| path.exists())
    }

    fn write_run(&self, name: &str, content: &[u8], mode: u32) -> Result<(), FsError> {
        self.make_run()?;
        let path = self.run(name);
        fs::write_atomic(&path, content, mode)?;
        open_up(&path, mode)
    }

    fn make_run(&self) -> Result<(), FsError> {
        let path = self.path("run/keepsight-system");
        fs::create_dir(&path, 0o755)?;
        open_up(&path, 0o755)
    }

    fn run(&self, name: &str) -> PathBuf {
        self.path("run/keepsight-system").join(name)
    }

    fn kept_path(&self) -> PathBuf {
        self.path("var/lib/keepsight/system/first-boot.json")
    }

    fn path(&self, below: &str) -> PathBuf {
        self.root.join(below)
    }
}

/// Whether it is there; what is there and is not the system's own is an error.
fn is_own(place: &Path) -> Result<bool, String> {
    match std::fs::symlink_metadata(place) {
        Err(e) if e.kind() == std::io::ErrorKind::NotFound => Ok(false),
        Err(e) => Err(format!("{}: {e}", place.display())),
        Ok(meta) => {
            let own = meta.uid() == nix::unistd::geteuid().as_raw() && meta.mode() & 0o022 == 0 && !meta.is_symlink();
            if own { Ok(true) } else { Err(format!("{} is not the system's own", place.display())) }
        }
    }
}

/// Takes away all that the system keeps in its folder, but for what is the machine's.
fn forget(system: &Path) -> Result<(), FsError> {
    fs::create_dir(system, 0o700)?;
    for entry in std::fs::read_dir(system).map_err(FsError::on("list", system))? {
        let entry = entry.map_err(FsError::on("list", system))?;
        if !STAYS.iter().any(|name| entry.file_name() == *name) {
            fs::shred(&entry.path())?;
        }
    }
    Ok(())
}

/// What a file says, or everything that is wrong with it.
fn read(path: &Path) -> Result<FirstBoot, Vec<String>> {
    let bytes =
        Zeroizing::new(fs::read(path, MAX_BYTES).map_err(|e| vec![format!("it cannot be read: {}", e.source)])?);
    let text = std::str::from_utf8(&bytes).map_err(|e| {
        let line = 1 + bytes[..e.valid_up_to()].iter().filter(|b| **b == b'\n').count();
        vec![format!("line {line}: is not UTF-8: save the file as UTF-8 text")]
    })?;
    FirstBoot::parse(text).map_err(|wrong| wrong.iter().map(ToString::to_string).collect())
}

/// Overwrites a file where it lies, then removes it: a password is not to be found among a card's free blocks. (What the
/// card's own controller has moved elsewhere nobody reaches.)
fn erase(path: &Path) -> Result<(), FsError> {
    let overwrite = || {
        let mut file = OpenOptions::new().write(true).custom_flags(nix::libc::O_NOFOLLOW).open(path)?;
        let length = usize::try_from(file.metadata()?.len()).unwrap_or(usize::MAX).min(MAX_BYTES as usize);
        file.write_all(&vec![0; length])?;
        file.sync_all()
    };
    overwrite().map_err(FsError::on("overwrite", path))?;
    std::fs::remove_file(path).map_err(FsError::on("remove", path))?;
    fs::sync_dir(path.parent().unwrap_or(Path::new("/")))
}

/// The binary's umask keeps everything for itself; the screen, which is another user's, shows some of it.
fn open_up(path: &Path, mode: u32) -> Result<(), FsError> {
    std::fs::set_permissions(path, Permissions::from_mode(mode)).map_err(FsError::on("change", path))
}

fn gone(path: &Path) -> Result<(), FsError> {
    match std::fs::remove_file(path) {
        Err(e) if e.kind() != std::io::ErrorKind::NotFound => Err(FsError::on("remove", path)(e)),
        _ => Ok(()),
    }
}

fn file_problem(e: &FsError) -> Problem {
    Problem::with(ProblemKind::FileError, format_args!("{e}: {}", e.source))
}

fn sentence(e: &FsError) -> String {
    let mut said = format!("{e}: {}.", e.source);
    if let Some(first) = said.get_mut(..1) {
        first.make_ascii_uppercase();
    }
    said
}

/// wpa_supplicant's configuration. All that a person chose is in hexadecimal digits: between quotes, a password with `"` and
/// `#` in it would be cut short.
fn supplicant(wifi: &Wifi) -> Zeroizing<String> {
    let mut text = Zeroizing::new(String::with_capacity(1024)); // never moved, so that no copy stays behind
    let mut line = |words: std::fmt::Arguments| {
        let _ = text.write_fmt(words); // into memory
    };
    line(format_args!("# Made at each start by `keepsight first-boot`.\n"));
    line(format_args!("country={}\np2p_disabled=1\nnetwork={{\n", wifi.country.as_str()));
    line(format_args!("\tssid={}\n\tscan_ssid={}\n", Hex(wifi.ssid.as_str().as_bytes()), u8::from(wifi.hidden)));
    let password = wifi.password.as_str();
    if wifi.password.is_key() {
        line(format_args!("\tpsk={password}\n\tkey_mgmt=WPA-PSK WPA-PSK-SHA256\n"));
    } else {
        // WPA3 wants the password itself.
        line(format_args!("\tpsk={}\n\tsae_password={}\n", Hex(&*key(wifi)), Hex(password.as_bytes())));
        line(format_args!("\tkey_mgmt=WPA-PSK WPA-PSK-SHA256 SAE\n"));
    }
    line(format_args!("\tieee80211w=1\n}}\n"));
    text
}

/// The key that a network of WPA2 makes of its password (IEEE 802.11, J.4.1).
fn key(wifi: &Wifi) -> Zeroizing<[u8; 32]> {
    let mut key = Zeroizing::new([0; 32]);
    let (ssid, password) = (wifi.ssid.as_str().as_bytes(), wifi.password.as_str().as_bytes());
    pbkdf2::derive(pbkdf2::PBKDF2_HMAC_SHA1, ROUNDS, ssid, password, &mut *key);
    key
}

struct Hex<'a>(&'a [u8]);

impl std::fmt::Display for Hex<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

/// `first-boot.json`.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Kept {
    format: u32,
    name: Option<MachineName>,
    time_zone: Option<ZoneName>,
    wifi: Option<KeptWifi>,
    ssh_keys: Vec<SshKey>,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct KeptWifi {
    ssid: Ssid,
    password: WifiPassword,
    country: Country,
    hidden: bool,
}

impl Settings {
    fn change(&mut self, new: FirstBoot) {
        self.name = new.name.or(self.name.take());
        self.time_zone = new.time_zone.or(self.time_zone.take());
        match new.wifi {
            Change::Keep => {}
            Change::Off => self.wifi = None,
            Change::To(wifi) => self.wifi = Some(wifi),
        }
        match new.ssh {
            Change::Keep => {}
            Change::Off => self.ssh_keys.clear(),
            Change::To(keys) => self.ssh_keys = keys,
        }
    }

    fn to_json(&self) -> Zeroizing<Vec<u8>> {
        let wifi = self.wifi.clone().map(|Wifi { ssid, password, country, hidden }| KeptWifi {
            ssid,
            password,
            country,
            hidden,
        });
        let kept = Kept {
            format: FORMAT,
            name: self.name.clone(),
            time_zone: self.time_zone.clone(),
            wifi,
            ssh_keys: self.ssh_keys.clone(),
        };
        Zeroizing::new(serde_json::to_vec_pretty(&kept).expect("texts and numbers are JSON"))
    }

    fn from_json(bytes: &[u8]) -> Result<Self, String> {
        #[derive(Deserialize)]
        struct Numbered {
            format: u32,
        }
        // Its category only: a message may quote what is in the file.
        let why = |e: serde_json::Error| format!("line {} is not as it was written", e.line());
        let Numbered { format } = serde_json::from_slice(bytes).map_err(why)?;
        if format > FORMAT {
            return Err(format!("it was written by a newer Keepsight (format {format})"));
        }
        let kept: Kept = serde_json::from_slice(bytes).map_err(why)?;
        let wifi =
            kept.wifi.map(|KeptWifi { ssid, password, country, hidden }| Wifi { ssid, password, country, hidden });
        Ok(Self { name: kept.name, time_zone: kept.time_zone, wifi, ssh_keys: kept.ssh_keys })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn wifi(ssid: &str, password: &str) -> Wifi {
        Wifi {
            ssid: Ssid::new(ssid).unwrap(),
            password: WifiPassword::new(password).unwrap(),
            country: Country::new("DE").unwrap(),
            hidden: false,
        }
    }

    #[test]
    fn a_network_that_is_not_joined_leaves_what_was_set_and_nothing_else_is_for_the_hub_to_say() {
        let dir = tempfile::tempdir().unwrap();
        let machine = Machine::new(dir.path());
        let conf = || std::fs::read_to_string(dir.path().join("run/keepsight-system/wifi.conf")).unwrap_or_default();
        let named = |ssid: &str| format!("[wifi]\nssid = \"{ssid}\"\npassword = \"correct horse\"\ncountry = \"DE\"\n");
        let said = || Said::read(dir.path());
        let joined = |network: Option<&str>, stage| WifiChange { network: network.map(str::to_owned), stage };

        machine.change_wifi(&named("Home"), |_| conf().contains("ssid=486f6d65\n")).unwrap();
        assert_eq!(machine.kept().unwrap().wifi, Some(wifi("Home", "correct horse")));
        assert_eq!(
            said(),
            Said { network: Some("Home".into()), change: Some(joined(Some("Home"), WifiStage::Joined)) }
        );

        let with_key = named("Next") + "[ssh]\nkeys = [\"" + super::super::values::tests::ED25519 + "\"]\n";
        let problem = machine.change_wifi(&with_key, |_| false).unwrap_err();
        assert_eq!(problem.kind, ProblemKind::WifiNotJoined);
        assert!(conf().contains("ssid=486f6d65\n"), "what was set before is used again");
        assert_eq!(
            said(),
            Said { network: Some("Home".into()), change: Some(joined(Some("Next"), WifiStage::Failed)) }
        );
        machine.change_wifi(&with_key, |_| true).unwrap();
        let kept = machine.kept().unwrap();
        assert_eq!((kept.wifi, kept.ssh_keys), (Some(wifi("Next", "correct horse")), vec![]), "no key of the hub's");

        machine.change_wifi("wifi = false\n", |_| true).unwrap();
        assert_eq!((conf().as_str(), machine.kept().unwrap().wifi), ("", None));
        assert_eq!(said(), Said { network: None, change: Some(joined(None, WifiStage::Joined)) });
        assert_eq!(machine.change_wifi("wifi = 7", |_| true).unwrap_err().kind, ProblemKind::BadFile);
    }

    #[test]
    fn wpa_supplicant_is_told_names_and_passwords_as_digits() {
        let conf = supplicant(&wifi("Zü \"1\"", "a\"b#c \\d"));
        assert!(conf.contains("\tssid=5ac3bc20223122\n") && conf.contains("country=DE\n"), "{}", *conf);
        assert!(conf.contains("\tsae_password=6122622363205c64\n"), "{}", *conf);
        let key = "0123456789abcdef".repeat(4);
        let conf = supplicant(&wifi("x", &key));
        assert!(conf.contains(&format!("\tpsk={key}\n")) && !conf.contains("SAE"), "{}", *conf);
    }

    /// IEEE 802.11, J.4.2.
    #[test]
    fn the_standards_passwords_make_the_standards_keys() {
        for (ssid, password, key) in [
            ("IEEE", "password", "f42c6fc52df0ebef9ebb4b90b38a5f902e83fe1b135a70e23aed762e9710a12e"),
            ("ThisIsASSID", "ThisIsAPassword", "0dc0d6eb90555ed6419756b9a15ec3e3209b63df707dd508d14581f8982721af"),
        ] {
            assert!(supplicant(&wifi(ssid, password)).contains(&format!("\tpsk={key}\n")), "{ssid}");
        }
    }

    proptest! {
        #[test]
        fn what_is_kept_comes_back(ssid in "[^\\pC]{1,8}", password in "[ -~]{8,63}", has: bool) {
            let settings = Settings { wifi: has.then(|| wifi(&ssid, &password)), ..Settings::default() };
            prop_assert_eq!(Settings::from_json(&settings.to_json()).unwrap(), settings);
        }

        #[test]
        fn any_bytes_that_were_kept_are_read_or_refused(bytes: Vec<u8>) {
            let _ = Settings::from_json(&bytes);
        }
    }
}
