"""What the cases of scripts/test-image share: a machine with power, units that look from inside, waiting, a hub with its owner."""

import base64
import json
import time
from pathlib import Path

from hub_client import Hub
from where import LANE, SERIAL

# Ports of this machine: the hub's two, and that of its source of updates.
HTTPS, HTTP, UPDATES = (port + LANE for port in (18443, 18080, 18181))
GUEST = "10.0.2.15"
NETWORK = f"user,model=virtio-net-pci,hostfwd=tcp:127.0.0.1:{HTTPS}-:443,hostfwd=tcp:127.0.0.1:{HTTP}-:80"


class running:
    """Power on; the plug is pulled at the end, whatever happened."""

    def __init__(self, vm):
        self.vm = vm

    def __enter__(self):
        self.vm.start()
        return self.vm

    def __exit__(self, *_):
        self.vm.cut()


def claimed(vm, began):
    """The hub, claimed by what its screen shows."""
    token = vm.wait_for(r"Claim token: (\S+)", what="the claim token on the screen").group(1)
    tell(f"claim token on the screen after {time.monotonic() - began:.0f} s")
    fingerprint = vm.wait_for(r"Certificate, SHA-256: ([0-9A-Fa-f: ]+)", what="the certificate on the screen").group(1)
    hub = Hub(HTTPS, HTTP, GUEST)
    until(lambda: hub.trust(fingerprint), 120)
    until(lambda: hub.claim(token), 120)
    return hub


def claimed_with_cameras(vm, began, urls):
    """The same, and its cameras, once all are recorded."""
    hub = claimed(vm, began)
    cameras = [hub.add_camera(url, f"camera {n}") for n, url in enumerate(urls, 1)]
    for camera in cameras:
        hub.recorded(camera)
    tell(f"power to first recorded picture {time.monotonic() - began:.0f} s, with the claim in between")
    return hub, cameras


def signed_in(keep):
    """A hub that was claimed before, with its owner signed in again; `keep` has what `remember` wrote. Its cameras too."""
    said = json.loads(Path(keep).read_text())
    hub = Hub(HTTPS, HTTP, GUEST)
    hub.trust_pem(said["root"])
    until(hub.sign_in, 1500)
    return hub, said["cameras"]


def remember(hub, cameras, keep):
    """What a later start needs to know of a hub, as a file."""
    Path(keep).write_text(json.dumps({"root": hub.root, "cameras": cameras}))


def guest(script, name="look", **words):
    """Units that run a script inside, once the system is up, by SMBIOS (none may have the name of one in the image). `words` are shell variables."""
    text = "".join(f"{key}={value}\n" for key, value in words.items()) + (Path(__file__).parent / script).read_text()
    coded = base64.b64encode(text.encode()).decode()
    unit = f"""[Unit]
After=multi-user.target
[Service]
ExecStart=/bin/sh -c "echo {coded} | base64 -d > /run/{name}; exec sh /run/{name}"
StandardOutput=tty
StandardError=tty
TTYPath=/dev/{SERIAL}
"""
    return {
        f"systemd.extra-unit.keepsight-test-{name}.service": unit,
        f"systemd.unit-dropin.multi-user.target~{name}": f"[Unit]\nWants=keepsight-test-{name}.service\n",
    }


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


TOLD = []


def tell(text):
    """Says it, and keeps it for the results."""
    TOLD.append(text)
    print(f"   {text}", flush=True)


def told():
    return list(TOLD)
