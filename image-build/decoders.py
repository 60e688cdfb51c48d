"""Decoders in hardware, as far as the kernel can simulate them: found, opened, tried, taken, and given up where they fail."""

import re
import time
from pathlib import Path

from lab import run
from steps import NETWORK, guest, running, signed_in, tell, until

# GStreamer's name for those of V4L2 that keep no state, which is what visl simulates.
ELEMENT = "v4l2slh264dec"
# That of the processor, which a PC's board names.
PROCESSOR = "openh264dec"
# What image-build/drivers/make made.
DRIVERS = Path("image-build/cache/drivers.qcow2")


def decoders(lab):
    """One that gives other pictures is not taken; one that gives the right ones is, and given up when it says errors or hangs."""
    keep = lab.claimed()
    vm = lab.machine(NETWORK, guest("guest-decoders.sh", "decoders"))
    vm.second_disk, vm.orders = lab.folder / "drivers.qcow2", lab.folder / "orders"
    run("qemu-img", "create", "-q", "-f", "qcow2", "-F", "qcow2", "-b", DRIVERS.resolve(), vm.second_disk)
    with running(vm):
        vm.wait_for(r"^DECODERS ready", what="the simulated decoders")
        hub, [camera] = signed_in(keep)
        hub.expect(200, "PATCH", f"/api/v1/cameras/{camera}", {"motion": {}})

        def order(words):
            vm.order(words)
            vm.wait_for(f"^DECODERS did {re.escape(words)}$", what=words)

        def anew(**visl):
            """The hub starts with a driver that does this, and all decoders are tried."""
            for what, on in visl.items():
                order(f"echo {int(on)} > /sys/module/visl/parameters/keepsight_{what}")
            # On a busy host the emulated machine may take too long to say which decoders there are.
            for _ in range(3):
                order("systemctl restart keepsight.service")
                until(hub.sign_in, 600)
                said = until(lambda: tried(hub), 300)
                if ELEMENT in said and f"{ELEMENT}: it did not finish" not in said:
                    break
            return said

        def uses(name):
            """What decodes the camera's pictures, once it is that."""
            def look():
                said = hub.json(200, "GET", f"/api/v1/cameras/{camera}")["decoder"]
                assert said and said["name"] == name, said
                return said
            return until(look, 300)  # fmt: skip

        said = anew(film=False)
        assert f"Not {ELEMENT}: picture 1 of " in said, said
        uses(PROCESSOR)
        tell(f"found, opened, and not taken for its pictures: {said}")

        for way in "error", "hang":
            before = newest_event(hub)
            said = anew(film=True)
            assert said.startswith(f"{ELEMENT}, by hardware"), said
            assert uses(ELEMENT)["hardware"]
            tell(f"taken: {said}")
            until(lambda: is_new(hub, before), 300)
            tell("and what it shows is an event")
            last = hub.recorded(camera)
            order(f"echo 1 > /sys/module/visl/parameters/keepsight_{way}")
            began = time.monotonic()
            said = uses(PROCESSOR)
            took = time.monotonic() - began
            assert ELEMENT in said["said"], said
            tell(f"{way}: given up after {took:.1f} s on an emulated machine: {said['said']}")
            last = hub.recorded(camera, since=last)
            order(f"echo 0 > /sys/module/visl/parameters/keepsight_{way}")
        spans = hub.segments(camera)
        tell(f"recorded all the while: {len(spans)} stretches, the newest {spans[-1]['start']} to {spans[-1]['end']}")


def tried(hub):
    """What the hub says of decoders of H.264, once it has tried them."""
    said = fact(hub)
    assert "being tried" not in said, said
    return said


def fact(hub):
    return hub.json(200, "GET", "/api/v1/system")["machine"]["decoder_h264"]["said"]


def newest_event(hub):
    """Its id; `None` if there was none yet."""
    items = hub.json(200, "GET", "/api/v1/events?kind=motion&limit=1")["items"]
    return items[0]["id"] if items else None


def is_new(hub, before):
    newest = newest_event(hub)
    assert newest != before, newest
