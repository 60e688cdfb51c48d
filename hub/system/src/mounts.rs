//! Whether a folder is where the machine's settings say it is: on a disk that is mounted, and not on the folder beneath.

use std::ffi::OsString;
use std::os::unix::ffi::OsStringExt;
use std::path::{Path, PathBuf};

/// The mount point that `/etc/fstab` has for `folder`, or for a folder above it, and at which nothing is mounted now.
///
/// A hub that has not met its footage disk yet cannot know it by its mark. Were it to begin on the empty mount point, it
/// would fill the system's card, and refuse the real disk ever after.
pub fn missing_mount(folder: &Path) -> Option<PathBuf> {
    let text = |path: &str| std::fs::read_to_string(path).unwrap_or_default(); // without it nothing is said
    missing(folder, &text("/etc/fstab"), &text("/proc/self/mountinfo"))
}

/// See fstab(5) for the first text, proc_pid_mountinfo(5) for the second.
fn missing(folder: &Path, fstab: &str, mountinfo: &str) -> Option<PathBuf> {
    let mounted: Vec<_> = mount_points(mountinfo).map(|mount| mount.point).collect();
    let lines = fstab.lines().map(str::trim).filter(|line| !line.starts_with('#'));
    let points = lines.filter_map(|line| line.split_whitespace().nth(1)).map(unescape);
    points
        .filter(|point| point.is_absolute() && point != Path::new("/") && folder.starts_with(point))
        .find(|point| !mounted.contains(point))
}

/// Where an image of Keepsight's mounts what people plug in, for reading, as soon as somebody looks into it, and lets it go soon
/// after (`90-keepsight-sticks.rules`).
pub(crate) const STICKS: &str = "/run/media/keepsight";

/// Something that is mounted.
pub(crate) struct MountPoint {
    /// Of its device, as `major:minor`.
    pub device: String,
    /// Where.
    pub point: PathBuf,
}

/// Where a partition is mounted because it was looked into for an update, if it is.
pub fn looked_into(mountinfo: &str, partition: &str) -> Option<PathBuf> {
    let point = Path::new(STICKS).join(partition);
    mount_points(mountinfo).any(|mount| mount.point == point).then_some(point)
}

/// What proc_pid_mountinfo(5) tells.
pub(crate) fn mount_points(mountinfo: &str) -> impl Iterator<Item = MountPoint> {
    mountinfo.lines().filter_map(|line| {
        let mut fields = line.split(' ').skip(2);
        let (device, point) = (fields.next()?, fields.nth(1)?);
        Some(MountPoint { device: device.to_owned(), point: unescape(point) })
    })
}

/// Both files write what would end a field (space, tab, newline, backslash) as three octal digits after a backslash.
fn unescape(field: &str) -> PathBuf {
    let mut bytes = Vec::with_capacity(field.len());
    let mut rest = field.as_bytes();
    while let [first, after @ ..] = rest {
        let octal = after.first_chunk::<3>().filter(|_| *first == b'\\').and_then(|digits| {
            let digits = std::str::from_utf8(digits).ok()?;
            u8::from_str_radix(digits, 8).ok()
        });
        bytes.push(octal.unwrap_or(*first));
        rest = if octal.is_some() { &after[3..] } else { after };
    }
    PathBuf::from(OsString::from_vec(bytes))
}

#[cfg(test)]
mod tests {
    use super::*;

    const FSTAB: &str = "# <file system> <mount point> <type>\n\
        UUID=1 /            ext4 defaults 0 1\n\
        UUID=2 none         swap sw       0 0\n\
        \t UUID=3\t/mnt/footage ext4 nofail  0 2\n\
        UUID=4 /mnt/my\\040disk ext4 defaults 0 2\n";
    const ROOT: &str = "22 1 254:0 / / rw,relatime shared:1 - ext4 /dev/vda rw\n";

    #[test]
    fn a_folder_on_a_disk_that_should_be_mounted_and_is_not_is_told() {
        let missing = |folder: &str, mounts: &str| missing(Path::new(folder), FSTAB, mounts);
        let mounted = format!("{ROOT}40 22 8:1 / /mnt/footage rw - ext4 /dev/sda1 rw\n");
        assert_eq!(missing("/mnt/footage", ROOT), Some("/mnt/footage".into()));
        assert_eq!(missing("/mnt/footage/keepsight", ROOT), Some("/mnt/footage".into()));
        assert_eq!(missing("/mnt/footage/keepsight", &mounted), None);
        assert_eq!(missing("/mnt/footage2", ROOT), None, "another folder with the same beginning");
        assert_eq!(missing("/var/lib/keepsight/footage", ROOT), None, "on the system's own disk, as is the default");
        assert_eq!(missing("/mnt/my disk/footage", ROOT), Some("/mnt/my disk".into()));
        let spaced = format!("{ROOT}41 22 8:2 / /mnt/my\\040disk rw - ext4 /dev/sdb1 rw\n");
        assert_eq!(missing("/mnt/my disk/footage", &spaced), None);
    }

    #[test]
    fn without_settings_nothing_is_missing() {
        for fstab in ["", "garbage", "UUID=1\n\n# /mnt/footage", "x \\0", "x \\"] {
            assert_eq!(missing(Path::new("/mnt/footage"), fstab, ""), None, "{fstab:?}");
        }
    }
}
