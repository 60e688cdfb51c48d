//! `image-build/take-kernel`: a kernel that is not Debian's is taken out of packages that its owner gives (here: stand-ins), and
//! what the image could not start with is refused. `scripts/build-image` refuses a board whose kernel is missing.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use tempfile::TempDir;

const ROOT: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../..");
const TREE: &str = "broadcom/bcm2712-rpi-5-b.dtb";
const RELEASE: &str = "6.99.1+rpt-rpi-2712";

/// A folder with packages in `debs`, and a place for the kernel.
struct Bench {
    dir: TempDir,
}

impl Bench {
    fn new() -> Self {
        Self { dir: tempfile::tempdir().unwrap() }
    }
    /// What stands in for Raspberry Pi's: a package with a kernel, its modules and device trees, and one that names it.
    fn with_a_kernel() -> Self {
        let bench = Self::new();
        bench.package(
            &format!("linux-image-{RELEASE}"),
            "arm64",
            "",
            &[
                (&format!("boot/vmlinuz-{RELEASE}"), "MZ a kernel"),
                (&format!("lib/modules/{RELEASE}/kernel/fs/erofs/erofs.ko.xz"), "a module"),
                (&format!("lib/modules/{RELEASE}/modules.builtin"), "kernel/drivers/md/dm-verity.ko\n"),
                (&format!("usr/lib/linux-image-{RELEASE}/{TREE}"), "a device tree"),
            ],
        );
        bench.package("linux-image-rpi-2712", "arm64", &format!("Depends: linux-image-{RELEASE}\n"), &[]);
        bench
    }
    fn path(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }
    fn shell(&self, commands: &str) -> String {
        let ran = Command::new("bash").args(["-euc", commands]).current_dir(self.dir.path()).output().unwrap();
        assert!(ran.status.success(), "{commands}\n{}(scripts/setup installs what is missing)", text(&ran.stderr));
        text(&ran.stdout)
    }
    fn package(&self, name: &str, arch: &str, more: &str, files: &[(&str, &str)]) {
        let tree = self.path("tree");
        let _ = fs::remove_dir_all(&tree);
        write(
            &tree.join("DEBIAN/control"),
            &format!(
                "Package: {name}\nVersion: 1.0\nArchitecture: {arch}\nMaintainer: nobody <nobody@example.org>\n{more}Description: a stand-in\n"
            ),
        );
        for (path, contents) in files {
            write(&tree.join(path), contents);
        }
        self.shell(&format!("mkdir -p debs; dpkg-deb --root-owner-group --build tree debs/{name}_{arch}.deb"));
    }
    /// A source for apt with these packages, signed by a key; its file has the key if one is given.
    fn source(&self, signer: &str, key: Option<&str>) -> PathBuf {
        self.shell(&format!(
            "for name in ours theirs; do
                 if [ -e $name ]; then continue; fi
                 mkdir -p -m 700 $name
                 gpg --homedir $name --batch --quiet --passphrase '' --quick-gen-key \"$name <$name@example.org>\" ed25519 sign never
                 gpg --homedir $name --armor --export > $name.asc
             done 2> gpg.log
             cd debs
             for deb in *.deb; do
                 dpkg-deb --field \"$deb\"
                 printf 'Filename: %s\\nSize: %s\\nSHA256: %s\\n\\n' \"$deb\" \"$(stat -c %s \"$deb\")\" \"$(sha256sum < \"$deb\" | cut -d' ' -f1)\"
             done > Packages
             printf 'Suite: ./\\nDate: %s\\nSHA256:\\n %s %s Packages\\n' \"$(date --utc --rfc-email)\" \"$(sha256sum < Packages | cut -d' ' -f1)\" \
                 \"$(stat -c %s Packages)\" > Release
             gpg --homedir ../{signer} --batch --quiet --yes --clearsign --output InRelease Release 2>> ../gpg.log
             gpgconf --homedir ../ours --kill all; gpgconf --homedir ../theirs --kill all"
        ));
        let signed_by = key.map_or(String::new(), |key| {
            let key = fs::read_to_string(self.path(&format!("{key}.asc"))).unwrap();
            // As deb822 wants it: each line indented, an empty one a dot.
            let lines = key.lines().map(|line| if line.is_empty() { " .\n".into() } else { format!(" {line}\n") });
            format!("Signed-By:\n{}", lines.collect::<String>())
        });
        let file = self.path("kernel.sources");
        write(&file, &format!("Types: deb\nURIs: file:{}\nSuites: ./\n{signed_by}", self.path("debs").display()));
        file
    }
    fn take(&self, source: &Path) -> Output {
        let mut command = Command::new(format!("{ROOT}/image-build/take-kernel"));
        command.arg(source).args(["arm64", "out", TREE, "linux-image-rpi-2712"]).current_dir(self.dir.path());
        command.output().expect("bash runs")
    }
    fn refused(&self, source: &Path) -> String {
        let ran = self.take(source);
        assert_eq!(ran.status.code(), Some(1), "{}", text(&ran.stderr));
        text(&ran.stderr)
    }
    /// All that the recipe looks for.
    fn assert_taken(&self, ran: &Output) {
        assert!(ran.status.success(), "{}", text(&ran.stderr));
        for (path, contents) in [
            (format!("boot/vmlinuz-{RELEASE}"), "MZ a kernel"),
            (format!("usr/lib/modules/{RELEASE}/kernel/fs/erofs/erofs.ko.xz"), "a module"),
            (format!("usr/lib/linux-image-{RELEASE}/{TREE}"), "a device tree"),
        ] {
            let found = fs::read_to_string(self.path("out").join(&path)).unwrap_or_else(|e| panic!("{path}: {e}"));
            assert_eq!(found, contents, "{path}");
        }
        let listed = fs::read_to_string(self.path("out/packages.tsv")).unwrap();
        assert!(listed.contains(&format!("linux-image-{RELEASE}\t1.0\t")), "{listed}");
    }
}

