//! `keepsight open`: with the right key everything comes out; with anything else a person is told why not.

use std::io::Write;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use base::{CameraId, EpochId, SimClock};
use vault::{EpochSecrets, RecoveryKit, Viewer};

/// Three chunks and a bit.
const LEN: usize = 200_000;

#[test]
fn the_cameras_key_opens_to_stdout_and_to_a_file() {
    let disk = Disk::new();
    let output = disk.open(&disk.key, &[]);
    assert_eq!((output.status.code(), output.stdout, said(&output.stderr)), (Some(0), disk.plain.clone(), ""));

    let to = disk.path("out.mp4");
    let output = disk.open(&disk.key, &["-o", to.to_str().unwrap()]);
    assert_eq!((output.status.code(), said(&output.stdout), said(&output.stderr)), (Some(0), "", ""));
    assert_eq!(std::fs::read(&to).unwrap(), disk.plain);
    assert_eq!(to.metadata().unwrap().permissions().mode() & 0o777, 0o600);
}

#[test]
fn no_file_is_overwritten() {
    let disk = Disk::new();
    let sealed = std::fs::read(&disk.file).unwrap();
    let output = disk.open(&disk.key, &["-o", disk.file.to_str().unwrap()]);
    assert_eq!(output.status.code(), Some(2));
    let words = format!("keepsight: {} is there already. Give another name with -o.\n", disk.file.display());
    assert_eq!(said(&output.stderr), words);
    assert_eq!(std::fs::read(&disk.file).unwrap(), sealed);
}

#[test]
fn the_recovery_kit_opens_with_the_key_files_beside_the_footage() {
    let disk = Disk::new();
    for kit in [disk.kit.words(), disk.kit.secret_key()] {
        let key = disk.path("kit.txt");
        std::fs::write(&key, &*kit).unwrap();
        let output = disk.open(&key, &[]);
        assert_eq!((output.status.code(), said(&output.stderr)), (Some(0), ""));
        assert_eq!(output.stdout, disk.plain);
    }
    let key = disk.path("kit.json");
    let json = serde_json::json!({ "recovery_kit": { "words": *disk.kit.words(), "secret": *disk.kit.secret_key() } });
    std::fs::write(&key, json.to_string()).unwrap();
    assert_eq!(disk.open(&key, &[]).stdout, disk.plain);
}

#[test]
fn a_kit_without_key_files_says_where_they_are_wanted() {
    let disk = Disk::new();
    std::fs::remove_dir_all(&disk.keys).unwrap();
    let key = disk.path("kit.txt");
    std::fs::write(&key, &*disk.kit.words()).unwrap();
    let output = disk.open(&key, &[]);
    let folder = disk.keys.display();
    assert_failed(
        &output,
        &format!(
            "This key does not open the file. The recovery kit opens the camera's key files, and there are none in {folder}. Use the key file of the camera and time that the file is from."
        ),
    );
}

#[test]
fn another_cameras_key_and_another_kit_open_nothing() {
    let (disk, other) = (Disk::new(), Disk::new());
    let wrong = "This key does not open the file. Use the key file of the camera and time that the file is from.";
    let to = disk.path("out.mp4");
    assert_failed(&disk.open(&other.key, &["-o", to.to_str().unwrap()]), wrong);
    assert!(!to.exists(), "what is not opened leaves no file");
    for kit in [other.kit.words(), other.kit.secret_key()] {
        let key = disk.path("kit.txt");
        std::fs::write(&key, &*kit).unwrap();
        assert_failed(&disk.open(&key, &[]), wrong);
    }
}

#[test]
fn what_is_no_key_is_told_apart_from_a_wrong_key() {
    let disk = Disk::new();
    let key = disk.path("no.key");
    for (content, detail) in [
        (&b"# nothing\n"[..], "It holds neither a key nor 24 words"),
        (b"secret words of mine", "It holds neither a key nor 24 words"),
        (b"\xff\xfe", "It is not text"),
    ] {
        std::fs::write(&key, content).unwrap();
        let words = format!(
            "This is not a key file. {detail}. Give a file with an AGE-SECRET-KEY-1 line, the 24 words, or the JSON of the claim."
        );
        assert_failed(&disk.open(&key, &[]), &words);
    }
    let missing = disk.path("missing");
    let words = format!(
        "A file could not be read or written. cannot read {}: No such file or directory (os error 2). Check that it is there, its permissions and the space on the disk.",
        missing.display()
    );
    assert_failed(&disk.open(&missing, &[]), &words);
}

