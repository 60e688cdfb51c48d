"""Updates as nobody should make them, out of one that is good: for another board, older, damaged, signed by the wrong hands."""

import hashlib
import json
import re
import shutil
from pathlib import Path

from lab import run
from where import BOARD

KEYS = Path("image-build/keys")


class Bundle:
    """An update that was built: squashfs with its hash tree, then the signed manifest (CMS, with the manifest in it), then that one's length."""

    def __init__(self, folder):
        self.offered = json.loads((folder / f"{BOARD}.json").read_text())
        whole = (folder / self.offered["bundle"]).read_bytes()
        length = int.from_bytes(whole[-8:], "big")
        self.payload, cms = whole[: -8 - length], whole[-8 - length : -8]
        self.manifest = run("openssl", "cms", "-verify", "-noverify", "-inform", "DER", input=cms).decode()

    def offer(self, folder, version, signed=None, keys=("signing", KEYS), payload=None):
        """Writes it, as `version`, to a source's folder; `signed` has what is otherwise in the manifest that is signed."""
        text = self.manifest
        for key, value in ({"version": version} | (signed or {})).items():
            text, count = re.subn(rf"(?m)^{key}=.*$", f"{key}={value}", text, count=1)
            assert count == 1, f"no {key} in the manifest:\n{text}"
        name, where = keys
        cms = run(
            "openssl", "cms", "-sign", "-binary", "-nodetach", "-nosmimecap", "-md", "sha256", "-outform", "DER",
            "-signer", where / f"{name}.cert.pem", "-inkey", where / f"{name}.key.pem", input=text.encode(),
        )  # fmt: skip
        said = {"version": version, "bundle": f"{version}.raucb"}
        folder.mkdir(exist_ok=True)
        (folder / said["bundle"]).write_bytes((payload or self.payload) + cms + len(cms).to_bytes(8, "big"))
        self.say(folder, said)

    def say(self, folder, said):
        """The manifest that hubs read, which nobody signs."""
        folder.mkdir(exist_ok=True)
        (folder / f"{BOARD}.json").write_text(json.dumps(self.offered | said))

    def flipped(self):
        """The same with a bit flipped in each of its mebibytes."""
        damaged = bytearray(self.payload)
        for at in range(4096, len(damaged), 1 << 20):
            damaged[at + 123] ^= 0x10
        return bytes(damaged)


def other_keys(folder, root_days=("20200101000000Z", "20400101000000Z"), days=("20200101000000Z", "20400101000000Z"), root=None):
    """A key that signs updates, vouched for by a root of its own, or by `root`: a folder with root.cert.pem and root.key.pem."""
    folder.mkdir()
    if root is None:
        root = folder
        certificate(folder, "root", root_days, ["basicConstraints=critical,CA:true", "keyUsage=critical,keyCertSign"], [])
    certificate(
        folder, "signing", days, ["basicConstraints=critical,CA:false", "keyUsage=critical,digitalSignature", "extendedKeyUsage=critical,codeSigning"],
        ["-CA", root / "root.cert.pem", "-CAkey", root / "root.key.pem"],
    )  # fmt: skip
    return ("signing", folder)


def certificate(folder, name, days, extensions, signer):
    added = [part for extension in extensions for part in ("-addext", extension)]
    run(
        "openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-sha256", "-subj", f"/CN=test {name}",
        "-config", "/dev/null", "-not_before", days[0], "-not_after", days[1], *added, *signer,
        "-keyout", folder / f"{name}.key.pem", "-out", folder / f"{name}.cert.pem",
    )  # fmt: skip


def with_broken(section, built, folder, version):
    """
    A whole update, signed as it should be, whose `.linux` or `.initrd` is not what it was: a kernel that was damaged on its way to the card, as
    its sum says; an initrd that never was one.
    """
    work = folder / "broken"
    work.mkdir()
    shutil.copy(built / "boot.img", work / "boot.img")
    run("mcopy", "-n", "-i", work / "boot.img", "::keepsight.efi", folder / "keepsight.efi")
    kernel = bytearray((folder / "keepsight.efi").read_bytes())
    at, size = pe_section(kernel, section)
    kernel[at + 65536 : at + size] = bytes(size - 65536)
    (folder / "keepsight.efi").write_bytes(kernel)
    run("mcopy", "-o", "-i", work / "boot.img", folder / "keepsight.efi", "::keepsight.efi")
    if section == ".initrd":
        (folder / "keepsight.sha256").write_text(f"{hashlib.sha256(kernel).hexdigest()}  keepsight.efi\n")
        run("mcopy", "-o", "-i", work / "boot.img", folder / "keepsight.sha256", "::keepsight.sha256")
    shutil.copy(built / "root.img", work / "root.img")
    (work / "manifest.raucm").write_text(
        f"[update]\ncompatible=keepsight-{BOARD}\nversion={version}\n\n[bundle]\nformat=verity\n\n"
        "[image.rootfs]\nfilename=root.img\nadaptive=block-hash-index\n\n[image.boot]\nfilename=boot.img\nadaptive=block-hash-index\n"
    )
    source = folder / "source"
    source.mkdir()
    run(
        # In pieces as small as scripts/build-image makes them.
        "rauc", "--conf=image-build/rauc/system.conf", "bundle", "--mksquashfs-args=-b 16K", f"--cert={KEYS}/signing.cert.pem", f"--key={KEYS}/signing.key.pem",
        f"--keyring={KEYS}/root.cert.pem", work, source / "broken.raucb",
    )  # fmt: skip
    said = {"format": 1, "version": version, "compatible": f"keepsight-{BOARD}", "bundle": "broken.raucb"}
    (source / f"{BOARD}.json").write_text(json.dumps(said | {"size": (source / "broken.raucb").stat().st_size, "sha256": "0" * 64}))
    shutil.rmtree(work)
    return source


def pe_section(file, name):
    """Where a section of an EFI program lies: its place and length in bytes (Microsoft's PE/COFF, "Section Table")."""
    header = int.from_bytes(file[0x3C:0x40], "little")
    count = int.from_bytes(file[header + 6 : header + 8], "little")
    table = header + 24 + int.from_bytes(file[header + 20 : header + 22], "little")
    for at in range(table, table + 40 * count, 40):
        if file[at : at + 8].rstrip(b"\0").decode() == name:
            return int.from_bytes(file[at + 20 : at + 24], "little"), int.from_bytes(file[at + 8 : at + 12], "little")
    raise AssertionError(f"no section {name}")
