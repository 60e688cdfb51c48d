"""Updates in the machine: one that is good, and all that may go wrong. Each ends in a hub that records, on the right slot, with all its footage."""

import base64
import json
import random
import re
import socket
import time

from bundles import KEYS, Bundle, other_keys, with_broken
from lab import run
from ranges import Ranges
from steps import HTTP, NETWORK, UPDATES, guest, running, signed_in, tell, until
from vm import Failed
from where import BOARD, NEXT

BUILT = NEXT / f"work-{BOARD}"
SOURCE = f"http://10.0.2.2:{UPDATES}/"
# So long has the new version to record. Five minutes as shipped.
GATE = '[update]\ngate = "30 s"\n'


def gate():
    """A shorter gate, by a configuration that lies over the image's."""
    over = "[Service]\nBindReadOnlyPaths=/run/keepsight-test.toml:/etc/keepsight/keepsight.toml\n"
    return {
        "tmpfiles.extra": f"f~ /run/keepsight-test.toml 0644 root root - {base64.b64encode(GATE.encode()).decode()}\n",
        "systemd.unit-dropin.keepsight.service~gate": over,
        "systemd.unit-dropin.keepsight-health.service~gate": over,
    }


def in_slot_b(command):
    """What is done in slot B only, from the start on."""
    unit = f"[Unit]\nConditionKernelCommandLine=rauc.slot=B\nBefore=keepsight.service\n[Service]\nExecStart=/bin/sh -c '{command}'\n"
    return {
        "systemd.extra-unit.keepsight-fault.service": unit,
        "systemd.unit-dropin.multi-user.target~fault": "[Unit]\nWants=keepsight-fault.service\n",
    }


class Owner:
    """Whoever updates the hub: its API, what it recorded before, and the machine."""

    def __init__(self, vm, keep):
        self.vm, (self.hub, [self.camera]) = vm, signed_in(keep)
        self.before = self.hub.segments(self.camera)

    def updates(self):
        return self.hub.json(200, "GET", "/api/v1/system/update")

    def look(self):
        """Has the hub look at its source."""
        self.hub.expect(200, "PATCH", "/api/v1/system/update", {"when": "ask", "source": SOURCE})

    def stage(self, wanted, within=600):
        def said():
            said = self.updates()
            assert said["stage"] == wanted, f"The hub's updates are {said['stage']}, not {wanted}: {said}"
            return said

        return until(said, within)

    def install(self):
        self.hub.expect(202, "POST", "/api/v1/system/update/install")

    def good_so_far(self):
        """The slot that runs has shown that it is good, or was good before: it is marked."""
        return self.vm.wait_for(r"^UPDATE end ([AB]) \d+", within=3000, what="the slot that runs is judged").group(1)

    def records_with_all(self):
        """It records, and all that was recorded before is there and plays."""
        until(self.hub.sign_in, 900)
        self.hub.recorded(self.camera, since=self.hub.recorded(self.camera))
        now = self.hub.segments(self.camera)
        lost = [it["id"] for it in self.before if it["id"] not in {n["id"] for n in now}]
        assert not lost, f"{len(lost)} of {len(self.before)} segments are gone"
        for segment in self.before:
            self.hub.play(self.camera, segment)
        self.before = now


def update(lab, ends_on="B", units=None, source=NEXT):
    """An owner has the hub install what its source offers; it streams into slot B, which is started, records, and is good: it stays."""
    if not (NEXT / f"{BOARD}.json").exists():
        raise Failed(f"There is no update to install. Run scripts/build-image {BOARD} --version 9.9.9 --out {NEXT} first.")
    keep = lab.claimed()
    offered = json.loads((source / f"{BOARD}.json").read_text())
    vm = lab.machine(NETWORK, gate() | guest("guest-update.sh") | (units or {}))
    server = Ranges(UPDATES)
    with running(vm), server:
        owner = Owner(vm, keep)
        assert owner.good_so_far() == "A"
        server.offer(source)
        owner.look()
        said = owner.stage("offered")
        assert said["offer"]["version"] == offered["version"], said
        owner.install()
        began = time.monotonic()
        tell(f"offered {offered['version']}, and installed at an owner's word")
        vm.wait_for(r"^Keepsight: slot B", within=3000, what="GRUB starts slot B")
        tell(f"installed and restarted by the hub after {time.monotonic() - began:.0f} s; {server.sent / 1e6:.1f} MB of {offered['size'] / 1e6:.1f} MB fetched")
        ended = vm.wait_for(r"^UPDATE end ([AB]) [23]", within=3000, what="slot B proves itself, or the hub is back").group(1)
        tell(re.findall(r"UPDATE grubenv (.*)", vm.said())[-1])
        assert ended == ends_on, f"It ended on slot {ended}, not {ends_on}:\n" + "\n".join(re.findall(r"^UPDATE .*", vm.said(), re.M))
        owner.records_with_all()
        until(lambda: remembered(owner.updates(), ended, offered["version"]), 600)
        tell(f"on slot {ended} and remembered, {time.monotonic() - began:.0f} s after the owner's word")


