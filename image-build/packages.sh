# shellcheck shell=bash
# shellcheck disable=SC2154,SC2034,SC2016 # variables are shared by the steps of scripts/build-image
# Debian's packages for an image, installed into a folder that is kept as long as its lists stay the same.

# Sets $packages to a folder with all of image.txt, files.txt, the kernel and a board's firmware: packages ARCH FLAVOUR FIRMWARE…
packages() {
    local arch=$1 flavour=$2 key names
    shift 2
    [[ $flavour == debian ]] || stop "the kernel of this board is to be \"$flavour\", which is not Debian's. It comes from an apt source
or a folder that its owner gives, and this recipe cannot take it yet; nothing else is built in its place."
    mapfile -t names < <(listed image-build/packages/image.txt; printf '%s\n' "$@")
    key=$(key_of "$arch" "$suite" "${names[@]}" "$(listed image-build/packages/files.txt)" "$(contents image-build/fetch-files)")
    packages=$cache/packages-$arch-$key
    [[ -e $packages.whole ]] && return
    say "Debian's packages for $arch, ${#names[@]} and what they need (a few minutes)"
    bootstrap "$packages" "$arch" "$(IFS=,; echo "${names[*]}")" --variant=essential \
        --essential-hook='printf "#!/bin/sh\nexit 0\n" > "$1"/usr/sbin/policy-rc.d; chmod 755 "$1"/usr/sbin/policy-rc.d' \
        --customize-hook="image-build/fetch-files \"\$1\" $arch ${triplet[$arch]}" \
        --customize-hook='rm -f "$1"/usr/sbin/policy-rc.d' --skip=cleanup/reproducible
    touch "$packages.whole"
}
