"""The loaders of a Raspberry Pi 4, on QEMU's: U-Boot starts GRUB from the card, GRUB takes the slot that it is to, remembers that on the
card, and goes back from one that did not say that it is good. (QEMU itself stands in for the firmware. The plug is pulled once GRUB has chosen:
it reads the kernel for minutes there, which then gets no further.)

  loader.py BOARD ARCH CASE DEVICE-TREE…     called by scripts/test-image, in the builder
"""

import re
import shutil
import subprocess
import sys
import time
from pathlib import Path

from disk import SECTOR, Disk
from vm import BOOT_S

board, _, _, *trees = sys.argv[1:]
OUT = Path("image-build/out")
WORK = OUT / f"work-{board}"
folder = OUT / "test" / board / "loader"


def main():
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    card = Disk(folder / "card.raw")
    for name in ["u-boot.bin", Path(trees[0]).name]:
        (folder / name).write_bytes(Disk(WORK / "disk.raw").file("keepsight-esp", name))
    with_slot_b(card.path)

    remember(card, "ORDER=B A", "A_OK=1", "A_TRY=0", "A_PROVEN=1", "B_OK=1", "B_TRY=0", "B_PROVEN=0")
    # What was just installed.
    start(card, 1, ["B"])
    now = remembered(card)
    assert now["B_TRY"] == "1" and now.get("A_STARTS", "") == "", f"GRUB did not remember that slot B was tried: {now}"

    # It said nothing of being good.
    start(card, 2, ["A"])
    now = remembered(card)
    assert (now["A_STARTS"], now["A_TRY"]) == ("x", "0"), f"GRUB did not remember a start of slot A: {now}"
    print("   U-Boot and GRUB from the card; slot B tried once, then back to A; remembered on the card")

    remember(card, "ORDER=A B", "A_OK=1", "A_TRY=0", "A_STARTS=", "B_OK=1", "B_TRY=0", "B_PROVEN=1", "B_STARTS=")
    at = card.part("keepsight-boot-a").first * SECTOR
    with card.path.open("r+b") as file:
        file.seek(at)
        file.write(bytes(1 << 20))
    start(card, 3, ["A", "B"])
    print("   a slot in which there is nothing is passed over")


def with_slot_b(path):
    """The image as a card of 4 GB, on which first boot has made slot B, with the same kernel in it."""
    subprocess.run(["cp", "--sparse=always", WORK / "disk.raw", path], check=True)
    subprocess.run(["truncate", "--size=4G", path], check=True)
    definitions = folder / "repart"
    shutil.copytree("image-build/repart", definitions)
    with (definitions / "30-boot-b.conf").open("a") as file:
        file.write(f"CopyBlocks=/src/{WORK}/boot.img\n")
    (definitions / "40-data.conf").unlink()
    before = Disk(path).old_table()
    subprocess.run(
        ["systemd-repart", "--offline=yes", "--dry-run=no", "--empty=allow", f"--definitions=/src/{definitions}", path],
        check=True, capture_output=True,
    )  # fmt: skip
    assert Disk(path).old_table() == before, "First boot has changed the table that the firmware reads."


def remember(card, *words):
    memory = folder / "grubenv"
    memory.write_bytes(card.file("keepsight-esp", "grub/grubenv"))
    subprocess.run(["grub-editenv", memory, "set", *words], check=True)
    card.put("keepsight-esp", "grub/grubenv", memory)


def remembered(card):
    text = card.file("keepsight-esp", "grub/grubenv").decode()
    return dict(line.split("=", 1) for line in text.splitlines() if "=" in line and line[0] != "#")


def start(card, nth, wanted):
    """Power on, until GRUB has named these slots, one after the other; before it names one it has written on the card that it takes it."""
    serial = folder / f"serial-{nth}"
    serial.write_bytes(b"")
    qemu = subprocess.Popen(
        ["qemu-system-aarch64", "-machine", "raspi4b", "-display", "none", "-monitor", "none", "-no-user-config",
         # The second port is the one that the device tree says is the console.
         "-serial", "null", "-serial", f"file:{serial}", "-kernel", folder / "u-boot.bin", "-dtb", folder / Path(trees[0]).name,
         "-drive", f"if=sd,format=raw,cache=writethrough,file={card.path}"],
        stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE,
    )  # fmt: skip
    end = time.monotonic() + BOOT_S
    try:
        while True:
            text = re.sub(r"\x1b\[[0-9;?]*[A-Za-z]", "", serial.read_text(errors="replace"))
            said = re.findall(r"Keepsight: slot ([AB])", text)
            assert said == wanted[: len(said)], f"GRUB is to take slots {wanted}, and took {said}."
            if said == wanted:
                return
            assert qemu.poll() is None, f"QEMU ended: {qemu.stderr.read().decode()}\n{text[-2000:]}"
            assert time.monotonic() < end, f"GRUB took {said}, not {wanted}, within {BOOT_S} s. The end of what it said:\n{text[-3000:]}"
            time.sleep(0.5)
    finally:
        qemu.kill()
        qemu.wait()


try:
    main()
except AssertionError as e:
    sys.exit(str(e))
