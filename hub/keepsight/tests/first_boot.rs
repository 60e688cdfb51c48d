//! `keepsight first-boot`, the real binary: what it says, and how it ends.

use std::os::unix::fs::PermissionsExt;
use std::process::{Command, Output};

const KEEPSIGHT: &str = env!("CARGO_BIN_EXE_keepsight");

fn first_boot(args: &[&str]) -> (Option<i32>, String, String) {
    let Output { status, stdout, stderr } = Command::new(KEEPSIGHT).arg("first-boot").args(args).output().unwrap();
    (status.code(), String::from_utf8(stdout).unwrap(), String::from_utf8(stderr).unwrap())
}

#[test]
fn a_machine_is_told_and_a_bad_file_does_not_keep_it_from_what_was_set() {
    let dir = tempfile::tempdir().unwrap();
    let root = dir.path();
    for folder in ["efi", "proc/sys/kernel", "run", "var/lib/keepsight"] {
        std::fs::create_dir_all(root.join(folder)).unwrap();
    }
    std::fs::write(root.join("proc/sys/kernel/hostname"), "keepsight").unwrap();
    let args = ["--root", root.to_str().unwrap()];
    assert_eq!(first_boot(&args), (Some(0), String::new(), String::new()), "nothing was set");

    let file = root.join("efi/first-boot.toml");
    std::fs::write(&file, "name = \"garage\"\n").unwrap();
    let said = "first-boot.toml was taken.\nName: garage.\n";
    assert_eq!(first_boot(&args), (Some(0), said.into(), String::new()));
    // The screen's user reads it.
    for (path, mode) in [("run/keepsight-system", 0o755), ("run/keepsight-system/first-boot.txt", 0o644)] {
        assert_eq!(root.join(path).metadata().unwrap().permissions().mode() & 0o777, mode, "{path}");
    }

    std::fs::write(&file, "name = \"my hub\"\n[wifi]\npassword = \"hunter22\"\n").unwrap();
    let (code, said, error) = first_boot(&args);
    assert_eq!((code, error.as_str()), (Some(1), "keepsight: 4 things are wrong, see above.\n"));
    assert!(
        said.starts_with("first-boot.toml, line 1: name is made of ") && said.ends_with("\nName: garage.\n"),
        "{said}"
    );
    assert!(!said.contains("hunter22"), "{said}");
}

#[test]
fn a_file_is_looked_at_before_it_is_used() {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("first-boot.toml");
    let path = file.to_str().unwrap();
    std::fs::write(&file, "ssh = false\n").unwrap();
    assert_eq!(first_boot(&["--check", path]), (Some(0), "The file can be used.\n".into(), String::new()));
    std::fs::write(&file, "ssh = true\n").unwrap();
    let (code, said, _) = first_boot(&["--check", path]);
    assert_eq!((code, said), (Some(1), format!("{path}, line 1: ssh is a section [ssh], or false.\n")));
    let (code, said, error) = first_boot(&["--check", "/none"]);
    assert_eq!((code, said.as_str()), (Some(1), ""));
    assert!(error.contains("A file could not be read or written. /none: "), "{error}");
    assert_eq!(first_boot(&["--check", path, "--root", "/"]).0, Some(2));
}
