"""The plug of the whole system: the machine loses power again and again while it records, and what its disk was not told to keep is gone."""

import json
import os
import random
import re
import time
from datetime import datetime
from email.utils import parsedate_to_datetime
from http.client import HTTPConnection
from pathlib import Path

from lab import layer, run
from steps import GUEST, HTTP, NETWORK, guest, running, signed_in, tell, until

CUTS = int(os.environ.get("KEEPSIGHT_IMAGE_CUTS", "10"))
CAMERAS = 4
RESULTS = Path("docs/results/image-plug.jsonl")
# QEMU's blklogwrites writes the format of the kernel's dm-log-writes (Documentation/admin-guide/device-mapper/log-writes.rst).
MAGIC, FLUSH, FUA, DISCARD = 0x6A736677736872, 1, 2, 4
SECTOR = 512
# One instant may be told as two: by the hub's clock, and as the camera counts (hub/keepsight/tests/e2e_plug/cut.rs says why). Less than a picture.
SAME_INSTANT_S = 0.006


def plug(lab):
    """Four cameras, and a cut at any instant of each start. What was told as recorded is there, little is lost, and `check` finds nothing."""
    keep = lab.claimed(CAMERAS)
    # As it is kept by the disk: below the layer that a start writes to.
    kept, log = lab.folder / "kept.raw", lab.folder / "log"
    run("qemu-img", "convert", "-f", "qcow2", "-O", "raw", lab.disk, kept)
    tell(f"{len(made())} of {CUTS} cuts were made before")
    cut = None
    while cut or len(made()) < CUTS:
        layer(lab.disk, kept, "raw")
        vm = lab.machine(NETWORK, guest("guest-check.sh"))
        vm.log_writes_to(log)
        began = time.monotonic()
        with running(vm):
            hub, cameras = signed_in(keep)
            until_all(hub, cameras)
            if cut:
                found(vm, hub, cut, time.monotonic() - began)
            if len(made()) >= CUTS:
                break
            seed = random.randrange(1 << 32)
            choose = random.Random(seed)
            cut = recorded_until(time.monotonic() + choose.uniform(1, 45), hub, cameras)
        cut["seed"] = seed
        cut["kept"], cut["lost"] = replay(log, kept, choose)
    losses = sorted(loss for it in made() for loss in it["lost_s"])
    tell(f"{len(made())} cuts: lost per camera {losses[len(losses) // 2]:.2f} s (median), {losses[-1]:.2f} s at most; check clean each time")
    assert losses[-1] <= 2, f"More than 2 s were lost: {losses[-1]}"


def recorded_until(ends_at, hub, cameras):
    """Until when each camera was told as recorded when the plug is pulled, which is done next."""
    ahead = guest_clock()
    told, early = {}, dict.fromkeys(cameras, 0)
    while not told or time.monotonic() < ends_at:
        for camera in cameras:
            told[camera] = hub.json(200, "GET", f"/api/v1/cameras/{camera}")["last_fragment_at"]
            # Pictures that came late at first, on a busy machine, are told by the time at which they came, and those after them too.
            early[camera] = max(early[camera], moment(told[camera]) - time.time() - ahead)
    return {"told": told, "early": early, "at": time.time() + ahead}


def found(vm, hub, cut, again):
    """What is there after a cut, and `check` says that it is whole: kept as a line of results."""
    losses = [loss(hub, camera, told, cut["at"]) + cut["early"][camera] for camera, told in cut["told"].items()]
    assert min(losses) >= -1, f"Footage is told to end after the cut: {losses}"
    vm.wait_for(r"^CHECK end", what="keepsight check in the machine")
    check = re.findall(r"^CHECK exit (\d+)", vm.said(), re.M)
    assert check == ["0"], "check found something:\n" + "\n".join(re.findall(r"^CHECK .*", vm.said(), re.M))
    figures = {
        "seed": cut["seed"], "lost_s": [round(it, 2) for it in losses], "recorded_again_s": round(again, 1),
        "writes_kept": cut["kept"], "writes_lost": cut["lost"],
    }  # fmt: skip
    tell(json.dumps(figures))
    with RESULTS.open("a") as file:
        file.write(json.dumps(figures) + "\n")


def made():
    """What came of the cuts so far; others may be at it too (KEEPSIGHT_LANE)."""
    return [json.loads(line) for line in RESULTS.read_text().splitlines()] if RESULTS.exists() else []


def until_all(hub, cameras):
    for camera in cameras:
        hub.recorded(camera, since=hub.recorded(camera))


def guest_clock():
    """By how many seconds the machine's clock is ahead of ours: its answers have the second, and we see it turn."""
    page = HTTPConnection("127.0.0.1", HTTP, timeout=60)
    before = None
    while True:
        now = time.time()
        page.request("GET", "/ca.pem", headers={"Host": GUEST})
        answer = page.getresponse()
        answer.read()
        said = answer.getheader("Date")
        if before not in (None, said):
            return parsedate_to_datetime(said).timestamp() - now
        before = said


def loss(hub, camera, told, cut_at):
    """Seconds between the end of what is there of before the cut, and the cut. What was told as recorded must be there."""
    # Those of the start after it are a minute later at least.
    end = max(moment(it["end"]) for it in hub.segments(camera) if moment(it["start"]) < cut_at)
    assert end >= moment(told) - SAME_INSTANT_S, f"{told} was told as recorded, and it ends at {end}"
    film = hub.play(camera, [it for it in hub.segments(camera) if moment(it["end"]) == end][0])
    assert film
    return cut_at - end


def moment(text):
    return datetime.fromisoformat(text.replace("Z", "+00:00")).timestamp()


def replay(log, disk, choose):
    """Does to the disk what it was told to keep: all writes up to the last flush, and of those after it some, as it pleases."""
    entries = list(logged(log))
    last = max((n for n, (_, flags, _) in enumerate(entries) if flags & FLUSH), default=-1)
    kept = lost = 0
    with disk.open("r+b") as target:
        for number, (sector, flags, data) in enumerate(entries):
            if flags & DISCARD or not data:
                continue
            if number > last and not flags & FUA and choose.random() < 0.5:
                lost += 1
                continue
            target.seek(sector * SECTOR)
            target.write(data)
            kept += 1
    log.unlink()
    return kept, lost


def logged(log):
    """Every write of a log: (sector, flags, bytes)."""
    with log.open("rb") as file:
        magic, _version, _entries, size = (int.from_bytes(file.read(n), "little") for n in (8, 8, 8, 4))
        assert magic == MAGIC, "not a log of writes"
        file.seek(size)
        while True:
            head = file.read(size)
            sector, count, flags, words = (int.from_bytes(head[n : n + 8], "little") for n in (0, 8, 16, 24))
            if len(head) < size or not (count or flags):
                return
            data = b"" if flags & DISCARD else file.read(count * size)
            yield sector * size // SECTOR, flags, data
