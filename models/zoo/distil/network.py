"""MTCAE-DFER in PyTorch, all six strategies with the convolutional stem, parameters named as checkpoints have them.

Only for training on a GPU (train.py); `mtcae evaluate` and `mtcae export` read what it writes. The sides of a network are
those of models/network/presets.
"""

import functools
import json
import math
import pathlib
import tomllib

import torch
import torch.nn.functional as F
from torch import nn

MEAN = (0.485, 0.456, 0.406)
STD = (0.229, 0.224, 0.225)
TASKS = ("boxes", "landmarks", "expression")


def preset(name, size, classes, strategy="cascaded-vit"):
    """A preset's sides, as `mtcae.config` in a checkpoint's metadata has them."""
    path = pathlib.Path(__file__).parents[2] / "network" / "presets" / f"{name}.toml"
    return tomllib.loads(path.read_text()) | {"strategy": strategy, "classes": classes, "size": size}


def positions(tokens, width):
    """Sin-cos table [tokens, width], as VideoMAE has it."""
    at = torch.arange(tokens, dtype=torch.float64)[:, None]
    j = torch.arange(width)
    angle = at / 10000 ** (2 * (j // 2) / width)
    return torch.where(j % 2 == 0, angle.sin(), angle.cos()).float()


def convolution(inputs, outputs, stride):
    return nn.ModuleDict({"conv": nn.Conv2d(inputs, outputs, 3, stride, 1, bias=False), "norm": nn.BatchNorm2d(outputs)})


def convolve(layer, x):
    return layer["norm"](layer["conv"](x))


def attention(q, k, v, heads):
    def apart(x):
        return x.unflatten(-1, (heads, -1)).transpose(1, 2)

    return F.scaled_dot_product_attention(apart(q), apart(k), apart(v)).transpose(1, 2).flatten(2)


class Stage(nn.Module):
    """A convolution of stride 2 and, but for the first stage, a residual block."""

    def __init__(self, inputs, outputs, residual):
        super().__init__()
        self.conv = nn.Conv2d(inputs, outputs, 3, 2, 1, bias=False)
        self.norm = nn.BatchNorm2d(outputs)
        if residual:
            self.res = nn.ModuleList([convolution(outputs, outputs, 1) for _ in range(2)])

    def forward(self, x):
        x = F.relu(self.norm(self.conv(x)))
        if hasattr(self, "res"):
            y = convolve(self.res[1], F.relu(convolve(self.res[0], x)))
            x = F.relu(x + y)
        return x


class Attention(nn.Module):
    """Self-attention with VideoMAE's biases: none for the keys."""

    def __init__(self, width, heads):
        super().__init__()
        self.heads = heads
        self.qkv = nn.Linear(width, 3 * width, bias=False)
        self.q_bias, self.v_bias = nn.Parameter(torch.zeros(width)), nn.Parameter(torch.zeros(width))
        self.proj = nn.Linear(width, width)

    def forward(self, x):
        bias = torch.cat([self.q_bias, torch.zeros_like(self.q_bias), self.v_bias])
        q, k, v = F.linear(x, self.qkv.weight, bias).chunk(3, dim=-1)
        return self.proj(attention(q, k, v, self.heads))


class Mlp(nn.Module):
    def __init__(self, width, hidden):
        super().__init__()
        self.fc1, self.fc2 = nn.Linear(width, hidden), nn.Linear(hidden, width)

    def forward(self, x):
        return self.fc2(F.gelu(self.fc1(x)))


class Block(nn.Module):
    """A block of the encoder; `drop` is the chance that a clip skips each half of it."""

    def __init__(self, width, heads, drop):
        super().__init__()
        self.norm1, self.norm2 = nn.LayerNorm(width, eps=1e-6), nn.LayerNorm(width, eps=1e-6)
        self.attn, self.mlp, self.drop = Attention(width, heads), Mlp(width, 4 * width), drop

    def kept(self, y):
        if not self.training or self.drop == 0:
            return y
        keep = (torch.rand(y.shape[0], 1, 1, device=y.device) >= self.drop).to(y.dtype)
        return y * keep / (1 - self.drop)

    def forward(self, x):
        x = x + self.kept(self.attn(self.norm1(x)))
        return x + self.kept(self.mlp(self.norm2(x)))


class CrossAttention(nn.Module):
    def __init__(self, width, heads, head_width):
        super().__init__()
        self.heads, inner = heads, heads * head_width
        self.q, self.k, self.v = (nn.Linear(width, inner) for _ in range(3))
        self.proj = nn.Linear(inner, width)

    def forward(self, x, kv):
        return self.proj(attention(self.q(x), self.k(kv), self.v(kv), self.heads))


class Layer(nn.Module):
    def __init__(self, d, attends):
        super().__init__()
        width = d["width"]
        if attends:
            self.norm1, self.attn = nn.LayerNorm(width, eps=1e-6), CrossAttention(width, d["heads"], d["head_width"])
        self.norm2, self.mlp = nn.LayerNorm(width, eps=1e-6), Mlp(width, d["mlp_hidden"])

    def forward(self, x, kv):
        if kv is not None:
            x = x + self.attn(self.norm1(x), kv)
        return x + self.mlp(self.norm2(x))


class Decoder(nn.Module):
    """The paper's Algorithm 1: keys and values from the encoder's features, queries from the decoder before. Without
    attention it is the block's MLP alone."""

    def __init__(self, features, d, attends, starts):
        super().__init__()
        if attends or starts:
            self.embed = nn.Linear(features, d["width"])
        if attends:
            self.norm = nn.LayerNorm(d["width"], eps=1e-6)
        self.layers = nn.ModuleList([Layer(d, attends) for _ in range(d["layers"])])

    def forward(self, features, query):
        dense = self.embed(features) if hasattr(self, "embed") else None
        kv = self.norm(dense) if hasattr(self, "norm") else None
        y = dense if query is None else query
        for layer in self.layers:
            y = layer(y, kv)
        return y


class Head(nn.Module):
    def __init__(self, width, values):
        super().__init__()
        self.norm, self.fc = nn.LayerNorm(width, eps=1e-6), nn.Linear(width, values)

    def forward(self, y, groups):
        return self.fc(self.norm(y).unflatten(1, (groups, -1)).mean(2))


class Network(nn.Module):
    """Frames [B, F, 3, S, S] in (F = 1: a still that stands for both frames of one tubelet), normalised; boxes
    [B, T, 4], landmarks [B, T, 10] and logits [B, C] out."""

    def __init__(self, config, drop=0.0):
        super().__init__()
        e, d = config["encoder"], config["decoder"]
        assert e["stem"]["kind"] == "conv" and config["pool"] == "tubelet", "only what ships is written here"
        self.config, sides = config, [3, *e["stem"]["channels"]]
        self.stem = nn.ModuleDict({str(i): Stage(sides[i], sides[i + 1], i > 0) for i in range(4)})
        self.stem["merge"] = nn.Linear(2 * sides[4], e["width"])
        depth = e["depth"]
        self.blocks = nn.ModuleList([Block(e["width"], e["heads"], drop * (i + 1) / depth) for i in range(depth)])
        self.strategy = strategy = config["strategy"]
        values = {"boxes": 2 * 4, "landmarks": 2 * 10, "expression": config["classes"]}
        width, attends, shared = d["width"], strategy.endswith("vit"), strategy.startswith("fully-shared")
        if strategy == "single-task":
            values, width = {"expression": config["classes"]}, e["width"]
        else:
            self.decoders = nn.ModuleList([Decoder(e["width"], d, attends, not shared) for _ in TASKS])
        if shared:
            self.shared = Decoder(e["width"], d, attends, True)
        self.heads = nn.ModuleDict({task: Head(width, n) for task, n in values.items()})
        tokens = config["frames"] // 2 * (config["size"] // 16) ** 2
        self.register_buffer("table", positions(tokens, e["width"]), persistent=False)
        for m in self.modules():
            if isinstance(m, nn.Linear):
                nn.init.xavier_uniform_(m.weight)
                if m.bias is not None:
                    nn.init.zeros_(m.bias)
            if isinstance(m, nn.Conv2d):
                nn.init.kaiming_normal_(m.weight, mode="fan_out", nonlinearity="relu")

    def places(self, first_tubelet, tubelets):
        """Positions of the tokens of a clip that pretends to begin at `first_tubelet` of a longer one."""
        each = (self.config["size"] // 16) ** 2
        return self.table[first_tubelet * each : (first_tubelet + tubelets) * each]

    def forward(self, frames, places=None):
        b, f = frames.shape[:2]
        x = frames.flatten(0, 1).contiguous(memory_format=torch.channels_last)
        for i in range(4):
            x = self.stem[str(i)](x)
        tokens = x.permute(0, 2, 3, 1).flatten(1, 2).unflatten(0, (b, f))  # [B, F, places, C]
        if f == 1:
            tokens = tokens.repeat(1, 2, 1, 1)
        t = tokens.shape[1] // 2
        pairs = torch.cat([tokens[:, 0::2], tokens[:, 1::2]], dim=-1).flatten(1, 2)
        x = self.stem["merge"](pairs)
        x = x + (self.places(0, t) if places is None else places)
        for block in self.blocks:
            x = block(x)
        if self.strategy == "single-task":
            return None, None, self.heads["expression"](x, 1)[:, 0]
        query, answers = self.shared(x, None) if hasattr(self, "shared") else None, []
        for task, decoder in zip(TASKS, self.decoders):
            y = decoder(x, query)
            answers.append(self.heads[task](y, 1 if task == "expression" else t))
            query = y if self.strategy == "cascaded-vit" else query
        boxes, landmarks, logits = answers
        return boxes.reshape(b, 2 * t, 4), landmarks.reshape(b, 2 * t, 10), logits[:, 0]


def short(weights, bits=6):
    """Weights in f16 with `bits` of their mantissa's ten, rounded: what int8 keeps of them anyway, and a third smaller once compressed."""
    dropped = 23 - bits
    whole = weights.float().contiguous().view(torch.int32)
    return ((whole + (1 << (dropped - 1))) >> dropped << dropped).view(torch.float32).half()


def save(path, config, state):
    """A checkpoint in f16, as `mtcae` reads it; matrices are `short`."""
    from safetensors.torch import save_file

    keys = ("frames", "size", "pool", "strategy", "classes", "encoder", "decoder")
    meta = {"mtcae.config": json.dumps({k: config[k] for k in keys}, separators=(",", ":"))}
    kept = {n: t.half().contiguous().cpu() for n, t in state.items() if not n.endswith("num_batches_tracked")}
    save_file({n: short(t) if t.dim() > 1 else t for n, t in kept.items()}, path, meta)


@functools.cache
def constants(device, dtype):
    return [torch.tensor(v, device=device, dtype=dtype)[:, None, None] for v in (MEAN, STD)]


def normalised(pixels):
    """0 to 1, colours in the third dimension from the end."""
    mean, std = constants(pixels.device, pixels.dtype)
    return (pixels - mean) / std


def parameters(network):
    return sum(math.prod(p.shape) for p in network.parameters())
