"""A second disk that becomes the footage disk, as an owner has it done in the app; then it is unplugged, and plugged in again."""

import time

from hub_client import PASSWORD
from lab import run
from steps import NETWORK, running, signed_in, tell, until

DISK_BYTES = 8 << 30


def second_disk(lab):
    """What was recorded moves there; without the disk the hub says so and goes on; with it, all footage is there again."""
    keep = lab.claimed()
    disk = lab.folder / "footage.qcow2"
    run("qemu-img", "create", "-q", "-f", "qcow2", disk, str(DISK_BYTES))

    def machine(with_disk):
        vm = lab.machine(NETWORK, {})
        vm.second_disk = disk if with_disk else None
        return running(vm)

    with machine(True):
        hub, [camera] = signed_in(keep)
        hub.recorded(camera)
        before = hub.segments(camera)
        [found] = [it for it in hub.json(200, "GET", "/api/v1/system/disks")["disks"] if it["fit"] == "empty"]
        assert found["size_bytes"] == DISK_BYTES, found
        began = time.monotonic()
        words = {"password": PASSWORD, "disk": found["id"], "seen": found["seen"]}
        hub.expect(202, "POST", "/api/v1/system/disks/footage", words)
        until(lambda: is_done(hub), 1200)
        tell(f"an empty disk is the footage disk {time.monotonic() - began:.0f} s after the owner's yes")
        since = records_on(hub, camera, before)
        before = hub.segments(camera)
    with machine(True):
        until(hub.sign_in, 1500)
        since = records_on(hub, camera, before, since)
        before = hub.segments(camera)
        tell("started anew, it records there, and all footage is there")
    with machine(False):
        until(hub.sign_in, 1500)
        until(lambda: is_missed(hub), 300)
        tell("without the disk the hub is there, and says that it is missing")
    with machine(True):
        until(hub.sign_in, 1500)
        records_on(hub, camera, before, since)
        tell("with the disk it records again, and all footage is there")


def is_done(hub):
    """A hub that changes over is away for a moment."""
    change = hub.json(200, "GET", "/api/v1/system/disks")["change"]
    assert change["stage"] == "done", change


def is_missed(hub):
    health = hub.json(200, "GET", "/api/v1/system/storage")["health"]
    assert (health["state"], health.get("reason")) == ("degraded", "disk_missing") and health["detail"], health


def records_on(hub, camera, before, since=None):
    """It records on the second disk, and plays what was recorded before. When it recorded."""
    last = hub.recorded(camera, since)
    total = hub.json(200, "GET", "/api/v1/system/storage")["total_bytes"]
    assert total > DISK_BYTES * 0.8, f"It records on a disk of {total} bytes"
    is_there = {segment["start"] for segment in hub.segments(camera)}
    gone = [segment["start"] for segment in before if segment["start"] not in is_there]
    assert not gone, f"No longer there: {gone}"
    hub.play(camera, before[0])
    return last
