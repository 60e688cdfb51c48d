//! A disk becomes the footage disk, on a real disk of the kernel's (a loop device) with a real file system: an owner chooses it, the
//! system's program looks again, formats, copies while the hub records, and changes over. What there was still plays. A disk that
//! is needed, or is not what it was, is left as it is; after a power cut at any moment everything is where the hub looks.
//!
//! The kernel of a test machine may know no partitions, and no systemd runs: what udev would do with a partition does a script
//! around sfdisk, and scripts stop the hub and mount the disk.

use std::fs;
use std::os::unix::fs::{MetadataExt, PermissionsExt, symlink};
use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use std::time::Duration;

use base::Timestamp;
use base::{Clock, SystemClock};
use serde_json::{Value, json};
use system::footage_disk::{Finder, FoundDisk, Request, Wanted};
use testkit::client::{Client, PASSWORD};
use testkit::hub::{self, Home, HubProcess};

const KEEPSIGHT: &str = env!("CARGO_BIN_EXE_keepsight");
const SOON: Duration = Duration::from_secs(20);
const DISK_BYTES: u64 = 5_000_003_584;

/// A machine with one disk, `sda`, and a hub that runs from an image.
struct Machine {
    home: Home,
    root: PathBuf,
    disk: PathBuf,
}

impl Machine {
    fn new() -> Self {
        let home = Home::new();
        let root = home.scratch("machine");
        for folder in ["sys/block/sda", "run/udev/data", "run/keepsight", "proc/self", "dev", "bin"] {
            fs::create_dir_all(root.join(folder)).unwrap();
        }
        for folder in [home.data(), home.footage()] {
            fs::create_dir_all(folder).unwrap();
        }
        let image = "version = \"0.2.0\"\nboard = \"generic-x86-64\"\ncompatible = \"keepsight-generic-x86-64\"\n\
                     built = \"2026-01-01T00:00:00Z\"\n";
        fs::write(home.scratch("image.toml"), image).unwrap();
        let config = fs::read_to_string(home.config()).unwrap();
        let more = format!("[storage]\nreserve = \"8 MiB\"\n[update]\nimage = {:?}\n", home.scratch("image.toml"));
        fs::write(home.config(), config + &more).unwrap();
        let file = home.scratch("sda.img");
        fs::File::create(&file).and_then(|file| file.set_len(DISK_BYTES)).unwrap();
        let disk = run("losetup", &["--find", "--show", "--partscan", file.to_str().unwrap()]);
        let disk = PathBuf::from(disk.trim());
        symlink(&disk, root.join("dev/sda")).unwrap();
        let machine = Self { home, root, disk };
        machine.block("sda", &machine.disk, DISK_BYTES);
        machine.says("sda", &[("ID_SERIAL", "Maker_Disk_1"), ("ID_MODEL", "Maker_Disk"), ("ID_BUS", "usb")]);
        machine.scripts();
        machine
    }

    /// As the kernel tells a disk, or `disk/partition`.
    fn block(&self, name: &str, node: &Path, bytes: u64) {
        let sys = self.root.join("sys/block").join(name);
        fs::create_dir_all(&sys).unwrap();
        fs::write(sys.join("dev"), format!("{}\n", number(node))).unwrap();
        fs::write(sys.join("size"), format!("{}\n", bytes / 512)).unwrap();
        if name.contains('/') {
            fs::write(sys.join("partition"), "1\n").unwrap();
        }
    }

    /// As udev tells it.
    fn says(&self, name: &str, what: &[(&str, &str)]) {
        let device = fs::read_to_string(self.root.join("sys/block").join(name).join("dev")).unwrap();
        let lines: String = what.iter().map(|(key, value)| format!("E:{key}={value}\n")).collect();
        fs::write(self.root.join("run/udev/data").join(format!("b{}", device.trim())), lines).unwrap();
    }

