//! `scripts/flash`, on files that stand for disks: what is written is what was signed, onto the disk that was meant, and
//! first-boot.toml is on it.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

use tempfile::TempDir;

const SCRIPT: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../../scripts/flash");
const MIB: u64 = 1 << 20;
/// As large as FAT32 wants it, and a partition of noise behind it.
const IMAGE: u64 = 48 * MIB;
const ESP: u64 = MIB;
const NOISE: u64 = 42 * MIB;
const KEY: &str = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIMKZPML4KJp7aPajOV7VNOMbA5LYL3RUSnkzWJvajjjB ada@laptop";

/// What `scripts/build-image` makes, small; and disks for it.
struct Desk {
    dir: TempDir,
}

impl Desk {
    fn new() -> Self {
        let desk = Self { dir: tempfile::tempdir().unwrap() };
        fs::create_dir(desk.path("keys")).unwrap();
        fs::create_dir(desk.path("bin")).unwrap();
        desk.shell(
            "truncate --size=48M raw
             printf 'label: gpt\\nstart=1MiB, size=40MiB, name=keepsight-esp\\nstart=42MiB, size=4MiB, name=keepsight-root-a\\n' |
                 sfdisk --quiet raw
             mkfs.fat -F 32 -s 1 --offset 2048 raw 40960 > made.log
             head -c 3M /dev/urandom | dd of=raw bs=1M seek=42 conv=notrunc status=none
             bmaptool --quiet create --output keepsight.bmap raw
             zstd --quiet raw -o keepsight.img.zst",
        );
        desk.signs("keys");
        desk
    }
    /// Signs the image as scripts/build-image does, by keys that are made if they are not there.
    fn signs(&self, keys: &str) {
        self.shell(&format!(
            "cd {keys}
             printf '[req]\\ndistinguished_name = n\\nprompt = no\\n[n]\\nCN = test\\n[root]\\nbasicConstraints = critical, CA:true
             keyUsage = critical, keyCertSign\\n[signing]\\nbasicConstraints = critical, CA:false\\nkeyUsage = critical, digitalSignature
             extendedKeyUsage = critical, codeSigning\\n' | sed 's/^ *//' > cnf
             request() {{ openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days 2 -config cnf -extensions $1 \
                 -keyout $1.key.pem -out $1.cert.pem; }} 2> log
             if [ ! -e root.cert.pem ]; then
                 request root
                 openssl req -new -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -config cnf -keyout signing.key.pem -out csr 2>> log
                 openssl x509 -req -in csr -CA root.cert.pem -CAkey root.key.pem -extfile cnf -extensions signing -days 2 -out signing.cert.pem 2>> log
             fi
             cd ..
             sha256sum keepsight.img.zst > keepsight.img.zst.sha256
             openssl cms -sign -binary -in keepsight.img.zst -signer {keys}/signing.cert.pem -inkey {keys}/signing.key.pem \
                 -outform DER -out keepsight.img.zst.sig"
        ));
    }
    fn path(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }
    fn shell(&self, commands: &str) -> String {
        let ran = Command::new("bash").args(["-euc", commands]).current_dir(self.dir.path()).output().unwrap();
        assert!(ran.status.success(), "{commands}\n{}(scripts/setup installs what is missing)", text(&ran.stderr));
        text(&ran.stdout)
    }
    /// A file that stands for a disk, full of what was there before.
    fn disk(&self, size: u64) -> PathBuf {
        fs::write(self.path("disk"), vec![0xee; size as usize]).unwrap();
        self.path("disk")
    }
    /// A program that is found before the real one.
    fn instead_of(&self, program: &str, script: &str) {
        let path = self.path("bin").join(program);
        fs::write(&path, format!("#!/bin/bash\n{script}\n")).unwrap();
        fs::set_permissions(&path, PermissionsExt::from_mode(0o755)).unwrap();
    }
    /// What lsblk says: a disk, with what its partition is mounted as.
    fn lsblk(&self, removable: bool, mounted: &str) {
        let json = serde_json::json!({ "blockdevices": [{
            "name": "disk", "path": self.path("disk").canonicalize().unwrap(), "size": 64 * MIB, "model": "Card", "type": "disk",
            "rm": removable, "hotplug": false, "ro": false, "mountpoints": [null],
            "children": [{ "name": "disk1", "mountpoints": [null], "children": [{ "name": "crypt", "mountpoints": [mounted] }] }],
        }] });
        self.instead_of("lsblk", &format!("cat << 'END'\n{json}\nEND"));
    }
    fn flash(&self, more: &[&str]) -> Output {
        let path = format!("{}:{}", self.path("bin").display(), std::env::var("PATH").unwrap());
        let mut command = Command::new(SCRIPT);
        command.arg(self.path("keepsight.img.zst")).arg("--keys").arg(self.path("keys")).args(more);
        command.env("PATH", path).env("KEEPSIGHT_BIN", env!("CARGO_BIN_EXE_keepsight"));
        command.current_dir(self.dir.path()).stdin(Stdio::null()).output().unwrap()
    }
    fn flashes(&self, more: &[&str]) {
        let ran = self.flash(more);
        assert!(ran.status.success(), "{}{}", text(&ran.stdout), text(&ran.stderr));
    }
    /// It stops with these words, and the disk is as it was.
    fn refuses(&self, more: &[&str], words: &str) {
        let before = fs::read(self.path("disk")).unwrap();
        let ran = self.flash(more);
        assert_eq!(ran.status.code(), Some(1), "{}", text(&ran.stdout));
        assert!(text(&ran.stderr).contains(words), "{}", text(&ran.stderr));
        assert!(fs::read(self.path("disk")).unwrap() == before, "something was written");
    }
    fn first_boot(&self) -> String {
        self.shell(&format!("mtype -i disk@@{ESP} ::first-boot.toml"))
    }
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

fn part(path: &Path, from: u64, to: u64) -> Vec<u8> {
    fs::read(path).unwrap()[from as usize..to as usize].to_vec()
}

#[test]
fn an_image_is_written_by_its_map_and_the_hub_is_told_what_it_is_to_know() {
    let desk = Desk::new();
    let disk = desk.disk(64 * MIB);
    fs::write(desk.path("password"), "a\"b#c \\d\n").unwrap();
    fs::write(desk.path("ada.pub"), format!("{KEY}\n")).unwrap();
    desk.flashes(&[
        "disk",
        "--to-file",
        "--name",
        "garage",
        "--time-zone",
        "Europe/Berlin",
        "--wifi",
        "Zü Hause",
        "--country",
        "DE",
        "--wifi-password-file",
        "password",
        "--ssh-key",
        "ada.pub",
    ]);
    let raw = desk.path("raw");
    assert!(
        part(&disk, 0, ESP) == part(&raw, 0, ESP)
            && part(&disk, NOISE, NOISE + 3 * MIB) == part(&raw, NOISE, NOISE + 3 * MIB)
    );
    assert_eq!(disk.metadata().unwrap().len(), 64 * MIB, "a disk keeps its size");
    assert_eq!(
        desk.first_boot(),
        format!(
            "name = \"garage\"\ntime_zone = \"Europe/Berlin\"\n\n[wifi]\nssid = \"Zü Hause\"\npassword = \"a\\u0022b#c \\u005cd\"\n\
             country = \"DE\"\n\n[ssh]\nkeys = [\"{KEY}\"]\n"
        )
    );
    desk.shell("dd if=disk of=esp bs=1M skip=1 count=40 status=none && fsck.fat -n esp");
}

#[test]
fn without_a_map_all_of_it_is_written_and_nothing_of_before_shows_through() {
    let desk = Desk::new();
    fs::remove_file(desk.path("keepsight.bmap")).unwrap();
    let disk = desk.disk(IMAGE);
    desk.flashes(&["disk", "--to-file", "--yes"]);
    assert!(fs::read(disk).unwrap() == fs::read(desk.path("raw")).unwrap());
}

#[test]
fn what_is_damaged_or_not_signed_by_these_keys_is_not_written() {
    let desk = Desk::new();
    desk.disk(IMAGE);
    let image = desk.path("keepsight.img.zst");
    let mut bytes = fs::read(&image).unwrap();
    let middle = bytes.len() / 2;
    bytes[middle] ^= 1;
    fs::write(&image, bytes).unwrap();
    desk.refuses(&["disk", "--to-file"], "is not what its checksum says: it is damaged");
    // With a checksum that was made for it.
    desk.shell("sha256sum keepsight.img.zst > keepsight.img.zst.sha256");
    desk.refuses(&["disk", "--to-file"], "is not by the keys of");
    // Signed anew, by somebody else.
    fs::create_dir(desk.path("others")).unwrap();
    desk.signs("others");
    desk.refuses(&["disk", "--to-file"], "is not by the keys of");
    fs::remove_file(desk.path("keepsight.img.zst.sig")).unwrap();
    desk.refuses(&["disk", "--to-file"], ".sig is not there");
}

#[test]
fn a_map_that_leaves_something_out_is_found_before_anything_is_written() {
    let desk = Desk::new();
    desk.disk(IMAGE);
    let map = fs::read_to_string(desk.path("keepsight.bmap")).unwrap();
    let ranges: Vec<_> = map.lines().filter(|line| line.contains("<Range")).collect();
    fs::write(desk.path("keepsight.bmap"), map.replace(ranges[ranges.len() - 2], "")).unwrap();
    desk.refuses(&["disk", "--to-file"], "leaves out a part of the image");
    fs::write(desk.path("keepsight.bmap"), "<bmap>").unwrap();
    desk.refuses(&["disk", "--to-file"], "is no block map");
}

#[test]
fn a_disk_that_is_too_small_is_refused() {
    let desk = Desk::new();
    desk.disk(IMAGE - 512);
    desk.refuses(&["disk", "--to-file"], "has 50.3 MB, the image 50.3 MB. Take a larger one.");
}

#[test]
fn what_the_machine_runs_from_is_never_written_whatever_is_said() {
    let desk = Desk::new();
    desk.disk(64 * MIB);
    let all = ["disk", "--yes", "--yes-this-disk", "--unmount"];
    for place in ["/", "/boot", "/boot/efi", "/home", "[SWAP]"] {
        for removable in [true, false] {
            desk.lsblk(removable, place);
            desk.refuses(&all, &format!("is what this machine runs from ({place}). It is never written."));
        }
    }
    desk.refuses(&["--yes"], "there is no removable disk");
}

#[test]
fn a_disk_that_is_built_in_or_mounted_is_written_only_if_that_is_said() {
    let desk = Desk::new();
    desk.disk(64 * MIB);
    desk.instead_of("umount", "echo \"$@\" >> unmounted");
    desk.lsblk(false, "/media/ada/Card");
    desk.refuses(&["disk", "--yes"], "(67.1 MB, Card) is built in. Add --yes-this-disk");
    desk.refuses(&["disk", "--yes", "--yes-this-disk"], "is in use: /media/ada/Card. Unmount it, or add --unmount.");
    desk.lsblk(true, "/media/ada/Card");
    desk.refuses(&["disk", "--unmount"], "nobody is here to say that");
    desk.refuses(&["other", "--yes"], "other is no disk. There are:\n");
    desk.refuses(&["raw", "--yes"], "raw is a file. Add --to-file");
    assert!(!desk.path("unmounted").exists());
    desk.flashes(&["disk", "--yes", "--unmount", "--name", "garage"]);
    assert_eq!(fs::read_to_string(desk.path("unmounted")).unwrap(), "/media/ada/Card\n");
    assert_eq!(desk.first_boot(), "name = \"garage\"\n");
}

#[test]
fn a_card_that_does_not_hold_what_was_written_is_found() {
    let spoil = format!("printf x | \"$dd\" of=disk bs=1 seek={} conv=notrunc status=none", NOISE + 7);
    for program in ["bmaptool", "dd"] {
        let desk = Desk::new();
        desk.disk(64 * MIB);
        if program == "dd" {
            fs::remove_file(desk.path("keepsight.bmap")).unwrap();
        }
        let real = |name: &str| desk.shell(&format!("command -v {name}")).trim().to_owned();
        desk.instead_of(program, &format!("dd={}\n{} \"$@\" || exit\n{spoil}", real("dd"), real(program)));
        let ran = desk.flash(&["disk", "--to-file", "--name", "garage"]);
        assert_eq!(ran.status.code(), Some(1));
        assert!(text(&ran.stderr).contains("does not hold what was written to it"), "{}", text(&ran.stderr));
    }
}

#[test]
fn what_the_hub_could_not_use_is_said_before_anything_is_written() {
    let desk = Desk::new();
    desk.disk(IMAGE);
    desk.refuses(&["disk", "--to-file", "--time-zone", "Berlin"], "line 1: time_zone is a name of the tz database");
    fs::write(desk.path("password"), "hunter2").unwrap();
    let wifi = ["disk", "--to-file", "--wifi", "Home", "--country", "DE", "--wifi-password-file", "password"];
    desk.refuses(&wifi, "wifi.password has 7 characters");
    desk.refuses(
        &["disk", "--to-file", "--wifi", "Home", "--country", "DE"],
        "nobody is here to say the Wi-Fi's password",
    );
    desk.refuses(&["disk", "--to-file", "--ssh-key", "none.pub"], "none.pub: No such file or directory.");
    assert_eq!(desk.flash(&["disk", "--to-file", "--wifi", "Home"]).status.code(), Some(2), "usage");
}
