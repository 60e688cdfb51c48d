# shellcheck shell=bash
# shellcheck disable=SC2154,SC2034 # variables are shared by the steps of scripts/build-image
# From a root file system to a disk image and a bundle, all with fixed ids, salts and times.

# Fixed, since what is random differs from build to build. Nothing secret hangs on any of them.
seed=6f3a6c1e-2b1d-4a55-9a50-6b65657073ad
salt=6b65657073696768740000000000000000000000000000000000000000000000
kilobytes() { du -k --apparent-size "$1" | cut -f1; }

# The root file system with its hash tree behind it. Sets $root_hash and $hash_offset.
make_root_image() {
    say "root: erofs, and its hash tree"
    tools mkfs.erofs --quiet -zlz4hc,12 -C65536 -T"$SOURCE_DATE_EPOCH" -U"$seed" "/src/$work/root.img" "/src/$root" > "$work/erofs.log" 2>&1 ||
        stop "the root file system could not be made: $(cat "$work/erofs.log")"
    truncate --size=%4096 "$work/root.img"
    hash_offset=$(stat --format=%s "$work/root.img")
    root_hash=$(tools veritysetup format --salt="$salt" --uuid="$seed" --hash-offset="$hash_offset" \
        "/src/$work/root.img" "/src/$work/root.img" | sed -n 's/^Root hash:[[:space:]]*//p')
    [[ -n $root_hash ]] || stop "veritysetup gave no root hash."
    truncate --size=%4096 "$work/root.img"
    # Without holes: the block map leaves those out, and where a used card has something else than zeros the hash would not fit.
    cp --sparse=never "$work/root.img" "$work/root.full"
    mv "$work/root.full" "$work/root.img"
}

# Kernel, initrd and a command line for each slot, in one file.
make_kernel_image() {
    local arch=$1 slot profiles=() uki stubs=/usr/lib/systemd/boot/efi
    say "kernel and initrd"
    PYTHONDONTWRITEBYTECODE=1 tools image-build/initrd/make "/src/$root" "/src/$work/initrd"
    uki=(tools ukify build --efi-arch="${efi_name[$arch],,}")
    [[ $arch == amd64 ]] || stubs=/src/$packages$stubs
    for slot in a b; do
        printf 'ID=%s\nTITLE=Slot %s\n' "$slot" "${slot^^}" > "$work/profile-$slot"
        command_line "$arch" "$slot" > "$work/cmdline-$slot"
        "${uki[@]}" --stub="$stubs/addon${efi_name[$arch],,}.efi.stub" --profile="@/src/$work/profile-$slot" --cmdline="@/src/$work/cmdline-$slot" \
            --output="/src/$work/profile-$slot.efi" > "$work/ukify.log" 2>&1 || stop "ukify: $(cat "$work/ukify.log")"
        profiles+=(--join-profile="/src/$work/profile-$slot.efi")
    done
    "${uki[@]}" --stub="$stubs/linux${efi_name[$arch],,}.efi.stub" --linux="/src/$kernel/boot/vmlinuz-$(kernel_release)" --initrd="/src/$work/initrd" \
        --uname="$(kernel_release)" --os-release="@/src/$root/usr/lib/os-release" "${profiles[@]}" \
        --output="/src/$work/keepsight.efi" > "$work/ukify.log" 2>&1 || stop "ukify: $(cat "$work/ukify.log")"
}

command_line() {
    local arch=$1 slot=$2 consoles
    # The last one is the screen, where systemd writes too; ours is on all of them.
    case $arch in
        amd64) consoles="console=ttyS0,115200 console=tty0" ;;
        # Of virtual machines and servers, of a Pi 4, of a Pi 5, of a Jetson; what is not there does no harm.
        arm64) consoles="console=ttyAMA0,115200 console=ttyS1,115200 console=ttyAMA10,115200 console=ttyTCU0,115200 console=tty0" ;;
    esac
    printf '%s ' "ro root=/dev/mapper/root rootfstype=erofs roothash=$root_hash" \
        "systemd.verity_root_data=PARTLABEL=keepsight-root-$slot systemd.verity_root_hash=PARTLABEL=keepsight-root-$slot" \
        "systemd.verity_root_options=hash-offset=$hash_offset,panic-on-corruption" \
        "rauc.slot=${slot^^} panic=10 systemd.gpt_auto=0 systemd.ssh_auto=0 loglevel=4 $consoles"
}

# A FAT file system of a size, with a label and files: fat FILE MEBIBYTES LABEL [FILE=PATH…]
fat() {
    local image=$1 size=$2 label=$3 pair
    shift 3
    rm -rf "$image" "$work/fat"
    truncate --size="${size}M" "$image"
    tools mkfs.fat --invariant -F 32 -n "$label" "/src/$image" > "$work/fat.log" 2>&1 || stop "mkfs.fat: $(cat "$work/fat.log")"
    for pair in "$@"; do
        install -D -m 644 "${pair%%=*}" "$work/fat/${pair#*=}"
    done
    find "$work/fat" -exec touch --date="@$SOURCE_DATE_EPOCH" {} +
    # shellcheck disable=SC2016 # the inner shell's variables
    tools sh -c 'TZ=UTC mcopy -s -m -i "$1" "$2"/* ::' sh "/src/$image" "/src/$work/fat" > "$work/fat.log" 2>&1 ||
        stop "mcopy: $(cat "$work/fat.log")"
}

