"""Tests an image in an emulated machine: test.py BOARD ARCH CASE. Called by scripts/test-image, in the builder."""

import base64
import json
import re
import sys
import time
from datetime import date
from pathlib import Path

import cable
import decoders
import first_boot
import plug
import second_disk
import updates
from lab import Lab
from steps import NETWORK, claimed_with_cameras, guest, running, signed_in, tell, told, until
from vm import Failed
from where import BOARD, CASE, LANE

# What listens: the hub's two ports, and systemd-resolved for this machine itself (127.0.0.53). In hexadecimal.
PORTS = {"01BB", "0050", "0035"}


def offline(lab):
    """No network device at all: everything comes up, and the screen says how to claim."""
    vm = lab.machine(None, guest("guest-look.sh"))
    began = time.monotonic()
    with running(vm):
        token = vm.wait_for(r"Claim token: (\S+)", what="the claim token on the screen").group(1)
        tell(f"claim token on the screen after {time.monotonic() - began:.0f} s: {token}")
        first = looked(vm)
    # The plug is pulled, and it comes up again as the same machine.
    vm = lab.machine(None, guest("guest-look.sh"))
    with running(vm):
        second = looked(vm)
    assert first["machine-id"] == second["machine-id"], f"Another machine after the second start: {first['machine-id']}, {second['machine-id']}"
    tell("started again after a power cut, with the same machine's id")


def online(lab):
    """Claimed from outside by what the screen shows; a camera recorded, played back, and recorded again after a power cut."""
    vm = lab.machine(NETWORK, guest("guest-look.sh") | guest("guest-time.sh", "time"))
    began = time.monotonic()
    with running(vm):
        hub, [camera] = claimed_with_cameras(vm, began, lab.cameras(1))
        tell(f"played back: {len(hub.play_back(camera))} bytes of film")
        looked(vm)
        began = time.monotonic()
        hub.expect(200, "PATCH", f"/api/v1/cameras/{camera}", {"motion": {}})
        until(lambda: thumbnail(hub), 300)
        tell(f"what moves is an event with its picture {time.monotonic() - began:.0f} s after motion was switched on")
        began = time.monotonic()
        model = base64.b64encode(Path("hub/vision/tests/models/small.onnx").read_bytes()).decode()
        hub.expect(200, "PUT", "/api/v1/objects", {"model": model})
        told_apart = until(lambda: by_another_library(hub), 300)
        until(lambda: thumbnail(hub, "person"), 300)
        tell(f"a model says that it is a person {time.monotonic() - began:.0f} s after the hub was given it; {told_apart}")
        for internet, said in (True, "on"), (False, "off"):
            hub.expect(200, "PATCH", "/api/v1/system/time", {"internet": internet})
            vm.wait_for(f"^TIME {said}", what=f"time servers {said}")
        tell("time servers are asked when an owner says so, and not any more")
        before = hub.recorded(camera)
    vm = lab.machine(NETWORK, {})
    began = time.monotonic()
    with running(vm):
        until(lambda: hub.sign_in(), 900)
        after = hub.recorded(camera, since=before, within=900)
        tell(f"after a power cut recorded again {time.monotonic() - began:.0f} s after the power came back ({after})")
        hub.play_back(camera)


def hang(lab):
    """A system that hangs is started again by the machine's watchdog, and records."""
    keep = lab.claimed()
    vm = lab.machine(NETWORK, guest("guest-hang.sh", "hang"))
    vm.watchdog = True
    with running(vm):
        hub, [camera] = signed_in(keep)
        before = hub.recorded(camera)
        tell(vm.wait_for(r"^HANG (watchdog .*)", what="the machine's watchdog").group(1))
        vm.wait_for(r"^HANG now", what="the system hangs")
        began = time.monotonic()
        vm.wait_for(r"^Keepsight: slot A", what="the watchdog starts the machine again")
        tell(f"started again by its watchdog {time.monotonic() - began:.0f} s after it hung")
        vm.wait_for(r"^HANG before", what="the second start")
        until(hub.sign_in, 900)
        hub.recorded(camera, since=before)
        tell("and it records")