def offered(said, version):
    assert said["offer"]["version"] == version, said


def remembered(said, slot, version):
    """The hub knows how it went."""
    if slot == "B":
        assert said["version"] == version and (said["last_good"] or {}).get("version") == version, said
        assert said["health"]["state"] == "ok", said
    else:
        assert [(it["version"], it["why"]) for it in said["failed"]] == [(version, "went_back")], said
        assert said["health"].get("reason") == "update_went_back", said


def stick(lab):
    """The same from a USB stick, with no source: the hub looks into it by itself."""
    file = lab.folder / "stick.img"
    run("truncate", "--size=300M", file)
    run("mkfs.fat", "-F", "32", "-n", "UPDATE", file)
    offered = json.loads((NEXT / f"{BOARD}.json").read_text())
    run("mcopy", "-i", file, NEXT / f"{BOARD}.json", NEXT / offered["bundle"], "::")
    vm = lab.machine(NETWORK, gate() | guest("guest-update.sh"))
    vm.stick = file
    keep = lab.claimed()
    with running(vm):
        owner = Owner(vm, keep)
        assert owner.good_so_far() == "A"
        owner.hub.expect(200, "PATCH", "/api/v1/system/update", {"when": "ask", "source": None})
        said = owner.stage("offered")
        assert said["offer"]["on_stick"] and said["offer"]["version"] == offered["version"], said
        owner.install()
        vm.wait_for(r"^Keepsight: slot B", within=3000, what="GRUB starts slot B")
        assert owner.good_so_far() == "B"
        owner.records_with_all()
        until(lambda: remembered(owner.updates(), "B", offered["version"]), 600)
        tell("found on the stick, installed, good, and with all its footage")


def broken_kernel(lab):
    """A kernel that is not one, all of it signed: GRUB or a restart goes back to A."""
    update(lab, "A", source=with_broken(".linux", BUILT, lab.folder, "0.1.1"))


def broken_initrd(lab):
    """An initrd that cannot be read: the kernel panics, starts anew, and A runs."""
    update(lab, "A", source=with_broken(".initrd", BUILT, lab.folder, "0.1.1"))


def no_hub(lab):
    """In slot B the hub does not start at all."""
    update(lab, "A", {"systemd.unit-dropin.keepsight.service~broken": "[Unit]\nConditionKernelCommandLine=!rauc.slot=B\n"})


def crashing_hub(lab):
    """In slot B the hub crashes every 15 seconds, and systemd starts it again each time."""
    update(lab, "A", in_slot_b("while sleep 15; do systemctl kill --signal=SEGV keepsight.service; done"))


def blind_hub(lab):
    """In slot B the hub runs, and reaches no camera."""
    update(lab, "A", in_slot_b("systemctl set-property --runtime keepsight.service IPAddressDeny=10.0.2.2"))


def refused(lab):
    """What is not for this hub, or was not made by those whom it trusts, changes nothing, however it is offered."""
    keep = lab.claimed()
    good, source = Bundle(NEXT), lab.folder / "source"
    strangers = other_keys(lab.folder / "strangers")
    expired = other_keys(lab.folder / "expired", days=("20200101000000Z", "20210101000000Z"), root=KEYS)
    vm = lab.machine(NETWORK, gate() | guest("guest-update.sh"))
    server = Ranges(UPDATES)
    with running(vm), server:
        owner = Owner(vm, keep)
        assert owner.good_so_far() == "A"
        server.offer(source)
        # By what it says of itself.
        for said, reason in [({"compatible": "keepsight-jetson-orin"}, "other_board"), ({"version": "0.0.9"}, "older")]:
            good.say(source, said)
            owner.look()

            def is_refused():
                found = owner.stage("refused")["offer"]["refused"]
                assert found["reason"] == reason, found
                return found["said"]

            tell(f"refused: {until(is_refused, 300)}")
        # By what was signed, whatever is said of it. And by what was damaged on the way.
        tries = [
            ("0.1.2", {"signed": {"compatible": "keepsight-jetson-orin"}}, "refused"),
            ("0.1.3", {"keys": strangers}, "refused"),
            ("0.1.4", {"keys": expired}, "refused"),
            ("0.1.5", {"signed": {"version": "0.0.9"}}, "refused"),
            ("0.1.6", {"payload": good.flipped()}, "another day"),
        ]
        for version, how, ends in tries:
            good.offer(source, version, **how)
            owner.look()
            until(lambda: offered(owner.stage("offered"), version), 300)
            owner.install()

            def answered():
                said = owner.updates()
                assert said["stage"] in ("offered", "refused") and said["problem"] and version in said["problem"]["detail"], said
                return said

            said = until(answered, 900)
            assert said["slot"] == "A", said
            failed = {it["version"]: it["why"] for it in said["failed"]}
            assert failed.get(version) == (None if ends == "another day" else "refused"), said
            tell(f"not installed: {said['problem']['detail']}")
        owner.records_with_all()
    # The slot that was written on the way is not the one that is started.
    vm = lab.machine(NETWORK, gate() | guest("guest-update.sh"))
    with running(vm):
        owner.vm = vm
        assert owner.good_so_far() == "A"
        owner.records_with_all()
        tell("and after a power cut A runs, and records")


