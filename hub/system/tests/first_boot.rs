//! A first-boot file is taken, does what it says at this start and every later one, and leaves no password on the card.

use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use system::first_boot::{Machine, Outcome};
use tempfile::TempDir;

const PASSWORD: &str = "correct horse";
const KEY: &str = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIMKZPML4KJp7aPajOV7VNOMbA5LYL3RUSnkzWJvajjjB ada@laptop";

fn all() -> String {
    format!(
        "name = \"Garage\"\ntime_zone = \"Europe/Berlin\"\n[wifi]\nssid = \"Home\"\npassword = \"{PASSWORD}\"\n\
         country = \"DE\"\n[ssh]\nkeys = [\"{KEY}\"]\n"
    )
}

fn hex(text: &str) -> String {
    text.bytes().map(|byte| format!("{byte:02x}")).collect()
}

/// A machine's files, as an image has them before the first start.
struct Card {
    root: TempDir,
}

impl Card {
    fn new() -> Self {
        let root = tempfile::tempdir().unwrap();
        for folder in ["efi", "proc/sys/kernel", "run", "var/lib/keepsight"] {
            std::fs::create_dir_all(root.path().join(folder)).unwrap();
        }
        let card = Self { root };
        card.write("proc/sys/kernel/hostname", "keepsight");
        card
    }
    fn path(&self, below: &str) -> PathBuf {
        self.root.path().join(below)
    }
    fn write(&self, below: &str, text: &str) {
        std::fs::write(self.path(below), text).unwrap();
    }
    fn read(&self, below: &str) -> Option<String> {
        std::fs::read_to_string(self.path(below)).ok()
    }
    /// A start: what was in memory is gone.
    fn start(&self) -> Outcome {
        std::fs::remove_dir_all(self.path("run")).unwrap();
        std::fs::create_dir(self.path("run")).unwrap();
        self.write("proc/sys/kernel/hostname", "keepsight");
        Machine::new(self.root.path()).first_boot()
    }
    fn start_with(&self, file: &str) -> Outcome {
        self.write("efi/first-boot.toml", file);
        self.start()
    }
    fn is_set(&self) {
        assert_eq!(self.read("proc/sys/kernel/hostname").unwrap(), "garage");
        assert_eq!(
            std::fs::read_link(self.path("run/keepsight-system/localtime")).unwrap(),
            Path::new("/usr/share/zoneinfo/Europe/Berlin")
        );
        let wifi = self.read("run/keepsight-system/wifi.conf").unwrap();
        assert!(
            wifi.contains("\tssid=486f6d65\n") && wifi.contains(&format!("\tsae_password={}\n", hex(PASSWORD))),
            "{wifi}"
        );
        assert_eq!(self.read("run/keepsight-system/authorized_keys").unwrap(), format!("{KEY}\n"));
        for (secret, mode) in [
            ("run/keepsight-system/wifi.conf", 0o600),
            ("run/keepsight-system/authorized_keys", 0o600),
            ("var/lib/keepsight/system/first-boot.json", 0o600),
            ("var/lib/keepsight/system", 0o700),
        ] {
            assert_eq!(self.path(secret).metadata().unwrap().permissions().mode() & 0o777, mode, "{secret}");
        }
    }
    /// Files of the card's small partition.
    fn on_the_card(&self) -> Vec<String> {
        let files = std::fs::read_dir(self.path("efi")).unwrap();
        let mut names: Vec<_> = files.map(|f| f.unwrap().file_name().into_string().unwrap()).collect();
        names.sort();
        names
    }
}

#[test]
fn what_was_set_holds_at_this_start_and_every_later_one() {
    let card = Card::new();
    let outcome = card.start_with(&all());
    assert_eq!(outcome.wrong, Vec::<String>::new());
    let said = [
        "first-boot.toml was taken.",
        "Name: garage.",
        "Time zone: Europe/Berlin.",
        "Wi-Fi: Home (DE).",
        "SSH: 1 key, user root.",
    ];
    assert_eq!(outcome.done, said);
    assert_eq!(card.read("run/keepsight-system/first-boot.txt").unwrap(), said.join("\n") + "\n");
    card.is_set();
    assert_eq!(card.on_the_card(), Vec::<String>::new());

    let outcome = card.start();
    assert_eq!((outcome.wrong.len(), outcome.done.as_slice()), (0, &said.map(String::from)[1..]));
    card.is_set();
}

#[test]
fn without_a_file_nothing_is_done_and_nothing_is_wrong() {
    let card = Card::new();
    assert_eq!(card.start(), Outcome::default());
    for file in ["wifi.conf", "authorized_keys", "localtime"] {
        assert!(!card.path("run/keepsight-system").join(file).exists(), "{file}");
    }
    assert_eq!(card.read("proc/sys/kernel/hostname").unwrap(), "keepsight");
}

