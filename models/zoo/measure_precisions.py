"""How far the edge model's answers move when it computes in fewer bits (needs numpy, onnx, onnxruntime, pillow).

    mtcae export --checkpoint models/zoo/edge/checkpoint.safetensors --manifest models/zoo/edge/manifest.toml --out edge
    python3 models/zoo/measure_precisions.py edge/edge.fp32.onnx

Takes an fp32 file, which `mtcae export` makes of the checkpoint: the folder that ships has none. Prints, for each form of the
network, the largest difference from fp32 in each output, relative to the output's largest value, over clips of the portrait that
ships: the numbers behind `tolerance` in host/deploy/src/check.rs.
"""

import pathlib
import sys
import tempfile

import numpy as np
import onnx
import onnxruntime
from onnx import TensorProto, helper
from onnxruntime.quantization import QuantType, quantize_dynamic
from onnxruntime.transformers.float16 import convert_float_to_float16
from PIL import Image

ROOT = pathlib.Path(__file__).resolve().parents[2]
if len(sys.argv) != 2:
    sys.exit(__doc__)
MODEL = pathlib.Path(sys.argv[1])  # an fp32 file, as `mtcae export` writes it
OUTPUTS = ["boxes", "landmarks", "logits"]


def clips(frames, size):
    """Crops that sway a little around the portrait's face, from much too tight to the whole picture."""
    portrait = Image.open(ROOT / "tests/data/astronaut.png").convert("RGB")
    for side in [100, 120, 150, 200, 300, 500]:
        crops = []
        for t in range(frames):
            angle = 2 * np.pi * t / frames
            x = np.clip(224 - side / 2 + 0.02 * side * np.sin(angle), 0, 512 - side)
            y = np.clip(117 - side / 2 + 0.02 * side * np.cos(angle), 0, 512 - side)
            crops.append(np.asarray(portrait.resize((size, size), Image.BILINEAR, box=(x, y, x + side, y + side))))
        yield np.stack(crops)[None]


def session(model):
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    return onnxruntime.InferenceSession(model.SerializeToString(), options, providers=["CPUExecutionProvider"])


def ten_bit_products(model):
    """Both sides of every matrix product rounded to ten bits, sums in fp32: what TF32 does on a GPU."""
    nodes = []
    for i, node in enumerate(model.graph.node):
        if node.op_type in ("MatMul", "Gemm", "Conv"):
            for j in range(2):
                short, back = f"short_{i}_{j}", f"back_{i}_{j}"
                nodes.append(helper.make_node("Cast", [node.input[j]], [short], to=TensorProto.FLOAT16))
                nodes.append(helper.make_node("Cast", [short], [back], to=TensorProto.FLOAT))
                node.input[j] = back
        nodes.append(node)
    del model.graph.node[:]
    model.graph.node.extend(nodes)
    return model


def int8(model):
    with tempfile.TemporaryDirectory() as folder:
        source, target = pathlib.Path(folder, "fp32.onnx"), pathlib.Path(folder, "int8.onnx")
        onnx.save(model, source)
        # Linear layers only, weights per channel: the products of attention have no constant side.
        quantize_dynamic(source, target, op_types_to_quantize=["MatMul"], per_channel=True, weight_type=QuantType.QInt8)
        return onnx.load(target)


def main():
    model = onnx.load(MODEL)
    fp32 = session(model)
    _, frames, size, _, _ = fp32.get_inputs()[0].shape
    inputs = list(clips(frames, size))
    wanted = [fp32.run(OUTPUTS, {"clip": clip}) for clip in inputs]
    forms = {
        "ten-bit products": ten_bit_products(onnx.load(MODEL)),
        "fp16": convert_float_to_float16(onnx.load(MODEL), keep_io_types=True),
        "int8": int8(onnx.load(MODEL)),
    }
    for name, form in forms.items():
        run = session(form)
        worst = np.zeros(3)
        for clip, want in zip(inputs, wanted):
            got = run.run(OUTPUTS, {"clip": clip})
            worst = np.maximum(worst, [np.abs(g - w).max() / np.abs(w).max() for g, w in zip(got, want)])
        print(f"{name:17}", *(f"{output} {value:.4f}" for output, value in zip(OUTPUTS, worst)))


main()
