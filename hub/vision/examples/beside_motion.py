#!/usr/bin/env python3
"""Shows the same films, coded as a camera codes them, to this crate and to Debian's `motion`, and counts who noticed whom.

usage: beside_motion.py FILMS OUT ROUND...     FILMS: the example `films`, built; OUT: docs/results/motion (.jsonl is written)

motion reads each film as a camera, in real time, twice: with its distribution's own detection settings, the threshold scaled to
the films' size (1500 pixels are meant for 640x480), and with a threshold that sees small people. What it reports is taken from
its commands at the beginning and end of an event; films and truth are those of `films list`. An event belongs to a walk-in if
it begins before 1.5 s after its end, and ends after its beginning.
"""

import json
import os
import pathlib
import re
import subprocess
import sys
import tempfile
import time

WIDTH, HEIGHT, FPS, SECONDS = 640, 360, 6, 60
AT_ONCE = 10
GAP_S = 5.0
AFTER_S = 1.5
# motion's clock in its log shows whole seconds, and it takes a moment to begin.
ALIGNED_S = 1.5
# It plays a file a little faster than it is told: one picture a second more.
PACE = (FPS + 1) / FPS
THRESHOLDS = {"motion": 1500 * WIDTH * HEIGHT // (640 * 480), "motion, threshold 250": 250}


def encode(films, number, name, path):
    """The film in H.264, a key picture every two seconds."""
    painted = subprocess.Popen([films, "paint", number, name], stdout=subprocess.PIPE)
    raw = ["-f", "rawvideo", "-pix_fmt", "gray", "-s", f"{WIDTH}x{HEIGHT}", "-r", str(FPS), "-i", "-"]
    coder = ["-pix_fmt", "yuv420p", "-c:v", "libx264", "-preset", "veryfast", "-crf", "26", "-g", str(2 * FPS), "-bf", "0"]
    command = ["ffmpeg", "-v", "error", "-y", "-threads", "1", *raw, *coder, str(path)]
    subprocess.run(command, stdin=painted.stdout, check=True)
    if painted.wait():
        raise SystemExit(f"{name} could not be painted")


def spans(times):
    """What is reported within GAP_S is one event."""
    events = []
    for t in times:
        if events and t - events[-1][1] < GAP_S:
            events[-1][1] = t
        else:
            events.append([t, t])
    return events


def ours(films, path):
    """Events that this crate sees, and its processor time."""
    raw = ["ffmpeg", "-v", "error", "-threads", "1", "-i", str(path), "-f", "rawvideo", "-pix_fmt", "gray", "-"]
    decoded = subprocess.Popen(raw, stdout=subprocess.PIPE)
    found = subprocess.run([films, "find"], stdin=decoded.stdout, stdout=subprocess.PIPE, check=True, text=True)
    if decoded.wait():
        raise SystemExit(f"{path} could not be decoded")
    return spans([float(line) for line in found.stdout.split()])


def motions(work, paths):
    """Events that motion sees in films that are shown to it at the same time, by setting."""
    said = work / "said"
    said.write_text("")
    hook = work / "hook"
    hook.write_text(f'#!/bin/sh\necho "$1 $2 $(date +%s.%N)" >> {said}\n')
    hook.chmod(0o755)
    log = work / "log"
    log.unlink(missing_ok=True)
    lines = [
        "daemon off", "setup_mode off", f"log_file {log}", "log_level 6", f"target_dir {work}", "webcontrol_port 0",
        "stream_port 0", f"width {WIDTH}", f"height {HEIGHT}", f"framerate {FPS}", "despeckle_filter EedDl",
        "minimum_motion_frames 1", f"event_gap {int(GAP_S)}", "picture_output off", "movie_output off",
        f"on_event_start {hook} start %t", f"on_event_end {hook} end %t",
    ]
    shown = [(who, path, threshold) for who, threshold in THRESHOLDS.items() for path in paths]
    for number, (_, path, threshold) in enumerate(shown, 1):
        camera = work / f"camera{number}.conf"
        camera.write_text(f"camera_id {number}\nnetcam_url file://{path}\nthreshold {threshold}\n")
        lines.append(f"camera {camera}")
    (work / "motion.conf").write_text("\n".join(lines) + "\n")
    process = subprocess.Popen(["motion", "-n", "-c", str(work / "motion.conf")], stderr=subprocess.DEVNULL)
    time.sleep(SECONDS / PACE + 3)  # each film is shown in real time
    process.terminate()
    process.wait()
    began = {}
    for line in log.read_text(errors="replace").splitlines():
        match = re.match(r"\[(\d+):\S+ *\] \[\w+\] \[\w+\] \[(\w+ +\d+ \d+:\d+:\d+)\] .*started: motion detection", line)
        if match:
            moment = time.strptime(f"{time.localtime().tm_year} {match[2]}", "%Y %b %d %H:%M:%S")
            began[int(match[1])] = time.mktime(moment)
    if len(began) != len(shown):
        raise SystemExit(f"motion showed {len(began)} of {len(shown)} films: see its log\n{log.read_text(errors='replace')}")
    events = {number: [] for number in range(1, len(shown) + 1)}
    for line in said.read_text().splitlines():
        what, number, at = line.split()
        at = float(at) - began[int(number)]
        mine = events[int(number)]
        if what == "start" and at * PACE < SECONDS:
            mine.append([at * PACE, float(SECONDS)])
        elif what == "end" and mine and mine[-1][1] == SECONDS:
            mine[-1][1] = (at - GAP_S) * PACE
    found = {who: [] for who in THRESHOLDS}
    for number, (who, _, _) in enumerate(shown, 1):
        found[who].append(events[number])
    return found


def judged(events, truth, slack):
    touches = lambda e, t: e[0] <= t[1] + AFTER_S + slack and e[1] >= t[0] - slack
    found = sum(any(touches(e, t) for e in events) for t in truth)
    wrong = sum(not any(touches(e, t) for t in truth) for e in events)
    return found, wrong


def main():
    films, out, rounds = sys.argv[1], pathlib.Path(sys.argv[2]), sys.argv[3:]
    listed = [line.split("\t") for line in subprocess.check_output([films, "list"], text=True).splitlines()]
    lines, totals = [], {}
    with tempfile.TemporaryDirectory() as folder:
        work = pathlib.Path(folder)
        for number in rounds:
            for first in range(0, len(listed), AT_ONCE):
                batch = listed[first : first + AT_ONCE]
                paths = [work / f"{number}-{first + i}.mkv" for i in range(len(batch))]
                for (name, _, _), path in zip(batch, paths):
                    encode(films, number, name, path)
                seen = {"keepsight": [ours(films, path) for path in paths], **motions(work, paths)}
                for who, all_events in seen.items():
                    for (name, kind, spoken), events in zip(batch, all_events):
                        truth = [tuple(map(float, span.split("-"))) for span in spoken.split()]
                        found, wrong = judged(events, truth, 0.0 if who == "keepsight" else ALIGNED_S)
                        events = [[round(t, 1) for t in event] for event in events]
                        lines.append({"round": int(number), "film": name, "class": kind, "who": who, "there": len(truth),
                                      "found": found, "wrong": wrong, "events": events})
                        total = totals.setdefault((int(number), kind, who), [0, 0, 0])
                        total[:] = [total[0] + len(truth), total[1] + found, total[2] + wrong]
                for path in paths:
                    os.unlink(path)
    out = out.with_suffix(".jsonl")
    others = [line for line in out.read_text().splitlines() if json.loads(line)["film"] == "pedestrians"] if out.exists() else []
    out.write_text("".join(line + "\n" for line in [json.dumps(line) for line in lines] + others))
    for (number, kind, who), (there, found, wrong) in sorted(totals.items()):
        print(f"round {number}  {kind:12} {who:22} {found:3} of {there:3} walk-ins, {wrong:3} events where nobody was")


main()
