# shellcheck shell=bash
# What every script here begins with: strict shell, the repository's root, the user's own Rust before the system's.

set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
export PATH="${CARGO_HOME:-$HOME/.cargo}/bin:$PATH"

say() { printf '== %s\n' "$*"; }
# What happened, then what to do.
stop() {
    printf '%s: %s\n' "${0##*/}" "$*" >&2
    exit 1
}