    /// What udev finds out of a partition that was made.
    fn udev(&self) {
        let node = self.root.join("dev/sda1");
        if !node.exists() {
            return;
        }
        self.block("sda/sda1", &node, DISK_BYTES - (2 << 20));
        let uuid = run_any("blkid", &["-p", "-o", "value", "-s", "UUID", node.to_str().unwrap()]);
        let uuid = String::from_utf8(uuid.stdout).unwrap();
        let kind = if uuid.trim().is_empty() { "" } else { "ext4" };
        let said = [("ID_PART_ENTRY_NAME", "keepsight-footage"), ("ID_FS_TYPE", kind), ("ID_FS_UUID", uuid.trim())];
        self.says("sda/sda1", &said);
    }

    fn scripts(&self) {
        let (root, home) = (self.root.display(), self.home.scratch("").display().to_string());
        // CUT names the program in which the power goes: the one that called it is gone, and it itself does no more.
        for (name, text) in [
            (
                "sfdisk",
                format!(
                    "losetup --detach $(readlink -f {root}/dev/sda1) 2> /dev/null\n\
                     /usr/sbin/sfdisk \"$@\" || exit 1\n\
                     start=$(/usr/sbin/sfdisk -d {root}/dev/sda | sed -n 's/.*start= *\\([0-9]*\\),.*name=\"keepsight-footage\".*/\\1/p')\n\
                     loop=$(losetup --find --show --offset $((start * 512)) $(readlink -f {root}/dev/sda)) || exit 1\n\
                     ln -sfn \"$loop\" {root}/dev/sda1\n"
                ),
            ),
            ("mkfs.ext4", "/usr/sbin/mkfs.ext4 \"$@\" || exit 1\n[ \"$CUT\" != mkfs ] || kill -9 $PPID\n".into()),
            (
                "systemctl",
                format!(
                    "case $1 in\n\
                     stop) pid=$(cat {home}/hub.pid 2> /dev/null || echo none); kill $pid 2> /dev/null\n\
                     while [ -d /proc/$pid ] && ! grep -q '^State:.Z' /proc/$pid/status; do :; done\n\
                     [ \"$CUT\" != stop ] || kill -9 $PPID ;;\n\
                     start) : > {home}/started ;;\n\
                     esac\n"
                ),
            ),
            (
                "systemd-mount",
                "[ \"$CUT\" != mount ] || { kill -9 $PPID; exit 1; }\n\
                 [ \"$CUT\" != refused ] || { echo 'it is refused' >&2; exit 1; }\n\
                 case $* in\n\
                 *--umount*) exec umount --lazy \"$2\" ;;\n\
                 *LazyUnmount=yes*) ;;\n\
                 *) exit 2 ;;\n\
                 esac\n\
                 while [ $# -gt 2 ]; do shift; done\n\
                 exec mount -t ext4 -o noatime,nodev,nosuid,noexec \"$1\" \"$2\"\n"
                    .into(),
            ),
        ] {
            let path = self.root.join("bin").join(name);
            fs::write(&path, format!("#!/bin/sh\n{text}")).unwrap();
            fs::set_permissions(&path, PermissionsExt::from_mode(0o755)).unwrap();
        }
    }

    fn disk(&self) -> FoundDisk {
        let own = Wanted::read(&self.home.data()).unwrap().map(|wanted| wanted.uuid);
        Finder::new(&self.root).disks(own.as_deref()).into_iter().next().unwrap()
    }

    fn request(&self) -> PathBuf {
        self.root.join("run/keepsight/footage-disk")
    }

    /// `keepsight footage-disk`, as the system runs it.
    async fn system(&self, what: &str, cut: &str) -> Output {
        let path = format!("{}:{}", self.root.join("bin").display(), std::env::var("PATH").unwrap());
        let mut command = Command::new(KEEPSIGHT);
        command.env("PATH", path).env("CUT", cut).args(["footage-disk", what, "--config"]).arg(self.home.config());
        command.arg("--root").arg(&self.root);
        tokio::task::spawn_blocking(move || command.output().unwrap()).await.unwrap()
    }

