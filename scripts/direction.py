"""Reads `cargo metadata --no-deps` on stdin and fails on an arrow between our crates that runs the wrong way.

docs/architecture.md draws the arrows; this table is what holds. Build and test dependencies count like any other.
"""

import json
import sys

# Each crate, and what it stands on; that may be all that those stand on, too.
STANDS_ON = {
    "base": [],
    "vault": ["base"],
    "media": ["base"],
    "vision": ["base"],
    "tls": ["base"],
    "system": ["base"],
    "net": ["base"],
    "onvif": ["base"],
    "rtsp-server": ["base"],
    "footage": ["vault"],
    "store": ["vault"],
    "recorder": ["media", "vision", "footage", "store", "vault", "system", "onvif"],
    "api": ["recorder", "tls", "net"],
    "camera-sim": ["rtsp-server"],
    "keepsight": ["api", "camera-sim"],
    "testkit": ["keepsight"],
    "fuzz": ["keepsight"],
}

# For tests only: who may use what stands above or beside it, and why.
IN_TESTS = {
    ("media", "rtsp-server"): "a camera to read from",
    ("keepsight", "testkit"): "the acceptance tests of the binary",
}


def below(crate):
    """Everything that a crate may name."""
    direct = STANDS_ON[crate]
    return set(direct).union(*(below(c) for c in direct))


def wrong_arrows(metadata):
    """A sentence for each arrow that runs the wrong way, and for each crate that the table does not know."""
    ours = {package["name"] for package in metadata["packages"]}
    for package in sorted(metadata["packages"], key=lambda p: p["name"]):
        name = package["name"]
        if name not in STANDS_ON:
            yield f"{name} is not in the table of scripts/direction.py: say there what it stands on."
            continue
        allowed = below(name)
        for dependency in package["dependencies"]:
            to, kind = dependency["name"], dependency["kind"] or "normal"
            if to not in ours or to in allowed or (kind == "dev" and (name, to) in IN_TESTS):
                continue
            yield f"{name} must not depend on {to} ({kind}): it may on {', '.join(sorted(allowed)) or 'nothing'}."


def self_test():
    """The check sees what it is for."""

    def said(*arrows):
        names = {"base", "vault", "store", "media", "rtsp-server"} | {a[0] for a in arrows}
        packages = [
            {"name": n, "dependencies": [{"name": to, "kind": kind} for source, to, kind in arrows if source == n]}
            for n in sorted(names)
        ]
        return list(wrong_arrows({"packages": packages}))

    assert said(("store", "vault", None), ("store", "base", None), ("store", "serde", None)) == []
    assert said(("vault", "store", None)) == ["vault must not depend on store (normal): it may on base."]
    assert said(("vault", "store", "dev")) == ["vault must not depend on store (dev): it may on base."]
    assert said(("vault", "store", "build")) == ["vault must not depend on store (build): it may on base."]
    assert said(("media", "rtsp-server", "dev")) == []
    assert said(("media", "rtsp-server", None)) == ["media must not depend on rtsp-server (normal): it may on base."]
    assert said(("base", "vault", None)) == ["base must not depend on vault (normal): it may on nothing."]
    assert said(("shed", "base", None)) == ["shed is not in the table of scripts/direction.py: say there what it stands on."]


if sys.argv[1:] == ["--self-test"]:
    self_test()
else:
    wrong = list(wrong_arrows(json.load(sys.stdin)))
    for sentence in wrong:
        print(sentence, file=sys.stderr)
    sys.exit(1 if wrong else 0)
