"""Where a case of scripts/test-image has its disk and its machines: image-build/out/test/BOARD/CASE."""

import os
import shutil
import subprocess
import time
from pathlib import Path

from steps import NETWORK, claimed_with_cameras, remember, running, tell
from vm import Failed, Machine
from where import ARCH, IMAGE, LANE, SERIAL, TESTS

CAMERA_PORT = os.environ.get("KEEPSIGHT_CAMERA_PORT", "18554")
# Of a card, as small as one may be.
DISK = "4G"


class Lab:
    """A folder of its own for a case, with a disk whose beginning is the image, which stays as it is."""

    def __init__(self, case):
        self.folder = TESTS / case
        self.disk = self.folder / "disk.qcow2"
        self.starts = 0
        shutil.rmtree(self.folder, ignore_errors=True)
        self.folder.mkdir(parents=True)
        layer(self.disk, IMAGE, "raw")

    def machine(self, network, units, disk=None):
        """The machine, for one more start."""
        self.starts += 1
        return Machine(
            ARCH, disk or self.disk, self.folder / f"serial-{self.starts}", network, units,
            # All to the serial port, which the test reads.
            f"console={SERIAL} systemd.show_status=yes", "cache=none",
        )  # fmt: skip

    def cameras(self, count):
        """Addresses of simulated cameras, as the machine sees them."""
        return [f"rtsp://10.0.2.2:{CAMERA_PORT}/cam{n:02}/main" for n in range(1, count + 1)]

    def claimed(self, cameras=1):
        """The machine's disk becomes that of a hub that was claimed and records; what is made for that is kept for other cases."""
        kept = TESTS / f"claimed-{cameras}-{LANE}"
        disk, keep = kept / "disk.qcow2", kept / "hub.json"
        if not keep.exists() or keep.stat().st_mtime < IMAGE.stat().st_mtime:
            first = Lab(kept.name)
            vm = first.machine(NETWORK, {})
            began = time.monotonic()
            with running(vm):
                hub, ids = claimed_with_cameras(vm, began, first.cameras(cameras))
                remember(hub, ids, keep)
        layer(self.disk, disk, "qcow2")
        shutil.copy(disk.with_suffix(".uefi"), self.disk.with_suffix(".uefi"))
        tell("from a hub that was claimed before")
        return keep


def layer(disk, below, format):
    """A disk that holds only what is different from another one, which stays as it is."""
    disk.unlink(missing_ok=True)
    size = [DISK] if format == "raw" else []
    subprocess.run(["qemu-img", "create", "-q", "-f", "qcow2", "-F", format, "-b", below.resolve(), disk, *size], check=True)


def run(*command, **options):
    """A tool's output; what it says when it fails."""
    done = subprocess.run(command, capture_output=True, **options)
    if done.returncode:
        raise Failed(f"{' '.join(map(str, command))}: {done.stderr.decode()[-1000:]}")
    return done.stdout