    /// The system's program fails, with these words, and says so to the hub.
    async fn refuses(&self, code: &str, words: &str) {
        let done = self.system("change", "").await;
        let said = String::from_utf8_lossy(&done.stderr);
        assert!(done.status.code() == Some(1) && said.contains(words), "{code}: {done:?}");
        let progress = fs::read(self.root.join("run/keepsight-system/footage-disk.json")).unwrap();
        let progress: Value = serde_json::from_slice(&progress).unwrap();
        assert_eq!((&progress["stage"], &progress["problem"][0]), (&json!("failed"), &json!(code)));
        assert!(!self.request().exists(), "it is asked for once");
    }

    /// The hub on this machine: it sees the machine's disks, and nothing else of its files.
    async fn start(&self) -> HubProcess {
        let mut command = Command::new("unshare");
        let binds = "mount --bind \"$0/sys/block\" /sys/block && mount --bind \"$0/run\" /run && exec \"$@\"";
        command.args(["--mount", "sh", "-c", binds]).arg(&self.root).arg(KEEPSIGHT);
        command.env("RUNTIME_DIRECTORY", "/run/keepsight");
        self.started(HubProcess::start_with(command, &self.home).await)
    }

    /// The hub where disks may come and go.
    async fn start_plain(&self) -> HubProcess {
        self.started(HubProcess::start(Path::new(KEEPSIGHT), &self.home).await)
    }

    fn started(&self, hub: HubProcess) -> HubProcess {
        fs::write(self.home.scratch("hub.pid"), hub.pid().to_string()).unwrap();
        hub
    }

    fn is_mounted(&self) -> bool {
        number_of(fs::metadata(self.home.footage()).unwrap().dev())
            == fs::canonicalize(self.root.join("dev/sda1")).map(|node| number(&node)).unwrap_or_default()
    }

    /// What the programs of before mounted is not there after a power cut.
    fn power_cut(&self) {
        for at in [self.root.join("run/keepsight-system/new-footage"), self.home.footage()] {
            run_any("umount", &["--lazy", at.to_str().unwrap()]);
        }
    }
}

impl Drop for Machine {
    fn drop(&mut self) {
        self.power_cut();
        if let Ok(part) = fs::canonicalize(self.root.join("dev/sda1")) {
            run_any("losetup", &["--detach", part.to_str().unwrap()]);
        }
        for part in String::from_utf8_lossy(
            &run_any("losetup", &["--list", "--noheadings", "--output", "NAME,BACK-FILE"]).stdout,
        )
        .lines()
        .filter_map(|line| line.split_once(' '))
        .filter(|(_, file)| file.trim() == self.disk.to_str().unwrap())
        {
            run_any("losetup", &["--detach", part.0]);
        }
        run_any("losetup", &["--detach", self.disk.to_str().unwrap()]);
    }
}

