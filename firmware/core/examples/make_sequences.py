"""Plays stills of a prepared shard as a video with known changes: for each person of whom there are two expressions,
four seconds of the one, four of the other, four of the first again, with a moving, noisy camera.

    python3 make_sequences.py SHARD.safetensors OUT.avi PERSONS > truth.txt

The video has 25 frames a second; truth.txt has a line `second label person` for each segment. Needs ffmpeg.
"""

import json
import struct
import subprocess
import sys

SECONDS, FPS = 4, 25


def read(path):
    with open(path, "rb") as file:
        header = json.loads(file.read(struct.unpack("<Q", file.read(8))[0]))
        start, body = file.tell(), file.read()
    assert start
    tensor = lambda name: body[slice(*header[name]["data_offsets"])]
    info = json.loads(header["__metadata__"]["info"])
    n, side, _, _ = header["images"]["shape"]
    size = side * side * 3
    subjects = struct.unpack(f"<{n}Q", tensor("subject_hash"))
    images = tensor("images")
    found = tensor("has_face")
    people = {}
    for i in range(n):
        if found[i]:
            label = info["labels"][tensor("label")[i]]
            people.setdefault(subjects[i], {}).setdefault(label, images[i * size : (i + 1) * size])
    return side, people


def main():
    shard, out, most = sys.argv[1], sys.argv[2], int(sys.argv[3])
    side, people = read(shard)
    several = [(s, sorted(faces.items())) for s, faces in sorted(people.items()) if len(faces) > 1][:most]
    motion = "pad=344:264:64:24,crop=320:240:'12+5*sin(n/11)':'12+4*sin(n/17)',noise=alls=7:allf=t"
    command = ["ffmpeg", "-y", "-loglevel", "error", "-f", "rawvideo", "-pix_fmt", "rgb24", "-s", f"{side}x{side}"]
    command += ["-r", str(FPS), "-i", "-", "-vf", f"scale=216:216:flags=bicubic,{motion}", "-c:v", "mjpeg", "-q:v", "4", out]
    video = subprocess.Popen(command, stdin=subprocess.PIPE)
    second = 0
    for subject, faces in several:
        (first, a), (other, b) = faces[0], faces[-1]
        for label, image in [(first, a), (other, b), (first, a)]:
            print(second, label, f"{subject:016x}")
            video.stdin.write(image * (SECONDS * FPS))
            second += SECONDS
    video.stdin.close()
    sys.exit(video.wait())


main()