#[test]
fn a_file_that_was_cut_short_is_given_as_far_as_it_goes() {
    let disk = Disk::new();
    let sealed = std::fs::read(&disk.file).unwrap();
    std::fs::write(&disk.file, &sealed[..sealed.len() - 100]).unwrap();
    let output = disk.open(&disk.key, &[]);
    assert_eq!((output.status.code(), &output.stdout[..]), (Some(0), &disk.plain[..3 * 65_536]));
    let words = format!(
        "keepsight: {} was cut short, as by a power failure: the 196608 bytes up to there were given.\n",
        disk.file.display()
    );
    assert_eq!(said(&output.stderr), words);
}

#[test]
fn a_damaged_file_is_given_up_to_the_damage_and_fails() {
    let disk = Disk::new();
    let sealed = std::fs::read(&disk.file).unwrap();
    let flip = |at: usize| {
        let mut damaged = sealed.clone();
        damaged[at] ^= 1;
        std::fs::write(&disk.file, damaged).unwrap();
        disk.open(&disk.key, &[])
    };
    let output = flip(sealed.len() - 100_000);
    assert_eq!((output.status.code(), &output.stdout[..]), (Some(1), &disk.plain[..65_536]));
    let words = format!(
        "keepsight: {} is damaged after 65536 bytes. Those were given; of what comes after, restore a copy if there is one.\n",
        disk.file.display()
    );
    assert_eq!(said(&output.stderr), words);

    let nothing = "The file is damaged from its start. Run `keepsight check`; nothing of it can be shown.";
    assert_failed(&flip(3), nothing);
    assert_failed(&flip(sealed.len() - LEN), nothing);
    std::fs::write(&disk.file, "").unwrap();
    assert_failed(&disk.open(&disk.key, &[]), nothing);
}

fn assert_failed(output: &Output, words: &str) {
    let expected = (Some(1), "", format!("keepsight: {words}\n"));
    assert_eq!((output.status.code(), said(&output.stdout), said(&output.stderr).to_owned()), expected);
}

fn said(bytes: &[u8]) -> &str {
    std::str::from_utf8(bytes).unwrap()
}

/// One sealed file of one camera, where it belongs, and its keys.
struct Disk {
    folder: tempfile::TempDir,
    file: PathBuf,
    keys: PathBuf,
    key: PathBuf,
    kit: RecoveryKit,
    plain: Vec<u8>,
}

impl Disk {
    fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let clock = SimClock::default();
        let (camera, epoch) = (CameraId::new(&clock), EpochId::new(&clock));
        let (secrets, kit) = (EpochSecrets::generate(epoch, camera), RecoveryKit::generate());

        let root = folder.path().canonicalize().unwrap().join(camera.to_string());
        let (day, keys) = (root.join("2026-01-01"), root.join("keys"));
        std::fs::create_dir_all(&day).unwrap();
        std::fs::create_dir_all(&keys).unwrap();
        let kit_file = secrets.kit_file(&kit.recipient());
        std::fs::write(keys.join(format!("{epoch}.age")), &kit_file).unwrap();

        let plain: Vec<u8> = (0..LEN).map(|n| (n * n / 7) as u8).collect();
        let file = day.join("a.main.mp4.age");
        let mut sealer = vault::seal(&secrets.public().footage, std::fs::File::create(&file).unwrap()).unwrap();
        sealer.write_all(&plain).unwrap();
        sealer.finish().unwrap();

        let (viewer, _) = Viewer::from_recovery_kit(&kit, [(camera, epoch, kit_file)]);
        let key = folder.path().join("camera.key");
        std::fs::write(&key, &*viewer.export_key(camera, epoch).unwrap()).unwrap();
        Self { folder, file, keys, key, kit, plain }
    }
    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }
    fn open(&self, key: &Path, more: &[&str]) -> Output {
        let mut command = Command::new(env!("CARGO_BIN_EXE_keepsight"));
        command.arg("open").arg(&self.file).arg("--key").arg(key).args(more).output().unwrap()
    }
}