#[test]
fn a_later_file_changes_what_it_names_and_switches_off_what_it_says() {
    let card = Card::new();
    card.start_with(&all());
    let outcome = card.start_with("[wifi]\nssid = \"New\"\npassword = \"another one\"\ncountry = \"AT\"\n");
    assert_eq!(outcome.wrong, Vec::<String>::new());
    let wifi = card.read("run/keepsight-system/wifi.conf").unwrap();
    assert!(
        wifi.contains(&hex("another one")) && wifi.contains("country=AT") && !wifi.contains(&hex(PASSWORD)),
        "{wifi}"
    );
    assert_eq!(card.read("run/keepsight-system/authorized_keys").unwrap(), format!("{KEY}\n"), "that stays");

    card.start_with("wifi = false\nssh = false\n");
    assert_eq!(
        (card.read("run/keepsight-system/wifi.conf"), card.read("run/keepsight-system/authorized_keys")),
        (None, None)
    );
    card.start();
    assert_eq!(
        (card.read("run/keepsight-system/wifi.conf"), card.read("run/keepsight-system/authorized_keys")),
        (None, None)
    );
    assert_eq!(card.read("proc/sys/kernel/hostname").unwrap(), "garage");
    assert!(!card.read("var/lib/keepsight/system/first-boot.json").unwrap().contains("another one"));
}

#[test]
fn of_a_bad_file_nothing_is_taken_and_all_that_is_wrong_is_said_on_screen_and_card() {
    let card = Card::new();
    card.start_with(&all());
    let bad = "time_zone = \"Berlin\"\n[wifi]\nssid = \"New\"\npassword = \"hunter2\"\ncountry = \"DE\"\n";
    let outcome = card.start_with(bad);
    let lines = [
        "first-boot.toml, line 1: time_zone is a name of the tz database, such as \"Europe/Berlin\" or \"UTC\".",
        "first-boot.toml, line 4: wifi.password has 7 characters; a Wi-Fi password has 8 to 63 (or is a key of 64 hexadecimal digits).",
    ];
    assert_eq!(outcome.wrong[..2], lines);
    assert_eq!(outcome.wrong[2], "Nothing of the file was taken; what was set before holds.");
    assert!(!format!("{outcome:?}").contains("hunter2"), "{outcome:?}");
    assert!(card.read("run/keepsight-system/first-boot.txt").unwrap().starts_with(lines[0]));
    assert_eq!(card.read("efi/first-boot-errors.txt").unwrap(), lines.join("\r\n") + "\r\n");
    assert_eq!(card.read("efi/first-boot.toml").unwrap(), bad, "to be corrected");
    card.is_set();

    // Corrected, it is taken, and what was said on the card is gone.
    assert_eq!(card.start_with(&all()).wrong, Vec::<String>::new());
    assert_eq!(card.on_the_card(), Vec::<String>::new());
}

#[test]
fn what_is_no_text_or_too_long_is_said_too() {
    let card = Card::new();
    std::fs::write(card.path("efi/first-boot.toml"), b"name = \"a\"\n# \xff\n").unwrap();
    assert_eq!(card.start().wrong[0], "first-boot.toml, line 2: is not UTF-8: save the file as UTF-8 text.");
    card.write("efi/first-boot.toml", &"#".repeat(64 * 1024 + 1));
    assert_eq!(card.start().wrong[0], "first-boot.toml, it cannot be read: longer than 65536 bytes.");
}

#[test]
fn a_name_that_windows_made_longer_is_taken_too() {
    let card = Card::new();
    card.write("efi/first-boot.toml.txt", &all());
    assert_eq!(card.start().wrong, Vec::<String>::new());
    card.is_set();
    assert_eq!(card.on_the_card(), Vec::<String>::new());
}

#[test]
fn what_was_on_the_card_is_overwritten_where_it_lay() {
    let card = Card::new();
    card.write("efi/first-boot.toml", &all());
    // Another name of the same blocks sees what became of them.
    std::fs::hard_link(card.path("efi/first-boot.toml"), card.path("blocks")).unwrap();
    card.start();
    assert_eq!(std::fs::read(card.path("blocks")).unwrap(), vec![0; all().len()]);
}

#[test]
fn a_file_that_cannot_be_kept_stays_on_the_card_and_holds_for_this_start() {
    let card = Card::new();
    card.write("var/lib/keepsight/system", "no folder");
    let outcome = card.start_with(&all());
    assert!(
        outcome
            .wrong
            .iter()
            .any(|line| line.ends_with("So first-boot.toml holds for this start, and is taken again at the next.")),
        "{outcome:?}"
    );
    assert_eq!(card.on_the_card(), ["first-boot.toml"]);
    assert!(card.read("run/keepsight-system/wifi.conf").unwrap().contains(&hex(PASSWORD)));
}

