# shellcheck shell=bash
# shellcheck disable=SC2154,SC2034,SC2016 # variables are shared by the steps of scripts/build-image
# Debian's packages for an image, installed into a folder that is kept as long as its lists stay the same.

# Sets $packages to a folder with all of image.txt and files*.txt, each board's firmware, and Debian's kernel if it is to be that:
# packages ARCH FLAVOUR
packages() {
    local arch=$1 flavour=$2 lists=(image-build/packages/files.txt) key names native=()
    [[ ! -e image-build/packages/files-$arch.txt ]] || lists+=("image-build/packages/files-$arch.txt")
    mapfile -t names < <(listed image-build/packages/image.txt)
    key=$(key_of "$arch" "$suite" "$flavour" "${names[@]}" "$(listed "${lists[@]}")" "$(firmware_of "$arch")" "$(contents image-build/fetch-files)")
    packages=$cache/packages-$arch-$key
    [[ -e $packages.whole ]] && return
    say "Debian's packages for $arch, ${#names[@]} and what they need (a few minutes; more where their scripts are emulated)"
    # Only in the folder there is a /native: mmdebstrap calls dpkg by PATH, then apt by its own.
    [[ $arch == amd64 ]] || native=(--setup-hook="image-build/native-dpkg-deb \"\$1\" $builder" --customize-hook='rm -r "$1"/native'
        --aptopt='DPkg::Path "/native:/usr/sbin:/usr/bin:/sbin:/bin"')
    PATH=/native:$PATH bootstrap "$packages" "$arch" "$(IFS=,; echo "${names[*]}")" --variant=essential "${native[@]}" \
        --essential-hook='printf "#!/bin/sh\nexit 0\n" > "$1"/usr/sbin/policy-rc.d; chmod 755 "$1"/usr/sbin/policy-rc.d' \
        --customize-hook="image-build/fetch-files \"\$1\" $arch ${triplet[$arch]} $flavour ${lists[*]}" \
        --customize-hook='rm -f "$1"/usr/sbin/policy-rc.d' --skip=cleanup/reproducible
    touch "$packages.whole"
}
