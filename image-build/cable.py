"""One cable and nothing else: no DHCP, no router. What is open is found from outside."""

import asyncio
import os
import time
from http.client import HTTPConnection

from steps import guest, running, tell, until

OPEN = {80, 443}


def cable(lab):
    """Link-local addresses only: the screen has the address, the set-up page is there, and of 65,535 ports two are open."""
    # Made by scripts/test-image, at our end of the cable.
    vm = lab.machine(f"tap,model=virtio-net-pci,ifname={os.environ['KEEPSIGHT_CABLE']},script=no,downscript=no", guest("guest-look.sh"))
    began = time.monotonic()
    with running(vm):
        address = vm.wait_for(r"^ +(169\.254\.\d+\.\d+) on ", what="a link-local address on the screen").group(1)
        tell(f"{address} on the screen after {time.monotonic() - began:.0f} s")
        until(lambda: set_up_page(address), 300)
        vm.wait_for(r"LOOK end", what="everything has started")
        found = asyncio.run(scanned(address))
        assert found == OPEN, f"From outside these ports are open: {sorted(found)}, not {sorted(OPEN)}"
        tell(f"of 65,535 TCP ports these are open from outside: {sorted(found)}")


def set_up_page(address):
    page = HTTPConnection(address, 80, timeout=30)
    page.request("GET", "/")
    assert page.getresponse().status == 200


async def scanned(address):
    """Every TCP port that takes a connection. Whatever does not answer is tried again: a lost packet is no closed port."""
    turns, began, done = asyncio.Semaphore(128), time.monotonic(), 0

    async def is_open(port):
        nonlocal done
        async with turns:
            done += 1
            if done % 5_000 == 0:
                print(f"  {done:,} ports asked, {time.monotonic() - began:.0f} s", flush=True)
            for _ in range(3):
                try:
                    _, writer = await asyncio.wait_for(asyncio.open_connection(address, port), 10)
                    writer.close()
                    return True
                except ConnectionRefusedError:
                    return False
                except (TimeoutError, OSError):
                    continue
            raise AssertionError(f"Port {port} says nothing: something swallows what is sent to it")

    return {port for port, is_it in zip(range(1, 65536), await asyncio.gather(*map(is_open, range(1, 65536)))) if is_it}
