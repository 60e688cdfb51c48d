# shellcheck shell=bash
# shellcheck disable=SC2154,SC2034 # variables are shared by the steps of scripts/build-image
# The hub's release binary, compiled in the builder. Sets $binary.

# All that it is made of; cargo knows best what of it changed, but not whether the builder did.
binary() {
    local arch=$1 target=${rust_target[$1]} key
    key=$(key_of "$arch" "${builder##*-}" "$(contents Cargo.toml Cargo.lock hub)")
    binary=$cache/keepsight-$arch-$key
    [[ -e $binary ]] && return
    [[ $arch == amd64 ]] || stop "the hub's program for $arch is not made by this recipe yet. Boards for amd64 can be built: generic-x86-64."
    say "the hub's release binary for $arch (10 to 20 minutes the first time)"
    # The registry that this machine's cargo uses, if it has one of its own.
    mkdir -p "$cache/cargo"
    if [[ -e ${CARGO_HOME:-$HOME/.cargo}/config.toml ]]; then cp "${CARGO_HOME:-$HOME/.cargo}/config.toml" "$cache/cargo/"; fi
    # In the builder the checkout is always /src, so that the paths in the binary are the same everywhere.
    tools env CARGO_HOME="/src/$cache/cargo" CARGO_TARGET_DIR="/src/$cache/target" CARGO_INCREMENTAL=0 \
        RUSTFLAGS="--remap-path-prefix=/src/$cache/cargo/registry/src=/crates" \
        CFLAGS="-ffile-prefix-map=/src/$cache=/build" CXXFLAGS="-ffile-prefix-map=/src/$cache=/build" \
        cargo build --quiet --release --locked --package keepsight --bin keepsight --target "$target" -j "$(nproc)" ||
        stop "the hub could not be compiled (above)."
    tools strip --strip-all -o "$binary" "$cache/target/$target/release/keepsight"
}
