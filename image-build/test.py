"""Tests an image in an emulated machine: test.py BOARD ARCH offline|online|update|fallback. Called by scripts/test-image, in the builder."""

import base64
import json
import os
import re
import shutil
import subprocess
import sys
import time
from pathlib import Path

from hub_client import Hub
from ranges import Ranges
from vm import MACHINES, Failed, Machine

OUT = Path("image-build/out")
NEXT = OUT / "next"
BOARD, ARCH, CASE = sys.argv[1:4]
IMAGE = OUT / f"work-{BOARD}/disk.raw"
SERIAL = MACHINES[ARCH].serial
HTTPS, HTTP, UPDATE_PORT = 18443, 18080, 18081
GUEST = "10.0.2.15"
CAMERA = f"rtsp://10.0.2.2:{os.environ.get('KEEPSIGHT_CAMERA_PORT', '18554')}/cam01/main"
NETWORK = f"user,model=virtio-net-pci,hostfwd=tcp:127.0.0.1:{HTTPS}-:443,hostfwd=tcp:127.0.0.1:{HTTP}-:80"
# What listens: the hub's two ports, and systemd-resolved for this machine itself (127.0.0.53). In hexadecimal.
PORTS = {"01BB", "0050", "0035"}


def main():
    folder = OUT / "test" / BOARD / CASE
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    # A disk of 4 GB whose beginning is the image, which stays as it is.
    subprocess.run(
        ["qemu-img", "create", "-q", "-f", "qcow2", "-F", "raw", "-b", Path("/src") / IMAGE, folder / "disk.qcow2", "4G"],
        check=True,
    )

    def machine(network, units, boot):
        return Machine(
            ARCH, folder / "disk.qcow2", folder / f"serial-{boot}", network, units,
            # All to the serial port, which the test reads.
            f"console={SERIAL} systemd.show_status=yes", "cache=none",
        )  # fmt: skip

    {"offline": offline, "online": online, "update": update, "fallback": fallback}[CASE](machine)


def offline(machine):
    """No network device at all: everything comes up, and the screen says how to claim."""
    vm = machine(None, guest("guest-look.sh"), 1)
    began = time.monotonic()
    with running(vm):
        token = vm.wait_for(r"Claim token: (\S+)", what="the claim token on the screen").group(1)
        tell(f"claim token on the screen after {time.monotonic() - began:.0f} s: {token}")
        first = looked(vm)
    # The plug is pulled, and it comes up again as the same machine.
    vm = machine(None, guest("guest-look.sh"), 2)
    with running(vm):
        second = looked(vm)
    assert first["machine-id"] == second["machine-id"], f"Another machine after the second start: {first['machine-id']}, {second['machine-id']}"
    tell("started again after a power cut, with the same machine's id")


def online(machine):
    """Claimed from outside by what the screen shows; a camera recorded, played back, and recorded again after a power cut."""
    vm = machine(NETWORK, guest("guest-look.sh"), 1)
    began = time.monotonic()
    with running(vm):
        hub, camera = claimed_with_camera(vm, began)
        tell(f"played back: {len(hub.play_back(camera))} bytes of film")
        looked(vm)
        before = hub.recorded(camera)
    vm = machine(NETWORK, {}, 2)
    began = time.monotonic()
    with running(vm):
        until(lambda: hub.sign_in(), 900)
        after = hub.recorded(camera, since=before, within=900)
        tell(f"after a power cut recorded again {time.monotonic() - began:.0f} s after the power came back ({after})")
        hub.play_back(camera)


def update(machine, ends_on="B", units=None):
    """An owner has the hub install what its source offers; it streams into slot B, which is started, records, and is good: it stays."""
    offered = NEXT / f"{BOARD}.json"
    if not offered.exists():
        raise Failed(f"There is no update to install. Run scripts/build-image {BOARD} --version 9.9.9 --out {NEXT} first.")
    offered = json.loads(offered.read_text())
    vm = machine(NETWORK, guest("guest-update.sh") | (units or {}), 1)
    server = Ranges(UPDATE_PORT)
    began = time.monotonic()
    with running(vm), server:
        hub, camera = claimed_with_camera(vm, began)
        vm.wait_for(r"^UPDATE end A 1", what="slot A has shown that it is good")
        server.offer(NEXT)
        updates = lambda: hub.json(200, "GET", "/api/v1/system/update")  # noqa: E731
        hub.expect(200, "PATCH", "/api/v1/system/update", {"when": "ask", "source": f"http://10.0.2.2:{UPDATE_PORT}/"})
        until(lambda: stage(updates(), "offered"), 600)
        assert updates()["offer"]["version"] == offered["version"], updates()
        before = hub.recorded(camera)
        hub.expect(202, "POST", "/api/v1/system/update/install")
        tell(f"offered {offered['version']}, and installed at an owner's word")
        vm.wait_for(r"^Keepsight: slot B", within=3000, what="GRUB starts slot B")
        tell(f"installed, and restarted by the hub; {server.sent / 1e6:.1f} MB of {offered['size'] / 1e6:.1f} MB fetched")
        ended = vm.wait_for(r"^UPDATE end ([AB]) [23]", within=3000, what="slot B proves itself, or the hub is back").group(1)
        tell(re.findall(r"UPDATE grubenv (.*)", vm.said())[-1])
        assert ended == ends_on, f"It ended on slot {ended}, not {ends_on}:\n" + "\n".join(re.findall(r"^UPDATE .*", vm.said(), re.M))
        until(lambda: hub.sign_in(), 600)
        hub.recorded(camera, since=before)
        hub.play_back(camera)
        until(lambda: remembered(updates(), ended, offered["version"]), 600)
        tell(f"on slot {ended}, remembered, recorded again and played back {time.monotonic() - began:.0f} s after the first start")