#[test]
fn what_was_kept_and_is_damaged_is_said_and_a_new_file_mends_it() {
    let card = Card::new();
    card.start_with(&all());
    card.write("var/lib/keepsight/system/first-boot.json", "{ \"format\": 1, \"name\": \"garage\" }");
    let outcome = card.start();
    assert!(
        outcome.wrong[0].starts_with("What was set before cannot be used: ")
            && outcome.wrong[0].contains("first-boot.json: line 1"),
        "{outcome:?}"
    );
    assert_eq!(card.read("run/keepsight-system/wifi.conf"), None);
    card.start_with(&all());
    assert_eq!(card.start().wrong, Vec::<String>::new());
    card.is_set();

    card.write("var/lib/keepsight/system/first-boot.json", "{ \"format\": 2 }");
    assert!(card.start().wrong[0].contains("it was written by a newer Keepsight (format 2)"));
}

/// The folder lies in one that belongs to the hub's user: the hub could put another one in its place.
#[test]
fn what_somebody_else_could_have_written_is_not_done() {
    let card = Card::new();
    card.start_with(&all());
    let folder = card.path("var/lib/keepsight/system");
    std::fs::rename(&folder, card.path("var/lib/keepsight/mine")).unwrap();
    std::os::unix::fs::symlink("mine", &folder).unwrap();
    let outcome = card.start();
    assert!(outcome.wrong[0].contains("is not the system's own"), "{outcome:?}");
    assert_eq!(card.read("run/keepsight-system/authorized_keys"), None);

    std::fs::remove_file(&folder).unwrap();
    std::fs::rename(card.path("var/lib/keepsight/mine"), &folder).unwrap();
    let file = folder.join("first-boot.json");
    std::fs::set_permissions(&file, PermissionsExt::from_mode(0o666)).unwrap();
    assert!(card.start().wrong[0].contains("is not the system's own"));
    assert_eq!(card.read("run/keepsight-system/authorized_keys"), None);
}

/// The hub's mark, while it does its part and after: the system forgets once, before it does anything that was set.
#[test]
fn after_a_factory_reset_nothing_holds_that_was_set_before_and_nothing_of_it_is_left() {
    for mark in ["factory-reset", "factory-reset.done"] {
        let card = Card::new();
        card.start_with(&all());
        std::fs::create_dir_all(card.path("var/lib/keepsight/system/ssh")).unwrap();
        for file in ["ssh/ssh_host_ed25519_key", "journal.txt", "machine-id", "rauc"] {
            card.write(&format!("var/lib/keepsight/system/{file}"), "before");
        }
        // Another name of the same blocks sees what became of them.
        std::fs::hard_link(card.path("var/lib/keepsight/system/first-boot.json"), card.path("blocks")).unwrap();
        let reset = |id: &str| {
            let json = format!("{{\"format\":2,\"disk\":null,\"reset\":\"{id}\"}}");
            card.write(&format!("var/lib/keepsight/{mark}"), &json);
        };
        reset("01arz3ndektsv4rrffq69g5fav");
        let outcome = card.start();
        assert_eq!(outcome.done, ["After the factory reset: what was set on the card before is gone."]);
        assert_eq!(outcome.wrong, Vec::<String>::new());
        for gone in ["wifi.conf", "authorized_keys", "localtime"] {
            assert!(!card.path("run/keepsight-system").join(gone).exists(), "{gone}");
        }
        let mut left: Vec<_> = std::fs::read_dir(card.path("var/lib/keepsight/system")).unwrap().flatten().collect();
        left.sort_by_key(std::fs::DirEntry::file_name);
        let left: Vec<_> = left.iter().map(std::fs::DirEntry::file_name).collect();
        assert_eq!(left, ["factory-reset", "machine-id", "rauc"]);
        assert!(!String::from_utf8_lossy(&std::fs::read(card.path("blocks")).unwrap()).contains(PASSWORD));

        // Once: what the next owner sets stays, until the next reset, of which a new file says what holds after it.
        card.start_with(&all());
        assert!(card.start().done.contains(&"Wi-Fi: Home (DE).".to_owned()));
        card.is_set();
        reset("01arz3ndektsv4rrffq69g5faw");
        let outcome = card.start_with("[wifi]\nssid = \"New\"\npassword = \"another one\"\ncountry = \"AT\"\n");
        assert!(outcome.done.contains(&"Wi-Fi: New (AT).".to_owned()), "{outcome:?}");
        assert_eq!(card.read("run/keepsight-system/authorized_keys"), None);
    }
}

/// The hub, which makes the mark, must not lead the system elsewhere.
#[test]
fn a_factory_reset_takes_nothing_from_a_folder_that_is_not_the_systems() {
    let card = Card::new();
    card.start_with(&all());
    let folder = card.path("var/lib/keepsight/system");
    std::fs::rename(&folder, card.path("elsewhere")).unwrap();
    std::os::unix::fs::symlink(card.path("elsewhere"), &folder).unwrap();
    card.write(
        "var/lib/keepsight/factory-reset",
        "{\"format\":2,\"disk\":null,\"reset\":\"01arz3ndektsv4rrffq69g5fav\"}",
    );
    let outcome = card.start();
    assert!(outcome.wrong.iter().any(|line| line.contains("is not the system's own")), "{outcome:?}");
    assert!(card.path("elsewhere/first-boot.json").exists());
    assert_eq!(card.read("run/keepsight-system/authorized_keys"), None);
}
