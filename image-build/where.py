"""What is tested, by the words on the command line: BOARD ARCH CASE."""

import os
import sys
from pathlib import Path

from vm import MACHINES

BOARD, ARCH, CASE = sys.argv[1:4]
SERIAL = MACHINES[ARCH].serial
OUT = Path("image-build/out")
IMAGE = OUT / f"work-{BOARD}/disk.raw"
# What it is updated to.
NEXT = OUT / "next"
# Cases that run at once on a machine have ports, and a claimed disk (its cameras' ports are on it), of their own.
LANE = int(os.environ.get("KEEPSIGHT_LANE", "0"))
# One folder for each case.
TESTS = OUT / "test" / BOARD
