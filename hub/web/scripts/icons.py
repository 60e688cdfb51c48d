#!/usr/bin/env python3
"""Draws the app's PNG icons as public/icon.svg has them: no image library, the same bytes each time.

Run it in hub/web when the icon changes.
"""

import struct
import zlib
from math import hypot

GROUND, RING, EYE = (0x1D, 0x3B, 0x36), (0xF2, 0xEF, 0xE6), (0x7F, 0xD1, 0xAE)


def coverage(distance: float) -> float:
    """How much of a pixel lies inside a shape whose edge is so many pixels away (inside is negative)."""
    return min(1.0, max(0.0, 0.5 - distance))


def rounded(x: float, y: float, size: float, radius: float) -> float:
    dx, dy = abs(x - size / 2) - size / 2 + radius, abs(y - size / 2) - size / 2 + radius
    return hypot(max(dx, 0), max(dy, 0)) + min(max(dx, dy), 0) - radius


def mix(under, over, alpha):
    return tuple(u + (o - u) * alpha for u, o in zip(under, over))


def draw(name: str, size: int, maskable: bool) -> None:
    # A maskable icon is cut to a shape of the phone's: full ground, and what matters within the middle 80 %.
    scale = size / 32 * (0.8 if maskable else 1)
    centre = size / 2
    rows = bytearray()
    for y in range(size):
        rows.append(0)
        for x in range(size):
            px, py = x + 0.5, y + 0.5
            from_centre = hypot(px - centre, py - centre)
            colour = mix(GROUND, RING, coverage(abs(from_centre - 9 * scale) - 1.5 * scale))
            colour = mix(colour, EYE, coverage(from_centre - 3.5 * scale))
            alpha = 1 if maskable else coverage(rounded(px, py, size, 7 * scale))
            rows += bytes([*(round(c) for c in colour), round(alpha * 255)])

    def chunk(kind: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    header = struct.pack(">IIBBBBB", size, size, 8, 6, 0, 0, 0)
    with open(f"public/{name}", "wb") as file:
        file.write(b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", zlib.compress(bytes(rows), 9)) + chunk(b"IEND", b""))


draw("icon-192.png", 192, False)
draw("icon-512.png", 512, False)
draw("icon-maskable-512.png", 512, True)