# Loader and slots' memory, for the first partition; and what comes before them on a Raspberry Pi: make_esp ARCH START DEVICE-TREE…
make_esp() {
    local arch=$1 start=$2 tree grub=() first=()
    shift 2
    [[ $arch == amd64 ]] || grub=(--directory="/src/$packages/usr/lib/grub/${grub_format[$arch]}")
    if [[ $start == raspberry-pi ]]; then
        first=("image-build/raspberry-pi/config.txt=config.txt" "$packages/usr/lib/u-boot/rpi_arm64/u-boot.bin=u-boot.bin"
            "$packages/usr/lib/raspi-firmware/start4.elf=start4.elf" "$packages/usr/lib/raspi-firmware/fixup4.dat=fixup4.dat"
            "$packages/usr/share/doc/raspi-firmware/copyright=COPYRIGHT.raspi-firmware")
        # By the name that the firmware looks for.
        for tree in "$@"; do first+=("$kernel/usr/lib/linux-image-$(kernel_release)/$tree=${tree##*/}"); done
    fi
    tools grub-mkimage "${grub[@]}" --format="${grub_format[$arch]}" --prefix=/grub --output="/src/$work/grub.efi" \
        part_gpt fat normal configfile loadenv test true regexp echo sleep reboot chain minicmd hashsum gcry_sha256
    tools grub-script-check image-build/grub.cfg || stop "image-build/grub.cfg is not what GRUB understands (above)."
    cp image-build/grub.cfg "$work/grub.cfg"
    rm -f "$work/grubenv"
    tools grub-editenv "/src/$work/grubenv" create
    # What was flashed has nothing to go back to, so it need not prove itself.
    tools grub-editenv "/src/$work/grubenv" set "ORDER=A B" A_OK=1 A_TRY=0 A_PROVEN=1 B_OK=0 B_TRY=0
    fat "$work/esp.img" "$(partition_size 10-esp)" KS-ESP "$work/grub.efi=EFI/BOOT/BOOT${efi_name[$arch]}.EFI" \
        "$work/grub.cfg=grub/grub.cfg" "$work/grubenv=grub/grubenv" "${first[@]}"
}

# What a partition's definition says, in MiB.
partition_size() { sed -n 's/^SizeMaxBytes=\([0-9]*\)M$/\1/p' "image-build/repart/$1.conf"; }

# make_disk ARCH START DEVICE-TREE…
make_disk() {
    local start=$2 image name
    say "disk image"
    # GRUB looks whether what it starts is what was written (grub.cfg).
    (cd "$work" && sha256sum keepsight.efi > keepsight.sha256)
    fat "$work/boot.img" "$(partition_size 20-boot-a)" KS-BOOT "$work/keepsight.efi=keepsight.efi" "$work/keepsight.sha256=keepsight.sha256"
    make_esp "$@"
    (($(kilobytes "$work/root.img") <= $(partition_size 21-root-a) * 1024)) ||
        stop "the root file system is $(($(kilobytes "$work/root.img") / 1024)) MiB, more than its partition (image-build/repart/21-root-a.conf)."
    # The same definitions that first boot goes by, with what is in the three that are shipped.
    rm -rf "$work/repart"
    mkdir "$work/repart"
    for name in 10-esp=esp 20-boot-a=boot 21-root-a=root; do
        image=/src/$work/${name#*=}.img
        { cat "image-build/repart/${name%=*}.conf" && echo "CopyBlocks=$image"; } > "$work/repart/${name%=*}.conf"
    done
    rm -f "$work/disk.raw"
    tools systemd-repart --offline=yes --dry-run=no --empty=create --size=auto --seed="$seed" \
        --definitions="/src/$work/repart" "/src/$work/disk.raw" > "$work/repart.log" 2>&1 ||
        stop "the disk image could not be made: $(cat "$work/repart.log")"
    [[ $start != raspberry-pi ]] || image-build/raspberry-pi/partitions "$work/disk.raw"
}

# The update of the same: bundle BOARD VERSION OUT
make_bundle() {
    local board=$1 version=$2 bundle=$3
    say "update bundle"
    rm -rf "$work/bundle" "$bundle"
    mkdir "$work/bundle"
    ln "$work/root.img" "$work/boot.img" "$work/bundle/"
    cat > "$work/bundle/manifest.raucm" << END
[update]
compatible=keepsight-$board
version=$version

[bundle]
format=verity

[image.rootfs]
filename=root.img
adaptive=block-hash-index

[image.boot]
filename=boot.img
adaptive=block-hash-index
END
    # In small pieces: a hub that has most of a version already fetches the pieces in which something is new.
    tools rauc --conf=/src/image-build/rauc/system.conf bundle --mksquashfs-args="-b 16K" --cert="/src/$keys/signing.cert.pem" --key="/src/$keys/signing.key.pem" \
        --keyring="/src/$keys/root.cert.pem" "/src/$work/bundle" "/src/$bundle" > "$work/bundle.log" 2>&1 ||
        stop "the bundle could not be made: $(cat "$work/bundle.log")"
    rm -rf "$work/bundle"
}