fn write(path: &Path, contents: &str) {
    fs::create_dir_all(path.parent().unwrap()).unwrap();
    fs::write(path, contents).unwrap();
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

#[test]
fn a_folder_of_packages_gives_a_kernel_its_modules_and_device_trees() {
    let bench = Bench::with_a_kernel();
    bench.assert_taken(&bench.take(&bench.path("debs")));
}

#[test]
fn a_kernel_that_is_packed_is_unpacked_and_other_makers_names_are_known() {
    let bench = Bench::new();
    bench.package(
        "nvidia-l4t-kernel",
        "arm64",
        "",
        &[
            (&format!("lib/modules/{RELEASE}/kernel/fs/erofs/erofs.ko"), "a module"),
            (&format!("lib/modules/{RELEASE}/kernel/drivers/md/dm-verity.ko.zst"), "a module"),
            ("boot/dtb/bcm2712-rpi-5-b.dtb", "a device tree"),
        ],
    );
    bench.shell(
        "dpkg-deb --raw-extract debs/*.deb again; rm debs/*.deb; printf 'MZ a kernel' | gzip > again/boot/Image
         dpkg-deb --root-owner-group --build again debs/k.deb",
    );
    let ran = bench.take(&bench.path("debs"));
    assert!(ran.status.success(), "{}", text(&ran.stderr));
    assert_eq!(fs::read_to_string(bench.path(&format!("out/boot/vmlinuz-{RELEASE}"))).unwrap(), "MZ a kernel");
    assert!(bench.path(&format!("out/usr/lib/linux-image-{RELEASE}/{TREE}")).exists());
}

#[test]
fn packages_that_the_image_could_not_start_with_are_refused() {
    let kernel = |start: &'static str| (format!("boot/vmlinuz-{RELEASE}"), start);
    let module = |name: &str| (format!("lib/modules/{RELEASE}/kernel/{name}.ko"), "a module");
    let tree = || (format!("usr/lib/linux-image-{RELEASE}/{TREE}"), "a device tree");
    let (erofs, verity) = (|| module("fs/erofs"), || module("md/dm-verity"));
    for (files, arch, said) in [
        (vec![erofs(), verity(), tree()], "arm64", "of kernels (boot/vmlinuz*, boot/Image) there must be one"),
        (vec![kernel("MZ"), ("boot/Image".into(), "MZ"), erofs(), verity(), tree()], "arm64", "and there are 2"),
        (vec![kernel("MZ"), tree()], "arm64", "of modules (lib/modules/RELEASE) there must be those of one kernel"),
        (vec![kernel("MZ"), erofs(), verity(), tree()], "amd64", "is for amd64, and the board is arm64"),
        (vec![kernel("\u{1f}"), erofs(), verity(), tree()], "arm64", "has no EFI stub"),
        (vec![kernel("MZ"), verity(), tree()], "arm64", "has no erofs"),
        (vec![kernel("MZ"), erofs(), tree()], "arm64", "has no dm-verity"),
        (vec![kernel("MZ"), erofs(), verity()], "arm64", "the device tree broadcom/bcm2712-rpi-5-b.dtb is not in"),
    ] {
        let bench = Bench::new();
        let files: Vec<_> = files.iter().map(|(path, contents)| (path.as_str(), *contents)).collect();
        bench.package("kernel", arch, "", &files);
        let error = bench.refused(&bench.path("debs"));
        assert!(error.starts_with("take-kernel: ") && error.contains(said), "{said}: {error}");
    }
}

#[test]
fn what_is_no_source_is_refused() {
    let bench = Bench::new();
    fs::create_dir(bench.path("debs")).unwrap();
    fs::write(bench.path("list"), "deb https://example.org ./\n").unwrap();
    assert!(bench.refused(&bench.path("debs")).contains("has no packages (.deb)"));
    assert!(bench.refused(&bench.path("list")).contains("is neither a folder with packages nor a file NAME.sources"));
    fs::write(bench.path("debs/no.deb"), "nothing").unwrap();
    assert!(bench.refused(&bench.path("debs")).contains("is no package"));
}

#[test]
fn a_source_for_apt_gives_the_kernel_that_its_package_names() {
    let bench = Bench::with_a_kernel();
    // Another kernel lies there too, which nobody asked for.
    bench.package(
        "linux-image-other",
        "arm64",
        "",
        &[("boot/vmlinuz-other", "MZ another"), ("lib/modules/other/erofs.ko", "")],
    );
    let source = bench.source("ours", Some("ours"));
    bench.assert_taken(&bench.take(&source));
}

#[test]
fn a_source_that_is_signed_by_another_key_or_names_none_is_refused() {
    let bench = Bench::with_a_kernel();
    let source = bench.source("theirs", Some("ours"));
    assert!(bench.refused(&source).contains("cannot be used"));
    let source = bench.source("ours", None);
    assert!(bench.refused(&source).contains("names no key (Signed-By)"));
    assert!(!bench.path("out").exists());
}

#[test]
fn a_board_whose_kernel_is_missing_is_not_built() {
    let build = |words: &[&str]| {
        let ran = Command::new(format!("{ROOT}/scripts/build-image")).args(words).output().expect("bash runs");
        assert_eq!(ran.status.code(), Some(1), "{words:?}: {}{}", text(&ran.stdout), text(&ran.stderr));
        text(&ran.stderr)
    };
    for (words, said) in [
        (
            &["jetson-orin"][..],
            &["the kernel of jetson-orin is to be \"l4t\"", "nvidia-l4t-kernel", "hardware/jetson-orin/README.md"][..],
        ),
        (
            &["raspberry-pi-5"],
            &["the kernel of raspberry-pi-5 is to be \"raspberrypi\"", "linux-image-rpi-2712", "--kernel"],
        ),
        (&["raspberry-pi-4", "--flavour", "raspberrypi"], &["linux-image-rpi-v8"]),
        (&["jetson-orin", "--kernel", "/nowhere/at/all"], &["there is no /nowhere/at/all"]),
        (&["generic-arm64", "--kernel", "/"], &["--flavour raspberrypi or l4t"]),
        (&["raspberry-pi-5", "--flavour", "debian"], &["Debian's kernel does not carry raspberry-pi-5"]),
        (&["generic-arm64", "--flavour", "l4t"], &["no kernel of the flavour \"l4t\" for generic-arm64"]),
    ] {
        let error = build(words);
        assert!(said.iter().all(|said| error.contains(said)), "{words:?}: {error}");
    }
}