def stage(said, wanted):
    assert said["stage"] == wanted, f"The hub's updates are {said['stage']}, not {wanted}: {said}"


def remembered(said, slot, version):
    """The hub knows how it went."""
    if slot == "B":
        assert said["version"] == version and (said["last_good"] or {}).get("version") == version, said
        assert said["health"]["state"] == "ok", said
    else:
        assert [(it["version"], it["why"]) for it in said["failed"]] == [(version, "went_back")], said
        assert said["health"].get("reason") == "update_went_back", said


def fallback(machine):
    """The same with a hub that does not start in slot B: back to A, by itself."""
    broken = "[Unit]\nConditionKernelCommandLine=!rauc.slot=B\n"
    update(machine, "A", {"systemd.unit-dropin.keepsight.service~broken": broken})


def claimed_with_camera(vm, began):
    token = vm.wait_for(r"Claim token: (\S+)", what="the claim token on the screen").group(1)
    tell(f"claim token on the screen after {time.monotonic() - began:.0f} s")
    fingerprint = vm.wait_for(r"Certificate, SHA-256: ([0-9A-Fa-f: ]+)", what="the certificate on the screen").group(1)
    hub = Hub(HTTPS, HTTP, GUEST)
    until(lambda: hub.trust(fingerprint), 120)
    until(lambda: hub.claim(token), 120)
    camera = hub.add_camera(CAMERA)
    hub.recorded(camera)
    tell(f"power to first recorded picture {time.monotonic() - began:.0f} s, with the claim in between")
    return hub, camera


def guest(script):
    """Units that run a script inside, once the system is up, by SMBIOS."""
    coded = base64.b64encode((Path(__file__).parent / script).read_bytes()).decode()
    unit = f"""[Unit]
After=multi-user.target
[Service]
ExecStart=/bin/sh -c "echo {coded} | base64 -d > /run/look; exec sh /run/look"
StandardOutput=tty
StandardError=tty
TTYPath=/dev/{SERIAL}
"""
    return {
        "systemd.extra-unit.keepsight-look.service": unit,
        "systemd.unit-dropin.multi-user.target~look": "[Unit]\nWants=keepsight-look.service\n",
    }


def looked(vm):
    """What guest-look.sh said, if all of it is as it should be."""
    vm.wait_for(r"LOOK end", what="the look from inside")
    lines = re.findall(r"LOOK (\S+) ?(.*)", vm.said())
    said = dict(lines)
    faults = [f"{key} {rest}" for key, rest in lines if key in ("failed", "why")]
    wanted = {"cycles": "0", "root": "erofs ro", "swap": "/dev/zram0"}
    faults += [f"{key} is {said.get(key)!r}, not {value!r}" for key, value in wanted.items() if said.get(key, "").strip() != value]
    if " verity V" not in said.get("verity", ""):
        faults.append(f"the root file system is not checked: {said.get('verity')!r}")
    ports = set(said.get("ports", "").split()) - {"tcp"}
    if not ports <= PORTS:
        faults.append(f"ports are open that should not be: {sorted(ports - PORTS)}")
    assert not faults, "Not as it should be:\n  " + "\n  ".join(faults)
    tell(f"from inside: no failed unit, no cycle, read-only checked root, ports {sorted(ports)}; {said.get('times', '')}")
    return said


class running:
    """Power on; the plug is pulled at the end, whatever happened."""

    def __init__(self, vm):
        self.vm = vm

    def __enter__(self):
        self.vm.start()

    def __exit__(self, *_):
        self.vm.cut()


def until(act, within):
    """Does it again until it works, or the time is over: then its own error."""
    end = time.monotonic() + within
    while True:
        try:
            return act()
        except (OSError, AssertionError, ValueError):
            if time.monotonic() > end:
                raise
            time.sleep(2)


def tell(text):
    print(f"   {text}", flush=True)


try:
    main()
except (Failed, AssertionError) as e:
    sys.exit(str(e))
