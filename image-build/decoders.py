"""Decoders in hardware, as far as the kernel can simulate them: found, opened, tried, taken, and given up where they fail."""

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
    """One that gives other pictures is not taken; one that gives the right ones is, and given up within 10 s when it says errors or hangs."""
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
            vm.wait_for(f"^DECODERS did {words}$", what=words)

        def anew(**visl):
            """The hub starts with a driver that does this, and all decoders are tried."""
            for what, on in visl.items():
                order(f"echo {int(on)} > /sys/module/visl/parameters/keepsight_{what}")
            order("systemctl restart keepsight.service")
            until(hub.sign_in, 600)
            return until(lambda: tried(hub), 300)

        def uses(name):
            """What decodes the camera's pictures, once it is that."""
            def look():
                said = hub.json(200, "GET", f"/api/v1/cameras/{camera}")["decoder"]
                assert said and said["name"] == name, said
                return said
            return until(look, 300)  # fmt: skip

        said = tried(hub) if is_tried(hub) else until(lambda: tried(hub), 300)
        assert f"Not {ELEMENT}: picture 1 of " in said, said
        uses(PROCESSOR)
        tell(f"found, opened, and not taken for its pictures: {said}")

        order("chmod 000 /dev/video* /dev/media*; chown root /dev/video* /dev/media*")
        said = anew()
        assert f"Not {ELEMENT}" in said, said
        tell(f"found, and cannot be opened: {said}")
        order("chmod 660 /dev/video* /dev/media*")

        for way in "error", "hang":
            said = anew(film=True)
            assert said.startswith(f"{ELEMENT}, by hardware"), said
            assert uses(ELEMENT)["hardware"]
            tell(f"taken: {said}")
            last = hub.recorded(camera)
            event = until(lambda: newest_event(hub, last), 300)
            tell(f"and what it shows is an event ({event['start']})")
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


def is_tried(hub):
    return "being tried" not in fact(hub)


def tried(hub):
    """What the hub says of decoders of H.264, once it has tried them."""
    said = fact(hub)
    assert "being tried" not in said, said
    return said


def fact(hub):
    said = hub.json(200, "GET", "/api/v1/system")["machine"]["decoder_h264"]["said"]
    return said


def newest_event(hub, after):
    """Of what began to move after a time."""
    [event] = hub.json(200, "GET", "/api/v1/events?kind=motion&limit=1")["items"]
    assert event["start"] > after, event
    return event