def radio(lab):
    """Two simulated radios and no cable: nobody owns the hub, so it is a network of its own; then it joins the home's."""
    vm = lab.machine(None, guest("guest-radio.sh", "radio"))
    began = time.monotonic()
    with running(vm):
        vm.wait_for(r"^RADIO end", within=1500, what="the hub's Wi-Fi")
        said = re.findall(r"^RADIO (.*?)\r?$", vm.said(), re.M)
        assert not [it for it in said if it.startswith(("failed", "status"))], "\n".join(said)
        wanted = ["with the same password", "and that is given up", "and the hub's own is shut", "and it is kept"]
        assert set(wanted) <= set(said), said
        tell("; ".join(said[:-1]) + f"; {time.monotonic() - began:.0f} s after power")


def v4l2(lab):
    """A camera on the machine itself, by the kernel's simulation of one: recorded, played back, and recorded again after a power cut."""
    keep = lab.claimed()
    lens = guest("guest-v4l2.sh", "v4l2")
    vm = lab.machine(NETWORK, lens)
    with running(vm):
        vm.wait_for(r"^V4L2 end", what="the simulated camera")
        node = re.search(r"^V4L2 node (/dev/video\d+),", vm.said(), re.M).group(1)
        hub, _ = signed_in(keep)
        camera = hub.add_camera(f"v4l2:{node}", "lens")
        before = hub.recorded(camera)
        tell(f"{node}: {len(hub.play_back(camera))} bytes of film played back")
    # Its node is there later than the hub, as that of a camera that is plugged in is.
    vm = lab.machine(NETWORK, lens)
    with running(vm):
        until(hub.sign_in, 900)
        hub.recorded(camera, since=before)
        tell("recorded again after a power cut")


def thumbnail(hub, kind="motion"):
    """The picture of the newest event of a kind."""
    [event] = hub.json(200, "GET", f"/api/v1/events?kind={kind}&limit=1")["items"]
    jpeg = hub.expect(200, "GET", f"/api/v1/events/{event['id']}/thumbnail.jpg")[1]
    assert jpeg.startswith(b"\xff\xd8"), jpeg[:16]


def by_another_library(hub):
    """What the hub says of its model, once the board's own library runs it."""
    objects = hub.json(200, "GET", "/api/v1/objects")
    assert any(runtime["state"] == "used" for runtime in objects["runtimes"]), objects
    return f"{objects['run_by']}: {objects['ms_per_picture']} ms a picture"


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
    if not re.fullmatch(r"hub 20 \d+\s*", said.get("groups", "")):
        faults.append(f"the hub and its children are not apart: {said.get('groups')!r}")
    ports = set(said.get("ports", "").split()) - {"tcp"}
    if not ports <= PORTS:
        faults.append(f"ports are open that should not be: {sorted(ports - PORTS)}")
    assert not faults, "Not as it should be:\n  " + "\n  ".join(faults)
    tell(f"from inside: no failed unit, no cycle, read-only checked root, ports {sorted(ports)}; {said.get('times', '')}")
    return said


CASES = {"offline": offline, "online": online, "cable": cable.cable, "first-boot": first_boot.first_boot, "radio": radio, "hang": hang, "v4l2": v4l2, "decoders": decoders.decoders, "second-disk": second_disk.second_disk, **updates.CASES, "plug": plug.plug}

RESULTS = Path("docs/results/image.jsonl")


def main():
    try:
        CASES[CASE](Lab(f"{CASE}-{LANE}" if LANE else CASE))
    except (Failed, AssertionError) as e:
        sys.exit(str(e))
    figures = {"day": date.today().isoformat(), "board": BOARD, "case": CASE, "seen": told()}
    with RESULTS.open("a") as file:
        file.write(json.dumps(figures) + "\n")


if __name__ == "__main__":
    main()
