# shellcheck shell=bash
# shellcheck disable=SC2034,SC2016 # variables are shared by the steps of scripts/build-image
# What the steps of the build share: where Debian comes from, folders that stand in for machines, and what is kept of the
# last build. To be sourced after scripts/common.sh.

# The one suite of Debian that the image and its builder are made of.
suite=trixie
# What is taken from its backports, and nothing else: a compiler that is new enough. Not the kernel: RAUC 1.13 mounts no bundle on
# 7.3, whose dm-verity says more of its state than RAUC understands.
from_backports='rustc cargo libstd-rust*:any rust-*'
# Everything that is kept between builds, by what it was made of. `rm -rf` of it costs time and nothing else.
cache=image-build/cache
# The hub's processor, in the words of Debian; of Rust, of EFI and of GRUB.
declare -A rust_target=([amd64]=x86_64-unknown-linux-gnu [arm64]=aarch64-unknown-linux-gnu)
declare -A triplet=([amd64]=x86_64-linux-gnu [arm64]=aarch64-linux-gnu)
declare -A efi_name=([amd64]=X64 [arm64]=AA64)
declare -A grub_format=([amd64]=x86_64-efi [arm64]=arm64-efi)
# Of the GNU tools, where the builder is not of the same processor.
declare -A tool_prefix=([amd64]="" [arm64]=aarch64-linux-gnu-)

# The lines of a list of packages, without what is said about them.
listed() { sed 's/#.*//; s/[[:space:]]*$//; /^$/d' "$@"; }

# A name for what was made of these words and files: equal inputs, equal name.
key_of() { printf '%s\n' "$@" | sha256sum | cut -c1-16; }

# Words about files, for key_of. What npm fetched is not part of what is built: the app that was built from it is.
contents() { find "$@" -name node_modules -prune -o -type f -print0 | LC_ALL=C sort -z | xargs -0 sha256sum; }

# The packages of firmware that boards with this processor name.
firmware_of() {
    local facts board
    for board in hardware/*/; do
        facts=$(python3 image-build/board "$(basename "$board")") || stop "$board has no facts (above)."
        (
            declare arch firmware=()
            eval "$facts" # quoted by image-build/board
            [[ $arch != "$1" ]] || printf '%s\n' "${firmware[@]}"
        )
    done | LC_ALL=C sort -u | sed '/^$/d'
}

need_root() {
    [[ $EUID -eq 0 ]] || stop "it makes files that belong to root, and folders that stand in for machines. Run it with sudo."
}

need_host() {
    local tool missing=()
    for tool in mmdebstrap python3 unshare chroot; do
        command -v "$tool" > /dev/null || missing+=("$tool")
    done
    ((${#missing[@]} == 0)) || stop "missing on this machine: ${missing[*]}. Install them: apt install mmdebstrap python3"
    [[ $1 == amd64 || -e /proc/sys/fs/binfmt_misc/qemu-aarch64 ]] ||
        stop "this machine cannot run a program for $1. Run scripts/setup --for image (it installs qemu-user-static and binfmt-support)."
}

# Where this machine gets Debian from, as apt's sources for the image's suite: its mirrors are used, none is named here.
debian_sources() {
    local mirror security
    mirror=$(apt-get indextargets --format '$(SITE)' 'Created-By: Packages' 'Label: Debian' | head -n 1)
    security=$(apt-get indextargets --format '$(SITE)' 'Created-By: Packages' 'Label: Debian-Security' | head -n 1)
    [[ -n $mirror ]] || stop "apt on this machine knows no Debian mirror. Set one in /etc/apt, run apt-get update, then again."
    cat << END
deb $mirror $suite main non-free-firmware
deb $mirror $suite-updates main non-free-firmware
deb $mirror $suite-backports main non-free-firmware
END
    [[ -z $security ]] || printf 'deb %s %s-security main non-free-firmware\n' "$security" "$suite"
}

# How this machine's apt reaches mirrors: proxies and dates, as options for mmdebstrap.
apt_options() {
    apt-config dump --format '%F "%v";%n' Acquire |
        sed -n -E 's/^(Acquire::(https?::[^ ]*Proxy[^ ]*|Check-Valid-Until|Check-Date) "[^"]+";)$/--aptopt=\1/p'
}

# Makes a folder of Debian packages, which is of no use unless it was made to the end, so that nothing is synced: bootstrap FOLDER ARCHITECTURE PACKAGES-COMMA-SEPARATED [MMDEBSTRAP-OPTIONS]
bootstrap() {
    local folder=$1 arch=$2 packages=$3 options=() pins
    shift 3
    mapfile -t options < <(apt_options)
    pins=$(mktemp)
    printf 'Package: %s\nPin: release n=%s-backports\nPin-Priority: 990\n' "$from_backports" "$suite" > "$pins"
    # Only what is on this disk: a build that was killed leaves the system's own files mounted in there.
    rm -rf --one-file-system "$folder"
    debian_sources | mmdebstrap --mode=root --format=directory --architectures="$arch" --include="$packages" \
        --setup-hook="install -D -m 644 $pins \"\$1\"/etc/apt/preferences.d/keepsight" \
        --dpkgopt=force-unsafe-io --dpkgopt='path-exclude=/usr/share/man/*' --dpkgopt='path-exclude=/usr/share/info/*' \
        --dpkgopt='path-exclude=/usr/share/locale/*' --dpkgopt='path-exclude=/usr/share/doc/*' \
        --dpkgopt='path-include=/usr/share/doc/*/copyright' \
        "${options[@]}" "$@" "$suite" "$folder" - > "$folder.log" 2>&1 || {
        tail -n 30 "$folder.log" >&2
        rm -rf --one-file-system "$folder" "$pins"
        stop "Debian's packages could not be put together (above, and in $folder.log). Check the network, then run it again."
    }
    rm -f "$pins" "$folder.log"
}

