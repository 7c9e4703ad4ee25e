"""Makes tests/fixtures/tiny.onnx, a network of two frames of 16x16 for the engine's tests (needs the package onnx).

Every output follows from the mean of each colour, so that a test can compute what must come out:
boxes = mean / 255 of [r, g, b, r], landmarks = 0.5, logits = mean / 255 of [r, g, b].
"""

import pathlib

import onnx
from onnx import TensorProto, helper, numpy_helper
import numpy as np

T, S = 2, 16


def weight(name, values):
    return numpy_helper.from_array(np.array(values), name)


spread = np.zeros((3, T * 4), np.float32)
for t in range(T):
    for i, color in enumerate([0, 1, 2, 0]):
        spread[color, 4 * t + i] = 1 / 255
nodes = [
    helper.make_node("Cast", ["clip"], ["floats"], to=TensorProto.FLOAT),
    helper.make_node("ReduceMean", ["floats"], ["mean"], axes=[1, 2, 3], keepdims=0),
    helper.make_node("MatMul", ["mean", "spread"], ["flat"]),
    helper.make_node("Reshape", ["flat", "box_shape"], ["boxes"]),
    helper.make_node("MatMul", ["mean", "scale"], ["logits"]),
    helper.make_node("MatMul", ["mean", "nothing"], ["zeros"]),
    helper.make_node("Add", ["zeros", "half"], ["points"]),
    helper.make_node("Reshape", ["points", "point_shape"], ["landmarks"]),
]
weights = [
    weight("spread", spread),
    weight("scale", np.eye(3, dtype=np.float32) / 255),
    weight("nothing", np.zeros((3, T * 10), np.float32)),
    weight("half", np.float32(0.5)),
    weight("box_shape", np.int64([1, T, 4])),
    weight("point_shape", np.int64([1, T, 5, 2])),
]
# Not in the order of the documentation: outputs are matched by name.
outputs = [("logits", [1, 3]), ("boxes", [1, T, 4]), ("landmarks", [1, T, 5, 2])]
graph = helper.make_graph(
    nodes,
    "tiny",
    [helper.make_tensor_value_info("clip", TensorProto.UINT8, [1, T, S, S, 3])],
    [helper.make_tensor_value_info(n, TensorProto.FLOAT, s) for n, s in outputs],
    weights,
)
model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
onnx.checker.check_model(model, full_check=True)
path = pathlib.Path(__file__).parent / "fixtures" / "tiny.onnx"
path.write_bytes(model.SerializeToString())
print(path.stat().st_size, "bytes")
