"""Times one update (forward, backward, AdamW) of MTCAE-DFER in PyTorch: the twin of `examples/time_step.rs`.

    python host/train/tests/torch_step.py --preset edge --batch 8,16
    python host/train/tests/torch_step.py --device cuda --preset large --batch 4,8 --precision f32,tf32,bf16

One JSON object a line. Shapes come from models/network/presets; strategy cascaded-vit, seven classes, random clips and weights.
f32 is exact products, tf32 lets the card round their factors, bf16 is autocast. Attention is PyTorch's fused one.
"""

import argparse
import json
import pathlib
import time
import tomllib

import torch
import torch.nn as nn
import torch.nn.functional as F

PRESETS = pathlib.Path(__file__).parents[3] / "models" / "network" / "presets"


class Conv(nn.Sequential):
    def __init__(self, inputs, outputs, stride):
        super().__init__(nn.Conv2d(inputs, outputs, 3, stride, 1, bias=False), nn.BatchNorm2d(outputs))


class Residual(nn.Module):
    def __init__(self, channels):
        super().__init__()
        self.first, self.second = Conv(channels, channels, 1), Conv(channels, channels, 1)

    def forward(self, x):
        return F.relu(x + self.second(F.relu(self.first(x))))


class Stem(nn.Module):
    """Pictures one by one, then pairs of them."""

    def __init__(self, channels, width):
        super().__init__()
        stages, inputs = [], 3
        for i, c in enumerate(channels):
            stages += [Conv(inputs, c, 2), nn.ReLU()] + ([Residual(c)] if i else [])
            inputs = c
        self.stages, self.merge = nn.Sequential(*stages), nn.Linear(2 * inputs, width)

    def forward(self, clip):
        b, _, t, s, _ = clip.shape
        x = self.stages(clip.transpose(1, 2).reshape(b * t, 3, s, s))
        _, c, h, w = x.shape
        pairs = x.reshape(b, t // 2, 2 * c, h, w).permute(0, 1, 3, 4, 2)
        return self.merge(pairs.reshape(b, -1, 2 * c))


class Patches(nn.Module):
    def __init__(self, width):
        super().__init__()
        self.proj = nn.Conv3d(3, width, (2, 16, 16), (2, 16, 16))

    def forward(self, clip):
        return self.proj(clip).flatten(2).transpose(1, 2)


def attention(q, k, v, heads):
    q, k, v = (x.reshape(x.shape[0], x.shape[1], heads, -1).transpose(1, 2) for x in (q, k, v))
    return F.scaled_dot_product_attention(q, k, v).transpose(1, 2).flatten(2)


def mlp(width, hidden):
    return nn.Sequential(nn.Linear(width, hidden), nn.GELU(), nn.Linear(hidden, width))


class Block(nn.Module):
    def __init__(self, width, heads):
        super().__init__()
        self.heads, self.norm1, self.norm2 = heads, nn.LayerNorm(width, 1e-6), nn.LayerNorm(width, 1e-6)
        self.qkv, self.proj = nn.Linear(width, 3 * width), nn.Linear(width, width)
        self.mlp = mlp(width, 4 * width)

    def forward(self, x):
        q, k, v = self.qkv(self.norm1(x)).chunk(3, -1)
        x = x + self.proj(attention(q, k, v, self.heads))
        return x + self.mlp(self.norm2(x))


class Layer(nn.Module):
    def __init__(self, d, heads, inner, hidden):
        super().__init__()
        self.heads, self.norm1, self.norm2 = heads, nn.LayerNorm(d, 1e-6), nn.LayerNorm(d, 1e-6)
        self.q, self.k, self.v, self.proj = (nn.Linear(*s) for s in ((d, inner),) * 3 + ((inner, d),))
        self.mlp = mlp(d, hidden)

    def forward(self, y, kv):
        y = y + self.proj(attention(self.q(self.norm1(y)), self.k(kv), self.v(kv), self.heads))
        return y + self.mlp(self.norm2(y))


class Decoder(nn.Module):
    def __init__(self, width, c):
        super().__init__()
        d, inner = c["width"], c["heads"] * c["head_width"]
        self.embed, self.norm = nn.Linear(width, d), nn.LayerNorm(d, 1e-6)
        self.layers = nn.ModuleList(Layer(d, c["heads"], inner, c["mlp_hidden"]) for _ in range(c["layers"]))

    def forward(self, features, query):
        dense = self.embed(features)
        kv, y = self.norm(dense), dense if query is None else query
        for i, layer in enumerate(self.layers):
            y = layer(F.dropout(y, 0.1) if i + 1 == len(self.layers) else y, kv)
        return y


class Network(nn.Module):
    def __init__(self, c):
        super().__init__()
        e, d, frames = c["encoder"], c["decoder"], c["frames"]
        width, stem = e["width"], e["stem"]
        self.embed = Patches(width) if stem["kind"] == "patch" else Stem(stem["channels"], width)
        self.blocks = nn.ModuleList(Block(width, e["heads"]) for _ in range(e["depth"]))
        self.decoders = nn.ModuleList(Decoder(width, d) for _ in range(3))
        self.groups = [frames // 2 if c["pool"] == "tubelet" else 1] * 2 + [1]
        outputs = [frames * 4 // self.groups[0], frames * 10 // self.groups[1], 7]
        self.norms = nn.ModuleList(nn.LayerNorm(d["width"], 1e-6) for _ in range(3))
        self.heads = nn.ModuleList(nn.Linear(d["width"], n) for n in outputs)
        tokens = frames // 2 * (c["size"] // 16) ** 2
        self.register_buffer("positions", torch.randn(1, tokens, width))

    def forward(self, clip):
        x = self.embed(clip) + self.positions
        for block in self.blocks:
            x = block(x)
        x, y, answers = F.dropout(x, 0.3), None, []
        for decoder, norm, head, groups in zip(self.decoders, self.norms, self.heads, self.groups):
            y = decoder(x, y)
            z = norm(y)
            z = z.reshape(z.shape[0], groups, -1, z.shape[-1]).mean(2)
            answers.append(head(z).flatten(1).float())
        return answers


def run(device, preset, precision, batch, steps):
    config = tomllib.loads((PRESETS / f"{preset}.toml").read_text())
    torch.backends.cuda.matmul.allow_tf32 = torch.backends.cudnn.allow_tf32 = precision == "tf32"
    net = Network(config).to(device).train()
    optimizer = torch.optim.AdamW(net.parameters(), 1e-4, weight_decay=0.05, fused=device == "cuda")
    frames, size = config["frames"], config["size"]
    clip = torch.randn(batch, 3, frames, size, size, device=device)
    boxes, points = torch.rand(batch, frames * 4, device=device), torch.rand(batch, frames * 10, device=device)
    labels = torch.arange(batch, device=device) % 7
    times = []
    for i in range(steps + 2):
        spent = time.process_time() if i == 2 else None if i < 2 else spent
        start = time.perf_counter()
        with torch.autocast(device, torch.bfloat16, enabled=precision == "bf16"):
            b, p, logits = net(clip)
        loss = 0.5 * F.mse_loss(b, boxes) + 0.5 * F.mse_loss(p, points) + 1.5 * F.cross_entropy(logits, labels)
        optimizer.zero_grad()
        loss.backward()
        nn.utils.clip_grad_norm_(net.parameters(), 5.0)
        optimizer.step()
        value = loss.item()
        if device == "cuda":
            torch.cuda.synchronize()
        times.append(time.perf_counter() - start)
    spent = (time.process_time() - spent) / steps
    timed = sorted(times[2:])
    step = timed[len(timed) // 2]
    memory = {"memory_gb": torch.cuda.max_memory_allocated() / 2**30} if device == "cuda" else {}
    line = {"what": "torch", "device": device, "preset": preset, "precision": precision, "batch": batch,
            "first_s": times[0], "step_ms": step * 1e3, "fastest_ms": timed[0] * 1e3, "clips_per_s": batch / step, "processor_ms": spent * 1e3,
            "loss": value, "parameters": sum(p.numel() for p in net.parameters()), "torch": torch.__version__, **memory}
    print(json.dumps(line), flush=True)


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--preset", required=True)
    parser.add_argument("--precision", default="f32")
    parser.add_argument("--batch", default="8")
    parser.add_argument("--steps", type=int, default=5)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--presets", type=pathlib.Path)
    a = parser.parse_args()
    global PRESETS
    PRESETS = a.presets or PRESETS
    torch.set_num_threads(a.threads)
    for precision in a.precision.split(","):
        for batch in map(int, a.batch.split(",")):
            try:
                run(a.device, a.preset, precision, batch, a.steps)
            except torch.OutOfMemoryError:
                print(json.dumps({"what": "torch", "preset": a.preset, "precision": precision, "batch": batch, "out_of_memory": True}))
                break
            if a.device == "cuda":
                torch.cuda.empty_cache()


if __name__ == "__main__":
    main()
