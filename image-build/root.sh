# shellcheck shell=bash
# shellcheck disable=SC2154,SC2016 # variables are shared by the steps of scripts/build-image
# The root file system: Debian's packages, less what is cut, with ours.

# Fills $root: make_root BOARD ARCH VERSION FLAVOUR FIRMWARE…
make_root() {
    local board=$1 arch=$2 version=$3 flavour=$4 line package
    shift 4
    say "the root file system"
    rm -rf "${root:?}"
    cp -a --reflink=auto "$packages" "$root"
    [[ $kernel == "$packages" ]] || cp -a "$kernel/usr/lib/modules" "$root/usr/lib/"
    # SBOM: what it is made of, while Debian's own list is still there.
    tools dpkg-query --admindir="/src/$packages/var/lib/dpkg" --show \
        --showformat='${binary:Package}\t${Version}\t${source:Package}\t${Installed-Size}\n' > "$work/packages.tsv"
    for package in "$@"; do
        cp -a "$packages/board-firmware/$package/." "$root/"
        cat "$packages/board-firmware/$package/usr/share/keepsight-files" >> "$work/packages.tsv"
    done
    rm -rf "$root/board-firmware"
    cat "$packages/usr/share/keepsight-files" >> "$work/packages.tsv"
    [[ $kernel == "$packages" ]] || cat "$kernel/packages.tsv" >> "$work/packages.tsv"

    while read -r line; do
        if [[ $line == /* ]]; then
            # shellcheck disable=SC2086 # a pattern
            rm -rf "$root"$line
        else
            package=$packages/var/lib/dpkg/info/$line.list
            [[ -e $package ]] || package=$packages/var/lib/dpkg/info/$line:$arch.list
            [[ -e $package ]] || stop "image-build/packages/cut.txt: there is no package $line to be cut. Take the line out."
            while read -r line; do
                if [[ -f $root$line || -L $root$line ]]; then rm -f "$root$line"; fi
            done < "$package"
        fi
    done < <(listed image-build/packages/cut.txt)
    rm -rf "${root:?}"/{dev,proc,run,sys,tmp,var,boot,home,media,mnt,opt,srv,src}
    mkdir -p "$root"/{dev,proc,run,sys,tmp,var/lib/keepsight,efi,root}
    rm -f "$root"/{vmlinuz,initrd.img}{,.old} "$root"/usr/share/keepsight-files "$root"/etc/{.pwd.lock,*-} "$root"/usr/sbin/policy-rc.d

    cp -a image-build/root/. "$root"
    mv "$root/usr/bin/grub-editenv" "$root/usr/lib/keepsight/grub-editenv.real"
    mv "$root/usr/lib/keepsight/grub-editenv" "$root/usr/bin/grub-editenv"
    install -m 755 "$binary" "$root/usr/bin/keepsight"
    install -D -m 644 systemd/keepsight.toml "$root/etc/keepsight/keepsight.toml"
    install -D -m 644 systemd/keepsight.sysusers.conf "$root/usr/lib/sysusers.d/keepsight.conf"
    install -m 644 systemd/*.{service,mount,timer,path} "$root/usr/lib/systemd/system/"
    install -D -m 644 -t "$root/usr/lib/keepsight/repart" image-build/repart/*.conf
    install -d "$root/usr/share/keepsight"
    sed -E "s/^(kernel = \{ flavour = \")[a-z0-9]+/\1$flavour/" "hardware/$board/board.toml" > "$root/usr/share/keepsight/board.toml"
    grep -q "flavour = \"$flavour\"" "$root/usr/share/keepsight/board.toml" || stop "hardware/$board/board.toml has no line kernel = { flavour = … }."
    cat > "$root/usr/lib/keepsight/image.toml" << END
version = "$version"
board = "$board"
compatible = "keepsight-$board"
built = "$(date --utc --date="@$SOURCE_DATE_EPOCH" +%Y-%m-%dT%H:%M:%SZ)"
END
    install -d -m 755 "$root/etc/rauc"
    sed "s/@BOARD@/$board/" image-build/rauc/system.conf > "$root/etc/rauc/system.conf"
    install -m 644 "$keys/root.cert.pem" "$root/etc/rauc/keyring.pem"
    configure "$arch"
}

# What is decided once, at build time, since nothing can be written later.
configure() {
    local unit
    # Empty: the machine's own is put over it (initrd/machine-id).
    : > "$root/etc/machine-id"
    rm -f "$root"/var/lib/dbus/machine-id "$root"/etc/ssh/ssh_host_*
    ln -sf ../run/systemd/resolve/stub-resolv.conf "$root/etc/resolv.conf"
    ln -sf ../proc/self/mounts "$root/etc/mtab"
    # UTC, unless a zone was set on the card (keepsight first-boot).
    ln -sf ../run/keepsight-system/localtime "$root/etc/localtime"
    : > "$root/etc/fstab"
    # In the place of a login: what systemd's generator starts on each screen and serial port is ours.
    for unit in getty@ serial-getty@; do
        ln -sf "/usr/lib/systemd/system/keepsight-console@.service" "$root/etc/systemd/system/$unit.service"
    done
    rm -rf "$root"/etc/systemd/system/*.wants "$root"/etc/systemd/system/*.requires
    tools systemd-sysusers --root="/src/$root" 2> "$work/sysusers.log" || stop "users could not be made: $(cat "$work/sysusers.log")"
    tools systemctl --root="/src/$root" preset-all --preset-mode=enable-only > "$work/preset.log" 2>&1 ||
        stop "units could not be enabled: $(cat "$work/preset.log")"
    for unit in ssh.service ssh.socket sshd-unix-local.socket systemd-repart.service systemd-firstboot.service \
        systemd-machine-id-commit.service systemd-update-utmp.service systemd-random-seed.service systemd-hwdb-update.service \
        systemd-journal-catalog-update.service systemd-update-done.service ldconfig.service systemd-growfs-root.service \
        smartmontools.service fstrim.timer e2scrub_all.timer e2scrub_reap.service apt-daily.timer apt-daily-upgrade.timer \
        dpkg-db-backup.timer systemd-pstore.service systemd-rfkill.service \
        systemd-rfkill.socket systemd-ask-password-{console,wall}.{path,service} systemd-bsod.service \
        systemd-initctl.service systemd-initctl.socket rescue.service proc-sys-fs-binfmt_misc.automount wpa_supplicant.service; do
        ln -sf /dev/null "$root/etc/systemd/system/$unit"
    done
    # systemd starts with this time where no clock tells a later one.
    : > "$root/usr/lib/clock-epoch"
    tools depmod --basedir "/src/$root" "$(kernel_release)"
    # The image's own: another processor's does not know its libraries.
    tools "/src/$root/usr/sbin/ldconfig" -r "/src/$root"
    rm -rf "$root/var/cache"
    PYTHONDONTWRITEBYTECODE=1 tools image-build/check-libraries "/src/$root"
}

kernel_release() { basename "$root"/usr/lib/modules/*; }
