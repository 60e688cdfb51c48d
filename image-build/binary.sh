# shellcheck shell=bash
# shellcheck disable=SC2154,SC2034 # variables are shared by the steps of scripts/build-image
# The hub's release binary, compiled in a folder of Debian's packages that has a compiler for it. Sets $binary.

# All that it is made of, without what only tests are; cargo knows best what of it changed, but not whether the compiler did.
sources() { contents Cargo.toml Cargo.lock hub | grep -vE ' hub/([^/]+/(tests|benches|examples)|testkit|fuzz|web/(src|tests))/'; }

binary() {
    local arch=$1 target=${rust_target[$1]} key compiler cross=()
    compiler "$arch"
    key=$(key_of "$arch" "${compiler##*-}" "$(sources)")
    binary=$cache/keepsight-$arch-$key
    [[ -e $binary ]] && return
    [[ -e $compiler/.whole ]] || make_compiler "$arch"
    say "the hub's release binary for $arch (10 to 30 minutes the first time)"
    # The registry that this machine's cargo uses, if it has one of its own.
    mkdir -p "$cache/cargo"
    if [[ -e ${CARGO_HOME:-$HOME/.cargo}/config.toml ]]; then cp "${CARGO_HOME:-$HOME/.cargo}/config.toml" "$cache/cargo/"; fi
    if [[ $arch != amd64 ]]; then
        cross=(
            CARGO_TARGET_AARCH64_UNKNOWN_LINUX_GNU_LINKER="${tool_prefix[$arch]}gcc"
            CC_aarch64_unknown_linux_gnu="${tool_prefix[$arch]}gcc" CXX_aarch64_unknown_linux_gnu="${tool_prefix[$arch]}g++"
            AR_aarch64_unknown_linux_gnu="${tool_prefix[$arch]}ar"
            # GStreamer's headers and libraries are those of the target, though the compiler is not.
            PKG_CONFIG_ALLOW_CROSS=1 PKG_CONFIG_LIBDIR="/usr/lib/${triplet[$arch]}/pkgconfig:/usr/share/pkgconfig"
        )
    fi
    # In the folder the checkout is always /src, so that the paths in the binary are the same everywhere.
    within "$compiler" env CARGO_HOME="/src/$cache/cargo" CARGO_TARGET_DIR="/src/$cache/target" CARGO_INCREMENTAL=0 \
        RUSTFLAGS="--remap-path-prefix=/src/$cache/cargo/registry/src=/crates" \
        CFLAGS="-ffile-prefix-map=/src/$cache=/build" CXXFLAGS="-ffile-prefix-map=/src/$cache=/build" "${cross[@]}" \
        cargo build --quiet --release --locked --package keepsight --bin keepsight --target "$target" -j "$(nproc)" ||
        stop "the hub could not be compiled (above)."
    within "$compiler" "${tool_prefix[$arch]}strip" --strip-all -o "$binary" "$cache/target/$target/release/keepsight"
}

# Sets $compiler: for amd64 the builder has it all.
compiler() {
    compiler=$builder
    [[ $1 == amd64 ]] || compiler=$cache/compiler-$1-$(key_of "$suite" "$(listed "image-build/packages/compiler-$1.txt")")
}

make_compiler() {
    local list=image-build/packages/compiler-$1.txt
    say "the compiler for $1 (some minutes, 2 GB)"
    bootstrap "$compiler" "amd64,$1" "$(listed "$list" | paste -sd,)" --variant=apt
    touch "$compiler/.whole"
}