/// Everything that the hub lists of a camera from before `until` plays.
async fn still_plays(owner: &Client, camera: &str, until: Timestamp) {
    let segments = owner.segments(camera).await;
    let before: Vec<_> = segments.into_iter().filter(|(start, _)| *start < until).collect();
    assert!(!before.is_empty());
    for (start, end) in before {
        owner.playback(camera, start, end).await.expect(200);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn e2e_a_disk_becomes_the_footage_disk_by_an_owners_yes_and_is_known_from_then_on() {
    let machine = Machine::new();
    let cameras = testkit::cameras(1).await;
    let hub = machine.start().await;
    let (owner, _) = hub::claim(Path::new(KEEPSIGHT), &machine.home).await;
    let camera = owner.add_camera("Front door", &cameras.addresses()[0].main).await;
    owner.wait_recording(std::slice::from_ref(&camera), SOON).await;

    // It is offered; without the password, and unless it is as it was seen, nothing is asked for.
    let disks = owner.get("/api/v1/system/disks").await.expect(200).json();
    let offered = &disks["disks"][0];
    assert_eq!((&disks["can_be_made"], &disks["change"]), (&json!(true), &Value::Null));
    assert_eq!((&offered["id"], &offered["fit"]), (&json!("Maker_Disk_1"), &json!("empty")));
    let path = "/api/v1/system/disks/footage";
    let yes = |password: &str, seen: &Value| json!({"password": password, "disk": "Maker_Disk_1", "seen": seen});
    let refused = owner.post(path, yes("wrong", &offered["seen"])).await;
    assert_eq!(refused.expect(401).problem(), "wrong-password");
    assert_eq!(owner.post(path, yes(PASSWORD, &json!("otherwise"))).await.expect(409).problem(), "disk-changed");
    assert!(!machine.request().exists());
    let answer = owner.post(path, yes(PASSWORD, &offered["seen"])).await.expect(202).json();
    assert_eq!(answer["change"]["stage"], "asked");
    assert_eq!(owner.post(path, yes(PASSWORD, &offered["seen"])).await.expect(409).problem(), "disk-being-prepared");

    let until = SystemClock.wall();
    let kept = owner.segments(&camera).await.len();
    let done = machine.system("change", "").await;
    assert!(done.status.success(), "{done:?}");
    hub.stop().await;
    assert!(machine.is_mounted() && machine.home.scratch("started").exists());
    assert!(!Wanted::moved(&machine.home.footage()).exists(), "the old place is free again");
    machine.udev();

    // The hub knows the disk, and all that there was is on it.
    let hub = machine.start().await;
    owner.wait_recording(std::slice::from_ref(&camera), SOON).await;
    assert!(owner.segments(&camera).await.len() >= kept);
    still_plays(&owner, &camera, until).await;
    let disks = owner.get("/api/v1/system/disks").await.expect(200).json();
    assert_eq!((&disks["disks"][0]["fit"], &disks["change"]["stage"]), (&json!("footage"), &json!("done")));
    let total = owner.get("/api/v1/system/storage").await.expect(200).json()["total_bytes"].as_u64().unwrap();
    assert!(total > DISK_BYTES / 10 * 9, "{total}");
    hub.stop().await;

    // Pulled: said, and nothing is written in its place. Back: mounted without a question.
    let hub = machine.start_plain().await;
    owner.wait_recording(std::slice::from_ref(&camera), SOON).await;
    run("umount", &["--lazy", machine.home.footage().to_str().unwrap()]);
    testkit::wait_for("the hub says that its disk is missing", SOON, async || {
        owner.get("/api/v1/system").await.expect(200).json()["storage"]["health"]["reason"] == "disk_missing"
    })
    .await;
    assert_eq!(fs::read_dir(machine.home.footage()).unwrap().count(), 0);
    let done = machine.system("mount", "").await;
    assert!(done.status.success() && machine.is_mounted(), "{done:?}");
    owner.wait_recording(std::slice::from_ref(&camera), SOON).await;
    still_plays(&owner, &camera, until).await;

    // A factory reset empties it too.
    let body = json!({"password": PASSWORD});
    owner.post("/api/v1/system/factory-reset", body).await.expect(204);
    testkit::wait_for("the disk is empty", SOON, async || !machine.home.footage().join(&camera).exists()).await;
    testkit::wait_for("the new hub runs", SOON, async || {
        let files = ["factory-reset.done", "root.pem"].map(|name| machine.home.data().join(name).exists());
        files == [true; 2] && tokio::net::TcpStream::connect(("127.0.0.1", machine.home.port)).await.is_ok()
    })
    .await;
    assert!(Wanted::is_set(&machine.home.data()), "it stays the hub's");
    hub.stop().await;
}

/// The power goes when the disk is formatted, when all was copied, and when the hub was about to change over.
#[tokio::test(flavor = "multi_thread")]
async fn e2e_a_power_cut_while_a_disk_is_made_leaves_the_footage_where_the_hub_looks() {
    let machine = Machine::new();
    let cameras = testkit::cameras(1).await;
    let mut hub = machine.start_plain().await;
    let (owner, _) = hub::claim(Path::new(KEEPSIGHT), &machine.home).await;
    let camera = owner.add_camera("Front door", &cameras.addresses()[0].main).await;
    owner.wait_recording(std::slice::from_ref(&camera), SOON).await;
    for cut in ["mkfs", "stop", "refused", "mount"] {
        let until = SystemClock.wall();
        let kept = owner.segments(&camera).await.len();
        machine.udev();
        let disk = machine.disk();
        Request::new(disk.id, disk.seen).write(&machine.request()).unwrap();
        let done = machine.system("change", cut).await;
        assert_eq!(done.status.code(), if cut == "refused" { Some(1) } else { None }, "{cut}: {done:?}");
        if cut == "refused" {
            // Not a power cut: it says so, and the hub is started in the old place.
            assert!(String::from_utf8_lossy(&done.stderr).contains("it is refused"), "{done:?}");
            assert!(!Wanted::is_set(&machine.home.data()));
        }
        hub.kill();
        machine.power_cut();
        machine.udev();
        let done = machine.system("mount", "").await;
        assert!(done.status.success(), "{done:?}");
        assert_eq!(machine.is_mounted(), cut == "mount", "{cut}: {done:?}");
        hub = machine.start_plain().await;
        owner.wait_recording(std::slice::from_ref(&camera), SOON).await;
        assert!(owner.segments(&camera).await.len() >= kept, "{cut}");
        still_plays(&owner, &camera, until).await;
    }
    // What was left in the old place goes with the next look.
    machine.system("mount", "").await;
    assert!(!Wanted::moved(&machine.home.footage()).exists());
    hub.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn e2e_a_disk_that_is_needed_or_is_not_what_it_was_is_left_as_it_is() {
    let machine = Machine::new();
    let asked = || {
        let disk = machine.disk();
        Request::new(disk.id, disk.seen).write(&machine.request()).unwrap();
    };
    run("mkfs.ext4", &["-q", "-F", "-L", "photos", machine.disk.to_str().unwrap()]);

    // Nobody asked.
    let done = machine.system("change", "").await;
    assert_eq!(done.status.code(), Some(1), "{done:?}");
    // Another one than it was when it was chosen.
    Request::new("Maker_Disk_1", "otherwise").write(&machine.request()).unwrap();
    machine.refuses("disk-changed", "is not as it was when it was chosen").await;
    Request::new("Another", machine.disk().seen).write(&machine.request()).unwrap();
    machine.refuses("disk-changed", "The disk is not there").await;
    // The kernel and the node do not say the same.
    machine.block("sda", &machine.disk, DISK_BYTES - 512);
    asked();
    machine.refuses("disk-changed", "is not as it was").await;
    machine.block("sda", &machine.disk, DISK_BYTES);
    // Mounted, whatever the files say.
    let at = machine.home.scratch("mounted");
    fs::create_dir(&at).unwrap();
    run("mount", &[machine.disk.to_str().unwrap(), at.to_str().unwrap()]);
    asked();
    machine.refuses("disk-unfit", "busy").await;
    // A stick with an update.
    fs::write(at.join("keepsight.raucb"), "an update").unwrap();
    run("umount", &[at.to_str().unwrap()]);
    let part = run("losetup", &["--find", "--show", machine.home.scratch("sda.img").to_str().unwrap()]);
    symlink(part.trim(), machine.root.join("dev/sda1")).unwrap();
    machine.block("sda/sda1", Path::new(part.trim()), DISK_BYTES);
    machine.says("sda/sda1", &[("ID_FS_TYPE", "ext4"), ("ID_FS_UUID", "u")]);
    asked();
    machine.refuses("disk-unfit", "An update of the system lies on it").await;
    // A system of ours.
    machine.says("sda/sda1", &[("ID_PART_ENTRY_NAME", "keepsight-root-a")]);
    asked();
    machine.refuses("disk-unfit", "A system of Keepsight is on it").await;
    machine.says("sda/sda1", &[]);
    // More footage than fits.
    let much = machine.home.footage().join("much");
    fs::File::create(&much).and_then(|file| file.set_len(DISK_BYTES)).unwrap();
    asked();
    machine.refuses("disk-unfit", "less room than the footage").await;

    let name = run("blkid", &["-p", "-o", "value", "-s", "LABEL", machine.disk.to_str().unwrap()]);
    assert_eq!(name.trim(), "photos");
    run("mount", &[machine.disk.to_str().unwrap(), at.to_str().unwrap()]);
    let there = fs::read_to_string(at.join("keepsight.raucb"));
    run("umount", &[at.to_str().unwrap()]);
    assert_eq!(there.unwrap(), "an update");
    assert!(!Wanted::is_set(&machine.home.data()) && !machine.home.scratch("started").exists());
}

/// The system's program is root, and what the hub asks it to copy is the hub's own: a hub that was broken into gets nothing by it.
#[tokio::test(flavor = "multi_thread")]
async fn e2e_what_the_hub_may_not_read_is_not_copied_for_it_and_the_rest_stays_the_hubs() {
    const NOBODY: u32 = 65_534;
    let machine = Machine::new();
    let give = |path: &Path, mode: u32| {
        std::os::unix::fs::chown(path, Some(NOBODY), Some(NOBODY)).unwrap();
        fs::set_permissions(path, PermissionsExt::from_mode(mode)).unwrap();
    };
    give(&machine.home.scratch(""), 0o711);
    let (footage, asked) = (machine.home.footage(), machine.root.join("run/keepsight"));
    for folder in [&machine.home.data(), &footage, &asked] {
        give(folder, 0o700);
    }
    for file in ["own", "secret"] {
        fs::write(footage.join(file), file).unwrap();
    }
    give(&footage.join("own"), 0o600);
    fs::set_permissions(footage.join("secret"), PermissionsExt::from_mode(0o600)).unwrap();
    let ask = || {
        machine.udev();
        let disk = machine.disk();
        Request::new(disk.id, disk.seen).write(&machine.request()).unwrap();
        give(&machine.request(), 0o600);
    };
    ask();
    machine.refuses("file-error", "secret: Permission denied").await;
    assert!(
        !Wanted::is_set(&machine.home.data()) && !machine.home.scratch("started").exists(),
        "the hub was not stopped"
    );

    fs::remove_file(footage.join("secret")).unwrap();
    ask();
    let done = machine.system("change", "").await;
    assert!(done.status.success() && machine.is_mounted(), "{done:?}");
    let owners = [&footage, &footage.join("own"), &Wanted::path(&machine.home.data())].map(|path| {
        let meta = fs::metadata(path).unwrap();
        (meta.uid(), meta.mode() & 0o777)
    });
    assert_eq!(owners, [(NOBODY, 0o700), (NOBODY, 0o600), (NOBODY, 0o600)]);
    assert_eq!(fs::read_to_string(footage.join("own")).unwrap(), "own");
}

/// `major:minor` of a device's node.
fn number(node: &Path) -> String {
    number_of(fs::metadata(node).unwrap().rdev())
}

fn number_of(device: u64) -> String {
    format!("{}:{}", nix::sys::stat::major(device), nix::sys::stat::minor(device))
}

fn run(program: &str, args: &[&str]) -> String {
    let done = run_any(program, args);
    let said = String::from_utf8_lossy(&done.stderr);
    assert!(done.status.success(), "{program} {args:?} needs root and loop devices: {said}");
    String::from_utf8(done.stdout).unwrap()
}

fn run_any(program: &str, args: &[&str]) -> Output {
    let done = Command::new(program).args(args).output();
    done.unwrap_or_else(|e| panic!("{program} is needed (packages e2fsprogs, fdisk, mount, util-linux): {e}"))
}