def cuts(lab):
    """The plug is pulled five times while an update is installed, anywhere in it; then it is installed after all."""
    keep = lab.claimed()
    server = Ranges(UPDATES)
    server.offer(NEXT)
    choose = random.Random(6)
    with server:
        owner = None
        for cut in range(6):
            vm = lab.machine(NETWORK, gate() | guest("guest-update.sh"))
            with running(vm):
                if owner is None:
                    owner = Owner(vm, keep)
                owner.vm = vm
                assert owner.good_so_far() == "A", "a slot was started that was not written wholly"
                owner.records_with_all()
                owner.look()
                owner.stage("offered")
                owner.install()
                if cut < 5:
                    percent = choose.uniform(cut * 20, cut * 20 + 20)
                    at = until_percent(owner, percent)
                    tell(f"the plug is pulled at {at}")
                else:
                    vm.wait_for(r"^Keepsight: slot B", within=3000, what="GRUB starts slot B")
                    assert owner.good_so_far() == "B"
                    owner.records_with_all()
                    until(lambda: remembered(owner.updates(), "B", "0.1.1"), 600)
                    tell("after five cuts installed, good, and with all its footage")


def until_percent(owner, percent):
    """Waits until an installation is as far, or over."""
    end = time.monotonic() + 900
    while time.monotonic() < end:
        said = owner.updates()
        progress = said["progress"]
        if progress and progress["percent"] >= percent:
            return f"{progress['percent']} percent ({progress['doing']})"
        if said["stage"] in ("installed", "restarting"):
            return f"its end ({said['stage']})"
        assert not said["problem"], said
        time.sleep(0.2)
    raise Failed(f"The installation did not come to {percent:.0f} percent: {owner.updates()}")


def word(vm, wanted):
    """To guest-fill.sh, which waits for it: a connection to port 80 that stays."""
    with socket.create_connection(("127.0.0.1", HTTP)):
        vm.wait_for(f"^FILL {wanted}", what=f"the partition is {wanted}")


def full(lab):
    """Nothing more fits on the data partition: nothing is installed, and it is said; once there is room, it is."""
    keep = lab.claimed()
    server = Ranges(UPDATES)
    server.offer(NEXT)
    with server:
        vm = lab.machine(NETWORK, gate() | guest("guest-update.sh") | guest("guest-fill.sh", "fill", do="fill"))
        with running(vm):
            owner = Owner(vm, keep)
            owner.look()
            owner.stage("offered")
            word(vm, "full")
            owner.install()

            def answered():
                said = owner.updates()
                assert said["stage"] == "offered" and said["health"].get("reason") == "update_failed", said
                return said

            said = until(answered, 900)
            assert said["slot"] == "A", said
            tell(f"full: {said['problem']['title']} {said['problem']['detail']}")
        vm = lab.machine(NETWORK, gate() | guest("guest-update.sh") | guest("guest-fill.sh", "fill", do="free"))
        with running(vm):
            owner.vm = vm
            until(owner.hub.sign_in, 1500)
            tell("started with a full disk: it answers")
            assert owner.good_so_far() == "A"
            word(vm, "free")
            # The oldest footage made room while there was none.
            owner.before = owner.hub.segments(owner.camera)
            owner.records_with_all()
            owner.look()
            owner.stage("offered")
            owner.install()
            vm.wait_for(r"^Keepsight: slot B", within=3000, what="GRUB starts slot B")
            assert owner.good_so_far() == "B"
            owner.records_with_all()
            tell("with room again installed, good, and with all its footage")


CASES = {
    "update": update,
    "stick": stick,
    "broken-kernel": broken_kernel,
    "broken-initrd": broken_initrd,
    "no-hub": no_hub,
    "crashing-hub": crashing_hub,
    "blind-hub": blind_hub,
    "refused": refused,
    "cuts": cuts,
    "full": full,
}
