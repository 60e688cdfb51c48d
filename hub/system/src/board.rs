//! What the image says of itself: which board it was made for, and which version of the system it is.
//!
//! A hub without these files runs on a machine of its owner's own making. That is no error: it has no board, no slots and
//! no updates.

use std::path::{Component, Path, PathBuf};

use base::fs::FsError;
use base::runtime::Runtime;
use base::{Problem, ProblemKind, Timestamp};
use semver::Version;
use serde::{Deserialize, Serialize};

/// The board's own file, below the root of the machine.
pub const BOARD_FILE: &str = "usr/share/keepsight/board.toml";
/// The image's own file, below the root of the machine.
pub const IMAGE_FILE: &str = "usr/lib/keepsight/image.toml";
/// Longer files are something else.
const MAX_BYTES: u64 = 64 * 1024;

/// `board.toml`: a hardware profile. image-build reads the same file.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Board {
    /// The folder in `hardware/`, such as `raspberry-pi-4`.
    pub name: String,
    /// What people call it.
    pub title: String,
    /// Its processor.
    pub arch: Arch,
    /// Where its kernel comes from.
    #[serde(default)]
    pub kernel: Kernel,
    /// Debian packages with firmware that it needs.
    #[serde(default)]
    pub firmware: Vec<String>,
    /// Device trees of its kernel that it boots with.
    #[serde(default)]
    pub device_trees: Vec<String>,
    /// What it should decode with, best first.
    #[serde(default)]
    pub decoders: Vec<Decoder>,
    /// What it should look for objects with, best first, besides the hub's own library.
    #[serde(default)]
    pub detectors: Vec<Runtime>,
    /// Names in `/sys/class/leds` that the hub may use.
    #[serde(default)]
    pub leds: Vec<String>,
    /// What it was measured to carry.
    #[serde(default)]
    pub limits: BoardLimits,
}

/// A processor's architecture, by Debian's names.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Arch {
    /// 64-bit ARM.
    Arm64,
    /// 64-bit x86.
    Amd64,
}

/// `[kernel]`
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Kernel {
    /// Whose kernel it is.
    #[serde(default)]
    pub flavour: Flavour,
}

/// Whose kernel a board runs.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Flavour {
    /// Debian's own.
    #[default]
    Debian,
    /// Raspberry Pi's, with hardware decoders and CSI cameras.
    RaspberryPi,
    /// NVIDIA's Linux for Tegra.
    L4t,
}

/// A decoder that a board should have.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Decoder {
    /// Such as `h264`.
    pub codec: String,
    /// GStreamer's element, such as `v4l2h264dec`.
    pub element: String,
}

/// `[limits]`
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct BoardLimits {
    /// So many cameras, as far as was measured.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cameras: Option<u32>,
}

/// `image.toml`: which system this is.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Image {
    /// The system's version.
    pub version: Version,
    /// The board that it was made for.
    pub board: String,
    /// What an update must be for, so that it is taken.
    pub compatible: String,
    /// When it was built.
    pub built: Timestamp,
}

/// A file of the image cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum BoardError {
    /// It cannot be read.
    #[error(transparent)]
    Read(#[from] FsError),
    /// It is not what it should be.
    #[error("{path}, line {line}: {why}", path = path.display())]
    Bad {
        /// Which file.
        path: PathBuf,
        /// Where in it, from 1.
        line: usize,
        /// What is wrong, on one line.
        why: String,
    },
}

impl From<&BoardError> for Problem {
    fn from(error: &BoardError) -> Problem {
        let detail = match error {
            BoardError::Read(e) => format!("{e}: {}", e.source),
            bad => bad.to_string(),
        };
        Problem::with(ProblemKind::BadImage, detail)
    }
}

impl Board {
    /// Reads the text of a `board.toml`; the path is only for errors.
    pub fn parse(path: &Path, text: &str) -> Result<Self, BoardError> {
        let board: Self = parse(path, text)?;
        if !is_name(&board.name) {
            return Err(bad(path, text, "name", "a board's name is made of a-z, 0-9 and -"));
        }
        // What lies beside a library may be read by who looks for objects: it lies where nothing else does.
        let of = |d: &Runtime| {
            let devices = d.devices.iter().map(|device| (device.clone(), &["/dev"][..]));
            devices.chain([(d.library.clone(), &["/usr", "/opt"][..])]).collect::<Vec<_>>()
        };
        for (found, folders) in board.detectors.iter().flat_map(of) {
            let below = folders.iter().find_map(|folder| found.strip_prefix(folder).ok());
            let is_plain = |below: &Path| below.components().all(|part| matches!(part, Component::Normal(_)));
            // A library in a folder there, a device.
            let least = if folders.contains(&"/dev") { 1 } else { 2 };
            let good = below.is_some_and(|below| is_plain(below) && below.components().count() >= least);
            if !good || found.to_string_lossy().chars().any(char::is_control) {
                let (found, folders) = (found.to_string_lossy(), folders.join(" or "));
                let why = format!("{} is not in a folder below {folders}", found.escape_debug());
                return Err(bad(path, text, "detectors", &why));
            }
        }
        Ok(board)
    }

