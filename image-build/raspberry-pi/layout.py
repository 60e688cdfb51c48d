"""Reads back the image of a Raspberry Pi: what its firmware, U-Boot, GRUB and the kernel will look for is there, and whole.

  layout.py BOARD ARCH CASE DEVICE-TREE…     called by scripts/test-image, in the builder
"""

import configparser
import hashlib
import json
import re
import struct
import subprocess
import sys
import tempfile
from pathlib import Path

from disk import SECTOR, TYPES, Disk

board, _, _, *trees = sys.argv[1:]
here = Path(__file__).parent
disk = Disk(f"image-build/out/work-{board}/disk.raw")


def main():
    tables()
    first_partition()
    kernel, roots = boot_partition()
    root_partition(*roots)
    print(f"   two tables of partitions that agree; firmware, U-Boot and {len(trees)} device trees; GRUB; {kernel}; a root file system with its hash tree")


def tables():
    wanted = []
    for name in ["10-esp", "20-boot-a", "21-root-a"]:
        said = configparser.ConfigParser(strict=False)
        said.read(here.parent / f"repart/{name}.conf")
        part = said["Partition"]
        wanted.append((TYPES[part["Type"]], int(part["SizeMaxBytes"].removesuffix("M")) << 20, part["Label"]))
    found = [(part.kind, (part.last - part.first + 1) * SECTOR, part.name) for part in disk.parts()]
    assert found == wanted, f"Partitions are {found}, not {wanted}."
    esp = disk.part("keepsight-esp")
    # A Pi 4's firmware finds nothing if the first or second entry says that there is a GPT, or if the first is empty.
    old = disk.old_table()
    assert old[0] == (0x0C, esp.first, esp.last - esp.first + 1), f"The old table's first entry is {old[0]}."
    assert old[1] == (0, 0, 0) and old[2][:2] == (0xEE, 1) and old[3] == (0, 0, 0), f"The old table is {old}."


def first_partition():
    boot_sector = disk.read(disk.part("keepsight-esp").first * SECTOR, SECTOR)
    assert boot_sector[82:90] == b"FAT32   ", "The first partition is not FAT32."
    names = [Path(tree).name for tree in trees]
    files = ["COPYRIGHT.raspi-firmware", "EFI/BOOT/BOOTAA64.EFI", "config.txt", "fixup4.dat", "grub/grub.cfg", "grub/grubenv", "start4.elf", "u-boot.bin"]
    assert disk.files("keepsight-esp") == sorted(files + names), disk.files("keepsight-esp")

    def file(path):
        return disk.file("keepsight-esp", path)

    settings = dict(line.split("=", 1) for line in file("config.txt").decode().splitlines() if line and line[0] != "#")
    assert settings == {"arm_64bit": "1", "kernel": "u-boot.bin", "enable_uart": "1", "upstream_kernel": "1", "os_check": "0"}, settings
    assert file("start4.elf")[:4] == b"\x7fELF" and len(file("fixup4.dat")) > 1000, "The firmware is not whole."
    # Its first instruction is a jump, and the next does nothing.
    u_boot = file("u-boot.bin")
    assert u_boot[3] & 0xFC == 0x14 and u_boot[4:8] == b"\x1f\x20\x03\xd5" and len(u_boot) > 400_000, "u-boot.bin is no program for 64-bit ARM."
    for name in names:
        tree = file(name)
        magic, size = struct.unpack_from(">II", tree)
        assert magic == 0xD00DFEED and size == len(tree), f"{name} is no device tree."
        # Its first property: what it is a tree of.
        assert f"raspberrypi,{board.removeprefix('raspberry-pi-')}".encode() in tree[:4096], f"{name} is not {board}'s."
    is_efi(file("EFI/BOOT/BOOTAA64.EFI"), "GRUB")
    assert file("grub/grub.cfg") == (here.parent / "grub.cfg").read_bytes(), "GRUB's configuration is another."
    memory = file("grub/grubenv")
    assert len(memory) == 1024 and memory.startswith(b"# GRUB Environment Block\n") and b"\nORDER=A B\n" in memory, memory


def boot_partition():
    """What kernel it is; {slot: (root hash, where the hash tree begins)}."""
    names = sorted(disk.files("keepsight-boot-a"))
    assert names == ["keepsight.efi", "keepsight.sha256"], names
    kernel = disk.file("keepsight-boot-a", "keepsight.efi")
    told = disk.file("keepsight-boot-a", "keepsight.sha256").decode()
    assert told == f"{hashlib.sha256(kernel).hexdigest()}  keepsight.efi\n", f"The kernel's file is another than {told}"
    is_efi(kernel, "The kernel's file")
    with tempfile.NamedTemporaryFile(suffix=".efi") as file:
        file.write(kernel)
        file.flush()
        said = subprocess.run(["ukify", "inspect", file.name, "--json=short", "--all"], check=True, capture_output=True).stdout
    sections = json.loads(said)
    assert sections[".linux"]["size"] > 10_000_000 and sections[".initrd"]["size"] > 1_000_000, sections
    # Each slot has a profile, and in it a command line of its own.
    lines = re.findall(rb"ro root=/dev/mapper/root [^\0]*", kernel)
    roots = set()
    for slot, line in zip("ab", (line.decode() for line in lines), strict=True):
        words = dict(word.split("=", 1) for word in line.split() if "=" in word)
        assert words["systemd.verity_root_data"] == f"PARTLABEL=keepsight-root-{slot}" and words["rauc.slot"] == slot.upper(), line
        roots.add((words["roothash"], int(re.search(r"hash-offset=(\d+)", line).group(1))))
    assert len(roots) == 1, f"The slots want different systems: {roots}"
    return sections[".uname"]["text"].strip(), roots.pop()


def root_partition(root_hash, offset):
    part = disk.part("keepsight-root-a")
    at = part.first * SECTOR
    assert disk.read(at + 1024, 4) == b"\xe2\xe1\xf5\xe0", "The root file system is no erofs."
    with tempfile.NamedTemporaryFile(dir=disk.path.parent) as file:
        subprocess.run(
            ["dd", f"if={disk.path}", f"of={file.name}", "bs=1M", "iflag=skip_bytes,count_bytes", f"skip={at}",
             f"count={(part.last - part.first + 1) * SECTOR}", "conv=sparse", "status=none"], check=True,
        )  # fmt: skip
        said = subprocess.run(["veritysetup", "verify", f"--hash-offset={offset}", file.name, file.name, root_hash], capture_output=True)
        assert said.returncode == 0, f"The hash tree does not fit the root file system: {said.stderr.decode()}"


def is_efi(program, what):
    assert program[:2] == b"MZ", f"{what} is no EFI program."
    at = struct.unpack_from("<I", program, 60)[0]
    assert program[at : at + 6] == b"PE\0\0\x64\xaa", f"{what} is not for 64-bit ARM."


try:
    main()
except AssertionError as e:
    sys.exit(str(e))
