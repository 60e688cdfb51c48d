#!/usr/bin/env python3
"""Shows the film of pedestrians to this crate and to Debian's `motion`, zone by zone, and judges both by the same rule.

usage: pedestrians.py PEDESTRIANS CHILD OUT     PEDESTRIANS: the example of that name, built; CHILD: a program that knows how to
                                                be a child; OUT: docs/results/motion.jsonl, whose lines of this film are written anew

motion is given the zone as its mask, and the film as a camera, in real time: with its distribution's detection settings, the threshold
scaled to the film's size (1500 pixels are meant for 640x480), and with a threshold that sees small people. So that it is known to the
picture when it told something, each picture has its number in a corner that no zone touches, in black and white; motion keeps the
pictures in which it sees motion, and the numbers are read back.
"""

import json
import os
import pathlib
import subprocess
import sys
import tempfile
import time

FILM = "/usr/share/doc/opencv-doc/examples/data/vtest.avi"
TRUTH = pathlib.Path(__file__).parent / "../tests/film_of_pedestrians/truth.txt"
WIDTH, HEIGHT, FPS, PICTURES = 768, 576, 10, 795
THRESHOLDS = {"motion": 1500 * WIDTH * HEIGHT // (640 * 480), "motion, threshold 250": 250 * WIDTH * HEIGHT // (640 * 360)}
BITS, BIT = 10, 16


def encode(path):
    """The film in H.264, a key picture every two seconds, each picture with its number."""
    boxes = [f"drawbox=x=0:y=0:w={BITS * BIT}:h={BIT}:color=black:t=fill"]
    boxes += [
        f"drawbox=x={bit * BIT}:y=0:w={BIT}:h={BIT}:color=white:t=fill:enable='mod(floor(n/{2**bit}),2)'" for bit in range(BITS)
    ]
    coder = ["-pix_fmt", "yuv420p", "-c:v", "libx264", "-preset", "veryfast", "-crf", "20", "-g", str(2 * FPS), "-bf", "0"]
    command = ["ffmpeg", "-v", "error", "-y", "-i", FILM, "-vf", ",".join(boxes), *coder, str(path)]
    subprocess.run(command, check=True)


def numbers(folder):
    """Which pictures of the film these are, in the order of their names."""
    if not any(folder.glob("*.jpg")):
        return []
    crop = f"crop={BITS * BIT}:{BIT}:0:0,scale={BITS}:1:flags=area"
    files = ["-pattern_type", "glob", "-i", str(folder / "*.jpg")]
    raw = ["ffmpeg", "-v", "error", *files, "-vf", crop, "-f", "rawvideo", "-pix_fmt", "gray", "-"]
    marks = subprocess.run(raw, stdout=subprocess.PIPE, check=True).stdout
    marks = [marks[at : at + BITS] for at in range(0, len(marks), BITS)]
    return [sum(2**bit for bit, level in enumerate(mark) if level > 127) for mark in marks]


def motions(work, film, zones):
    """The numbers of the pictures in which motion sees motion, by setting and zone."""
    lines = [
        "daemon off", "setup_mode off", f"log_file {work / 'log'}", "log_level 6", f"target_dir {work}", "webcontrol_port 0",
        "stream_port 0", f"width {WIDTH}", f"height {HEIGHT}", f"framerate {FPS}", "despeckle_filter EedDl", "minimum_motion_frames 1",
        "event_gap 1", "picture_output on", "picture_quality 90", "movie_output off", "text_right", "pre_capture 0", "post_capture 0",
    ]
    shown = [(who, threshold, zone) for who, threshold in THRESHOLDS.items() for zone in zones]
    for camera, (_, threshold, (name, left, top, width, height)) in enumerate(shown, 1):
        mask = work / f"{name}.pgm"
        row = lambda y: bytes(255 * (left <= x < left + width and top <= y < top + height) for x in range(WIDTH))
        mask.write_bytes(f"P5\n{WIDTH} {HEIGHT}\n255\n".encode() + b"".join(map(row, range(HEIGHT))))
        config = work / f"camera{camera}.conf"
        config.write_text(
            f"camera_id {camera}\nnetcam_url file://{film}\nthreshold {threshold}\nmask_file {mask}\n"
            f"picture_filename {camera}/%Y%m%d%H%M%S-%q\n"
        )
        lines.append(f"camera {config}")
    (work / "motion.conf").write_text("\n".join(lines) + "\n")
    process = subprocess.Popen(["motion", "-n", "-c", str(work / "motion.conf")], stderr=subprocess.DEVNULL)
    time.sleep(PICTURES / FPS + 4)  # in real time
    process.terminate()
    process.wait()
    told = {}
    for camera, (who, _, zone) in enumerate(shown, 1):
        mine = numbers(work / str(camera))
        # Past its end the film begins anew.
        anew = next((i for i in range(1, len(mine)) if mine[i] < mine[i - 1] - FPS), len(mine))
        told[who, zone[0]] = sorted(set(mine[:anew]))
    return told


def main():
    pedestrians, child, out = sys.argv[1], os.path.abspath(sys.argv[2]), pathlib.Path(sys.argv[3])
    zones = [line.split()[1:6] for line in TRUTH.read_text().splitlines() if line.startswith("zone ")]
    zones = [(name, *map(int, rect)) for name, *rect in zones]
    lines = subprocess.check_output([pedestrians, child], text=True).splitlines()
    with tempfile.TemporaryDirectory() as folder:
        work = pathlib.Path(folder)
        encode(work / "film.mkv")
        for (who, zone), numbers in motions(work, work / "film.mkv", zones).items():
            moments = "".join(f"{n / FPS}\n" for n in numbers)
            judged = json.loads(subprocess.run([pedestrians, "judge", zone], input=moments, stdout=subprocess.PIPE, check=True, text=True).stdout)
            lines.append(json.dumps({**judged, "who": who}, separators=(",", ":")))
    others = [line for line in out.read_text().splitlines() if json.loads(line).get("film") != "pedestrians"]
    out.write_text("\n".join(others + lines) + "\n")
    print("\n".join(lines))


main()