    /// The board that the machine below `root` has; `None`: none that is known.
    pub fn of(root: &Path) -> Result<Option<Self>, BoardError> {
        read(&root.join(BOARD_FILE), Self::parse)
    }
}

impl Image {
    /// Reads the text of an `image.toml`; the path is only for errors.
    pub fn parse(path: &Path, text: &str) -> Result<Self, BoardError> {
        let image: Self = parse(path, text)?;
        if image.compatible != format!("keepsight-{}", image.board) {
            return Err(bad(path, text, "compatible", "compatible is `keepsight-` and the board's name"));
        }
        Ok(image)
    }

    /// The image that the machine below `root` was started from; `None`: it was set up otherwise.
    pub fn of(root: &Path) -> Result<Option<Self>, BoardError> {
        Self::read(&root.join(IMAGE_FILE))
    }

    /// The image that a file tells of; `None`: there is no such file.
    pub fn read(path: &Path) -> Result<Option<Self>, BoardError> {
        read(path, Self::parse)
    }
}

fn read<T>(path: &Path, parse: fn(&Path, &str) -> Result<T, BoardError>) -> Result<Option<T>, BoardError> {
    match base::fs::read(path, MAX_BYTES) {
        Err(e) if e.is_not_found() => Ok(None),
        Err(e) => Err(e.into()),
        Ok(bytes) => match std::str::from_utf8(&bytes) {
            Ok(text) => parse(path, text).map(Some),
            Err(_) => Err(BoardError::Bad { path: path.to_owned(), line: 1, why: "it is not UTF-8".into() }),
        },
    }
}

fn parse<T: for<'de> Deserialize<'de>>(path: &Path, text: &str) -> Result<T, BoardError> {
    toml::from_str(text).map_err(|e| {
        let line =
            e.span().and_then(|span| text.get(..span.start)).map_or(1, |before| 1 + before.matches('\n').count());
        let why = e.message().split_whitespace().collect::<Vec<_>>().join(" ");
        BoardError::Bad { path: path.to_owned(), line, why }
    })
}

fn bad(path: &Path, text: &str, key: &str, why: &str) -> BoardError {
    let line = text.lines().position(|line| line.trim_start().starts_with(key)).map_or(1, |at| at + 1);
    BoardError::Bad { path: path.to_owned(), line, why: why.to_owned() }
}

fn is_name(name: &str) -> bool {
    !name.is_empty() && name.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-')
}

#[cfg(test)]
mod tests {
    use base::runtime::Provider;

    use super::*;
    use proptest::prelude::*;

    const PI: &str = "name = \"raspberry-pi-4\"\ntitle = \"Raspberry Pi 4\"\narch = \"arm64\"\n\
        firmware = [\"raspi-firmware\"]\ndevice_trees = [\"broadcom/bcm2711-rpi-4-b.dtb\"]\nleds = [\"ACT\"]\n\
        decoders = [{ codec = \"h264\", element = \"v4l2h264dec\" }]\n\
        [kernel]\nflavour = \"raspberrypi\"\n[limits]\ncameras = 8\n";
    const IMAGE: &str = "version = \"0.1.0\"\nboard = \"generic-arm64\"\ncompatible = \"keepsight-generic-arm64\"\n\
        built = \"2026-01-01T00:00:00Z\"\n";

    fn board(text: &str) -> Result<Board, String> {
        Board::parse(Path::new("board.toml"), text).map_err(|e| e.to_string())
    }
    fn image(text: &str) -> Result<Image, String> {
        Image::parse(Path::new("image.toml"), text).map_err(|e| e.to_string())
    }