# The folder in which the image's tools run; made anew when its list changes.
builder() {
    local key
    key=$(key_of "$suite" "$(listed image-build/packages/tools.txt)")
    builder=$cache/builder-$key
    [[ -e $builder/.whole ]] && return
    say "the builder: Debian $suite with the image's tools (some minutes, 2 GB)"
    bootstrap "$builder" amd64 "$(listed image-build/packages/tools.txt | paste -sd,)" --variant=apt
    touch "$builder/.whole"
}

# Runs a command in a folder that stands in for a machine, with the repository at /src and this machine's network
# (names, and whom it trusts):
# within FOLDER COMMAND…
within() {
    local folder=$1
    shift
    # Whoever ends the build ends what runs in there.
    # shellcheck disable=SC2016 # the inner shell's variables
    setpriv --pdeathsig KILL unshare --mount --pid --fork --kill-child sh -euc '
        root=$1; shift
        mount --make-rprivate /
        mkdir -p "$root/src"
        mount --bind . "$root/src"
        mount -t proc proc "$root/proc"
        mount -t tmpfs tmpfs "$root/tmp"
        mount --rbind /dev "$root/dev"
        for file in /etc/resolv.conf /etc/hosts /etc/ssl/certs/ca-certificates.crt; do
            # Not what is the same already: others may be at work in there.
            if [ -e "$file" ] && ! cmp -s "$file" "$root$file"; then install -D -m 644 "$file" "$root$file"; fi
        done
        exec chroot "$root" env -i HOME=/root PATH=/usr/sbin:/usr/bin:/sbin:/bin LC_ALL=C.UTF-8 TMPDIR=/tmp \
            ${SOURCE_DATE_EPOCH:+SOURCE_DATE_EPOCH="$SOURCE_DATE_EPOCH"} sh -euc '\''cd /src; exec "$@"'\'' sh "$@"
    ' sh "$folder" "$@"
}
tools() { within "$builder" "$@"; }
