"""A disk image, read by nothing that made it: its two tables of partitions, and files on its FAT partitions."""

import re
import struct
import subprocess
import uuid
import zlib
from pathlib import Path
from typing import NamedTuple

SECTOR = 512
TYPES = {
    "esp": "c12a7328-f81f-11d2-ba4b-00a0c93ec93b",
    "xbootldr": "bc13c2ff-59e6-4262-a352-b275fd6f7172",
    "linux-generic": "0fc63daf-8483-4772-8e79-3d69d8477de4",
}


class Part(NamedTuple):
    kind: str
    first: int
    last: int
    name: str


class Disk:
    def __init__(self, path):
        self.path = Path(path)

    def read(self, at, size):
        with self.path.open("rb") as file:
            file.seek(at)
            return file.read(size)

    def old_table(self):
        """[(type, first sector, sectors)] of the MBR's four entries."""
        sector = self.read(0, SECTOR)
        assert sector[510:] == b"\x55\xaa", "There is no MBR."
        entries = [struct.unpack_from("<4xB3xII", sector, 446 + 16 * n) for n in range(4)]
        return [tuple(entry) for entry in entries]

    def parts(self):
        """The GPT's partitions; both copies of the table must be whole, and say the same."""
        first, entries = self.gpt(1)
        other, copy = self.gpt(self.path.stat().st_size // SECTOR - 1)
        assert entries == copy, "The two copies of the GPT differ."
        found = []
        for at in range(0, len(entries), 128):
            kind, _, begin, end, _, name = struct.unpack("<16s16sQQQ72s", entries[at : at + 128])
            if any(kind):
                found.append(Part(str(uuid.UUID(bytes_le=kind)), begin, end, name.decode("utf-16-le").rstrip("\0")))
        return found

    def gpt(self, sector):
        header = self.read(sector * SECTOR, 92)
        assert header[:8] == b"EFI PART", f"There is no GPT at sector {sector}."
        checked = header[:16] + bytes(4) + header[20:]
        assert zlib.crc32(checked) == struct.unpack_from("<I", header, 16)[0], f"The GPT at sector {sector} is damaged."
        table, count, size, crc = struct.unpack_from("<QIII", header, 72)
        entries = self.read(table * SECTOR, count * size)
        assert size == 128 and zlib.crc32(entries) == crc, f"The GPT's entries for sector {sector} are damaged."
        return header, entries

    def part(self, name):
        found = [part for part in self.parts() if part.name == name]
        assert len(found) == 1, f"There are {len(found)} partitions {name}."
        return found[0]

    def files(self, name):
        """The paths on a FAT partition."""
        said = self.mtools("mdir", name, "-/", "-b", "::/").stdout.decode()
        return sorted(re.sub(r"^::/?", "", line) for line in said.splitlines() if line and not line.endswith("/"))

    def file(self, name, path):
        return self.mtools("mtype", name, f"::/{path}").stdout

    def put(self, name, path, source):
        self.mtools("mcopy", name, "-o", source, f"::/{path}")

    def mtools(self, tool, name, *words):
        # Places on the partition come last, but for what follows -i.
        at = self.part(name).first * SECTOR
        return subprocess.run([tool, "-i", f"{self.path}@@{at}", *words], check=True, capture_output=True)
