//! Which device files hardware decoders have, of all that there are: a child may open these and nothing else.

use std::ffi::OsStr;
use std::fs::{self, File};
use std::os::fd::AsRawFd;
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use nix::libc;

/// Of VA-API, and NVIDIA's: for cards, and for Jetson.
const KNOWN: [&str; 8] = [
    "/dev/dri",
    "/dev/nvidia0",
    "/dev/nvidiactl",
    "/dev/nvidia-uvm",
    "/dev/nvhost-nvdec",
    "/dev/v4l2-nvdec",
    "/dev/nvhost-ctrl",
    "/dev/nvmap",
];

/// Of this machine. Some may not be there.
pub(crate) fn of_decoders() -> Vec<PathBuf> {
    KNOWN.iter().map(PathBuf::from).chain(of_codecs(Path::new("/sys"), is_codec)).collect()
}

/// Those of V4L2: the nodes that turn one picture into another, whatever number a board gives them, and the media controllers of the
/// same devices, by which a decoder without state is asked. Neither a camera nor its controller is among them.
fn of_codecs(sys: &Path, is_codec: impl Fn(&Path) -> bool) -> Vec<PathBuf> {
    let video = nodes(&sys.join("class/video4linux"), "video").into_iter().filter_map(|(name, at)| {
        // …/DEVICE/video4linux/video0
        let node = Path::new("/dev").join(&name);
        is_codec(&node).then(|| (node, at.parent().and_then(Path::parent).map(Path::to_owned)))
    });
    let (video, devices): (Vec<_>, Vec<_>) = video.unzip();
    // …/DEVICE/media0
    let media = nodes(&sys.join("bus/media/devices"), "media").into_iter();
    let media = media.filter(|(_, at)| at.parent().is_some_and(|of| devices.iter().flatten().any(|d| d == of)));
    video.into_iter().chain(media.map(|(name, _)| Path::new("/dev").join(name))).collect()
}

/// What a folder of sysfs lists whose name begins so: the name, and where it really is. Nothing if there is no such folder.
fn nodes(folder: &Path, begin: &str) -> Vec<(String, PathBuf)> {
    let name = |name: &OsStr| name.to_str().filter(|name| name.starts_with(begin)).map(str::to_owned);
    let listed = fs::read_dir(folder).into_iter().flatten().flatten();
    let mut nodes: Vec<_> =
        listed.filter_map(|it| Some((name(&it.file_name())?, fs::canonicalize(it.path()).ok()?))).collect();
    nodes.sort();
    nodes
}

/// The driver says that it takes pictures and gives pictures (`VIDIOC_QUERYCAP` of the kernel's V4L2). One that does not answer is none.
fn is_codec(node: &Path) -> bool {
    /// `struct v4l2_capability` of `linux/videodev2.h`.
    #[repr(C)]
    struct Capability {
        names: [u8; 16 + 32 + 32],
        version: u32,
        of_all_nodes: u32,
        of_this_node: u32,
        reserved: [u32; 3],
    }
    nix::ioctl_read!(query, b'V', 0, Capability);
    /// `V4L2_CAP_VIDEO_M2M` and `V4L2_CAP_VIDEO_M2M_MPLANE`.
    const TAKES_AND_GIVES: u32 = 0x8000 | 0x4000;

    let open = File::options().read(true).write(true).custom_flags(libc::O_NONBLOCK | libc::O_CLOEXEC).open(node);
    let Ok(file) = open else { return false };
    let mut said = Capability { names: [0; 80], version: 0, of_all_nodes: 0, of_this_node: 0, reserved: [0; 3] };
    // SAFETY: the kernel writes a struct of exactly this shape, whose size is part of the request's number.
    unsafe { query(file.as_raw_fd(), &raw mut said) }.is_ok() && said.of_this_node & TAKES_AND_GIVES != 0
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::symlink;

    use super::*;

    #[test]
    fn of_v4l2_only_codecs_and_their_own_controllers() {
        let sys = tempfile::tempdir().unwrap();
        let make = |device: &str, class: &str, node: &str| {
            // A controller lies in its device's folder, a video node one deeper.
            let at = sys.path().join("devices").join(device);
            let at = if class == "bus/media/devices" { at.join(node) } else { at.join("video4linux").join(node) };
            fs::create_dir_all(&at).unwrap();
            fs::create_dir_all(sys.path().join(class)).unwrap();
            symlink(at, sys.path().join(class).join(node)).unwrap();
        };
        for (device, number, media) in [("soc/codec", 19, 3), ("soc/camera", 0, 0), ("usb/camera", 2, 1)] {
            make(device, "class/video4linux", &format!("video{number}"));
            make(device, "bus/media/devices", &format!("media{media}"));
        }
        make("soc/codec", "class/video4linux", "video20");
        make("soc/codec", "class/video4linux", "v4l-subdev0");
        let is_codec = |node: &Path| node != Path::new("/dev/video0") && node != Path::new("/dev/video2");
        let found = of_codecs(sys.path(), is_codec);
        assert_eq!(found, ["/dev/video19", "/dev/video20", "/dev/media3"].map(PathBuf::from));
        assert_eq!(of_codecs(sys.path(), |_| false), Vec::<PathBuf>::new());
        assert_eq!(of_codecs(&sys.path().join("none"), |_| true), Vec::<PathBuf>::new());
    }

    #[test]
    fn what_is_no_device_of_v4l2_is_no_codec() {
        assert!(!is_codec(Path::new("/dev/null")));
        assert!(!is_codec(Path::new("/dev/video-that-is-not-there")));
    }
}
