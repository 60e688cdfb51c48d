"""A card written by scripts/flash with all that it can say of a first start: it is so, and stays so."""

import base64
import os
import re
import socket
import subprocess

from lab import layer, run
from steps import NETWORK, guest, running, tell
from where import BOARD, LANE, OUT

SSH = 18022 + LANE


def first_boot(lab):
    """Name, time zone, Wi-Fi and SSH, from the card; at the second start from what was kept."""
    private, public = key(lab.folder)
    password = lab.folder / "wifi-password"
    password.write_text("correct horse\n")
    [image] = OUT.glob(f"keepsight-{BOARD}-*.img.zst")
    card = lab.folder / "card.raw"
    said = ["--name", "farmhouse", "--time-zone", "Asia/Tokyo", "--wifi", "Home", "--wifi-password-file", password, "--country", "DE", "--ssh-key", public]
    # The hub itself looks at it, inside: no program of this machine's is asked before.
    run("scripts/flash", image, card, "--to-file", "--yes", *said, env=os.environ | {"KEEPSIGHT_BIN": "/bin/true"}, stdin=subprocess.DEVNULL)
    layer(lab.disk, card, "raw")
    for start in "first", "second":
        vm = lab.machine(f"{NETWORK},hostfwd=tcp:127.0.0.1:{SSH}-:22", guest("guest-first-boot.sh", "first-boot", key=f"'{private}'"))
        with running(vm):
            vm.wait_for(r"^FIRST end", what="what was set on the card")
            with socket.create_connection(("127.0.0.1", SSH), timeout=120) as port:
                banner = port.recv(64).decode()
            assert banner.startswith("SSH-2.0-"), banner
            found = re.findall(r"^FIRST (.*?)\r?$", vm.said(), re.M)
        wanted = ["name farmhouse", "zone JST", "card first-boot*", "kept root 600", "ssh ada root", "wifi up", "end"]
        refused = [line for line in found if line.startswith("ssh stranger") and "Permission denied" in line]
        assert [line for line in found if line not in refused] == wanted and refused, "\n".join(found)
        tell(f"{start} start: " + "; ".join(found[:-1]))


def key(folder):
    """A new key for SSH: the owner's half as text, and the other one's file (RFC 8709)."""
    private = run("openssl", "genpkey", "-algorithm", "ed25519").decode().strip()
    # The last 32 bytes of what OpenSSL says of it (RFC 8410).
    raw = run("openssl", "pkey", "-pubout", "-outform", "DER", input=private.encode())[-32:]
    parts = b"".join(len(part).to_bytes(4, "big") + part for part in (b"ssh-ed25519", raw))
    public = folder / "ada.pub"
    public.write_text(f"ssh-ed25519 {base64.b64encode(parts).decode()} ada@laptop\n")
    return private, public
