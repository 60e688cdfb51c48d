"""Which libraries a program wants, read from the program: nothing of the image is run for it."""

import os
import subprocess
from pathlib import Path


def is_elf(path):
    return path.is_file() and not path.is_symlink() and path.open("rb").read(4) == b"\x7fELF"


def needed(paths):
    """{path: [names of libraries]} for ELF files, by binutils' readelf."""
    found = {path: [] for path in paths}
    paths = list(paths)
    for at in range(0, len(paths), 500):
        some = paths[at : at + 500]
        # With one file only, readelf does not say its name.
        said = subprocess.run(
            ["readelf", "--dynamic", "--wide", *some, "/dev/null"], capture_output=True, text=True
        ).stdout
        current = None
        for line in said.splitlines():
            if line.startswith("File: "):
                current = Path(line[6:])
            elif "(NEEDED)" in line:
                found[current].append(line.split("[")[1].split("]")[0])
    return found


def folders(root):
    """Where the loader looks, below a root."""
    triplets = [p.name for p in (root / "usr/lib").glob("*-linux-gnu")]
    at = ["usr/lib", "usr/lib64", "usr/lib/systemd"]
    at += [f"usr/lib/{t}{below}" for t in triplets for below in ["", "/systemd", "/libproxy"]]
    return [root / folder for folder in at if (root / folder).is_dir()]


def library(root, name):
    """A library's path below root, or None."""
    for folder in folders(root):
        if os.path.lexists(folder / name):
            return folder / name
    return None
