"""A virtual machine that runs an image, for tests: the image as it is, QEMU from the builder, no KVM."""

import base64
import os
import re
import shutil
import socket
import subprocess
import time
from pathlib import Path
from typing import NamedTuple

# Emulated, and beside others: how long a thing may take. Nothing waits for it to be over.
BOOT_S = int(os.environ.get("KEEPSIGHT_BOOT_SECONDS", "1500"))


class Kind(NamedTuple):
    """What differs between machines of two processors."""

    qemu: list
    # UEFI, and what it remembers at first.
    firmware: Path
    memory: Path
    # The serial port, as Linux calls it.
    serial: str


MACHINES = {
    "amd64": Kind(
        ["qemu-system-x86_64", "-machine", "q35", "-cpu", "max"],
        Path("/usr/share/OVMF/OVMF_CODE_4M.fd"), Path("/usr/share/OVMF/OVMF_VARS_4M.fd"), "ttyS0",
    ),
    # The processor of a Raspberry Pi 4: QEMU's "max" has signed pointers, which take long to emulate.
    "arm64": Kind(
        ["qemu-system-aarch64", "-machine", "virt", "-cpu", "cortex-a72"],
        Path("/usr/share/AAVMF/AAVMF_CODE.fd"), Path("/usr/share/AAVMF/AAVMF_VARS.fd"), "ttyAMA0",
    ),
}  # fmt: skip


class Failed(Exception):
    """What was expected did not come, in words for a person."""


class Machine:
    """QEMU with a disk, started by `start` and stopped by `cut` (a plug that is pulled) or `stop`."""

    def __init__(self, arch, disk, serial, network=None, units=None, kernel_words="", drive_options="cache=none"):
        self.kind, self.disk, self.serial = MACHINES[arch], Path(disk), Path(serial)
        self.network, self.units, self.kernel_words = network, units or {}, kernel_words
        self.drive_options = drive_options
        self.log = self.stick = self.second_disk = None
        # A socket in the file system, by which a unit inside is told what to do: its second serial port.
        self.orders = self.port = None
        # Only where it is asked for: on a busy host a machine may stand still for longer than it waits.
        self.watchdog = False
        self.process = None
        self.read_from = 0

    def log_writes_to(self, log):
        """Writes down, in order, every write to the disk and every word to keep what was written."""
        self.log = Path(log)
        self.log.unlink(missing_ok=True)
        self.log.touch()
        # With room: QEMU's log does not grow its file. What nobody writes takes none.
        os.truncate(self.log, 16 << 30)

    def start(self):
        """Power on."""
        self.serial.write_bytes(b"")
        self.read_from = 0
        self.process = subprocess.Popen(self.command(), stdin=subprocess.PIPE, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE)

    def command(self):
        strings = self.serial.with_suffix(".smbios")
        folder = strings.with_suffix(".d")
        folder.mkdir(exist_ok=True)
        # What goes to the system by SMBIOS: words for its command line, and units of the test.
        words = [f"io.systemd.stub.kernel-cmdline-extra=systemd.default_device_timeout_sec=900 {self.kernel_words}"]
        for name, text in self.units.items():
            coded = base64.b64encode(text.encode()).decode()
            words.append(f"io.systemd.credential.binary:{name}={coded}")
        options = []
        for number, word in enumerate(words):
            (folder / str(number)).write_text(word)
            options += ["-smbios", f"type=11,path={folder}/{number}"]
        network = ["-nic", "none"] if self.network is None else ["-nic", self.network]
        memory = self.disk.with_suffix(".uefi")
        if not memory.exists():
            shutil.copy(self.kind.memory, memory)
        # What is not always there has a place of its own: UEFI remembers a disk by its place, which others before it would shift.
        return [
            *self.kind.qemu, "-accel", "tcg,thread=multi", "-smp", "2",
            "-m", "1536", "-display", "none", "-no-user-config", "-monitor", "none", "-serial", f"file:{self.serial}",
            "-drive", f"if=pflash,format=raw,readonly=on,file={self.kind.firmware}",
            "-drive", f"if=pflash,format=raw,file={memory}",
            "-drive", self.drive(),
            *self.usb(), *self.second(), *self.ordered(), *(["-device", "i6300esb,addr=0x10"] if self.watchdog else []), "-device", "virtio-rng-pci", *network, *options,
        ]  # fmt: skip

    def usb(self):
        """A USB stick that is plugged in, if one is: the file that it is."""
        if self.stick is None:
            return []
        stick = f"if=none,id=stick,format=raw,readonly=on,file={self.stick}"
        return ["-device", "qemu-xhci,addr=0x11", "-drive", stick, "-device", "usb-storage,drive=stick,removable=on"]

    def second(self):
        """A second disk, if there is one."""
        if self.second_disk is None:
            return []
        disk = f"if=none,id=second,format=qcow2,file={self.second_disk},{self.drive_options}"
        return ["-drive", disk, "-device", "virtio-blk-pci,drive=second,serial=Keepsight-Test-2,addr=0x12"]

    def ordered(self):
        """A second serial port, if something inside is told what to do."""
        return [] if self.orders is None else ["-serial", f"unix:{self.orders},server=on,wait=off"]

    def order(self, words):
        """Says a line on the second serial port."""
        if self.port is None:
            # Kept: what is still on its way is lost when it is closed.
            self.port = socket.socket(socket.AF_UNIX)
            self.port.connect(str(self.orders))
        self.port.sendall(words.encode() + b"\n")

    def drive(self):
        if self.log is None:
            return f"if=virtio,format=qcow2,file={self.disk},{self.drive_options}"
        disk = f"file.driver=qcow2,file.file.driver=file,file.file.filename={self.disk}"
        return f"if=virtio,driver=blklogwrites,{disk},log.driver=file,log.filename={self.log}"

    def said(self):
        """All that its serial port said since it was started, without colours."""
        return re.sub(r"\x1b\[[0-9;?]*[A-Za-z]|\x1b\([A-Z]|\r", "", self.serial.read_text(errors="replace"))

    def wait_for(self, pattern, within=BOOT_S, what=None):
        """Waits until it says what matches the pattern, from where the last wait ended. Returns the match."""
        end = time.monotonic() + within
        while True:
            text = self.said()
            found = re.compile(pattern, re.MULTILINE).search(text, self.read_from)
            if found:
                self.read_from = found.end()
                return found
            if self.process.poll() is not None:
                raise Failed(f"QEMU ended: {self.process.stderr.read().decode()}\n{text[-3000:]}")
            if time.monotonic() > end:
                raise Failed(f"{what or pattern}: did not come within {within} s. The end of what it said:\n{text[-4000:]}")
            time.sleep(0.5)

    def cut(self):
        """Pulls the plug."""
        if self.port:
            self.port.close()
            self.port = None
        if self.process and self.process.poll() is None:
            self.process.kill()
            self.process.wait()