    #[test]
    fn a_board_says_what_it_is() {
        let pi = board(PI).unwrap();
        assert_eq!((pi.arch, pi.kernel.flavour, pi.limits.cameras), (Arch::Arm64, Flavour::RaspberryPi, Some(8)));
        assert_eq!(pi.decoders, [Decoder { codec: "h264".into(), element: "v4l2h264dec".into() }]);
        let least = board("name = \"pc\"\ntitle = \"A PC\"\narch = \"amd64\"\n").unwrap();
        assert_eq!((least.kernel.flavour, least.limits.cameras), (Flavour::Debian, None));
        assert!(least.firmware.is_empty() && least.decoders.is_empty() && least.detectors.is_empty());
        let jetson = "name = \"j\"\ntitle = \"J\"\narch = \"arm64\"\ndetectors = [{ library = \"/usr/lib/a.so\", \
            provider = \"tensorrt\", devices = [\"/dev/nvmap\"] }, { library = \"/usr/lib/a.so\", provider = \"cpu\" }]\n";
        let detectors = board(jetson).unwrap().detectors;
        assert_eq!(detectors.iter().map(|d| d.provider).collect::<Vec<_>>(), [Provider::TensorRt, Provider::Cpu]);
        assert_eq!((&detectors[0].devices[..], &detectors[1].devices[..]), (&["/dev/nvmap".into()][..], &[][..]));
    }

    #[test]
    fn what_is_wrong_is_named_with_its_line() {
        for (text, said) in [
            ("name = \"pc\"\ntitle = \"A PC\"\n", "missing field `arch`"),
            ("name = \"pc\"\ntitle = \"A\"\narch = \"arm64\"\nfans = 2\n", "line 4: unknown field `fans`"),
            ("name = \"pc\"\ntitle = \"A\"\narch = \"mips\"\n", "line 3: unknown variant `mips`"),
            ("name = \"A PC\"\ntitle = \"A\"\narch = \"arm64\"\n", "line 1: a board's name"),
            (
                "name = \"pc\"\ntitle = \"A\"\narch = \"arm64\"\n[kernel]\nflavour = \"bsd\"\n",
                "line 5: unknown variant",
            ),
            (
                "name = \"pc\"\ntitle = \"A\"\narch = \"arm64\"\ndetectors = [{ library = \"a.so\", provider = \"cpu\" }]\n",
                "line 4: a.so is not in a folder below /usr or /opt",
            ),
            (
                "name = \"pc\"\ntitle = \"A\"\narch = \"arm64\"\ndetectors = [{ library = \"/usr/lib/a.so\", provider = \"cuda\", \
                 devices = [\"/dev/../etc\"] }]\n",
                "line 4: /dev/../etc is not in a folder below /dev",
            ),
            (
                "name = \"pc\"\ntitle = \"A\"\narch = \"arm64\"\ndetectors = [{ library = \"/a.so\", provider = \"npu\" }]\n",
                "line 4: unknown variant `npu`",
            ),
            ("name =", "line 1:"),
        ] {
            let error = board(text).unwrap_err();
            assert!(error.starts_with("board.toml, line ") && error.contains(said), "{error}");
        }
    }

    #[test]
    fn an_image_says_which_version_it_is_and_for_which_board() {
        assert_eq!(image(IMAGE).unwrap().version, Version::new(0, 1, 0));
        for (from, to, said) in [
            ("0.1.0", "0.1", "line 1: "),
            ("keepsight-generic-arm64", "keepsight-jetson-orin", "line 3: compatible is `keepsight-`"),
            ("2026-01-01T00:00:00Z", "yesterday", "line 4: "),
            ("built", "build", "line 4: unknown field `build`"),
        ] {
            let error = image(&IMAGE.replace(from, to)).unwrap_err();
            assert!(error.contains(said), "{error}");
        }
    }

    #[test]
    fn a_machine_without_these_files_has_no_board_and_a_damaged_one_is_an_error() {
        let root = tempfile::tempdir().unwrap();
        assert_eq!(Board::of(root.path()).unwrap(), None);
        assert_eq!(Image::of(root.path()).unwrap(), None);
        let path = root.path().join(IMAGE_FILE);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(&path, IMAGE).unwrap();
        assert_eq!(Image::of(root.path()).unwrap(), Some(image(IMAGE).unwrap()));
        std::fs::write(&path, [0xff]).unwrap();
        assert!(Image::of(root.path()).unwrap_err().to_string().contains("UTF-8"));
    }

    proptest! {
        #[test]
        fn any_text_is_read_or_refused(text in "\\PC{0,200}") {
            let _ = (board(&text), image(&text));
        }

        #[test]
        fn a_board_that_is_written_is_read_again(name in "[a-z0-9-]{1,20}", title in "\\PC{0,20}", cameras: Option<u32>) {
            let mut one = board(PI).unwrap();
            (one.name, one.title, one.limits.cameras) = (name, title, cameras);
            let text = toml::to_string(&one).unwrap();
            prop_assert_eq!(board(&text).unwrap(), one);
        }
    }
}
