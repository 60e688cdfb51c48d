# shellcheck shell=bash
# shellcheck disable=SC2154,SC2034 # variables are shared by the steps of scripts/build-image
# The kernel: Debian's, which is among its packages, or one that the builder's owner gives.

# What a source of packages is asked for, by flavour and board. Their own names.
declare -A kernel_packages=(
    [raspberrypi/raspberry-pi-4]="linux-image-rpi-v8"
    [raspberrypi/raspberry-pi-5]="linux-image-rpi-2712"
    [l4t/jetson-orin]="nvidia-l4t-kernel nvidia-l4t-kernel-dtbs nvidia-l4t-kernel-oot-modules"
)

# Refuses before anything is done: kernel_wanted BOARD ITS-OWN-FLAVOUR FLAVOUR SOURCE
kernel_wanted() {
    local board=$1 own=$2 flavour=$3 from=$4
    if [[ $flavour == debian ]]; then
        [[ $own == debian ]] || stop "Debian's kernel does not carry $board (hardware/$board/README.md says why)."
        [[ -z $from ]] || stop "with --kernel also say whose kernel it is: --flavour raspberrypi or l4t. Without both it is Debian's."
        return
    fi
    [[ -n ${kernel_packages[$flavour/$board]:-} ]] || stop "there is no kernel of the flavour \"$flavour\" for $board. There are: debian ${!kernel_packages[*]}."
    [[ -n $from ]] || stop "the kernel of $board is to be \"$flavour\", which Debian does not have; nothing else is built in its place.
Give it by --kernel: a folder with its packages (.deb: ${kernel_packages[$flavour/$board]}, and what those name as the kernel), or a
file NAME.sources for apt that has the key that they are signed with (Signed-By). hardware/$board/README.md says where they are from."
    [[ -e $from ]] || stop "there is no $from. --kernel wants a folder with packages, or a file NAME.sources for apt."
}

# Sets $kernel to a folder with boot/vmlinuz-RELEASE, usr/lib/modules/RELEASE and usr/lib/linux-image-RELEASE (device trees):
# kernel BOARD ARCH FLAVOUR SOURCE DEVICE-TREE…
kernel() {
    local board=$1 arch=$2 flavour=$3 from=$4
    shift 4
    kernel=$packages
    [[ $flavour != debian ]] || return 0
    kernel=$work/kernel
    say "the kernel, out of $from"
    # shellcheck disable=SC2086 # a list of packages
    image-build/take-kernel "$from" "$arch" "$kernel" "$*" ${kernel_packages[$flavour/$board]} || stop "the kernel cannot be taken (above)."
}
