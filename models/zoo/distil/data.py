"""Faces on the GPU: shards of `mtcae data` (or packs of them) as one table of frames, and how a sample is shown."""

import io
import json
import math
import pathlib
import struct
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import torch
import torch.nn.functional as F
from PIL import Image

MARGIN = 0.1  # framing.margin of the manifest
FOLDS = 4  # parts of the training data, by person; a teacher learns from all but one of them
TYPES = {"U8": np.uint8, "F32": np.float32, "U64": np.uint64}


def read_shard(path):
    """Arrays of one shard."""
    with open(path, "rb") as f:
        length = struct.unpack("<Q", f.read(8))[0]
        head = json.loads(f.read(length))
        body = f.read()
    head.pop("__metadata__")
    array = lambda v: np.frombuffer(body[slice(*v["data_offsets"])], TYPES[v["dtype"]]).reshape(v["shape"])
    return {k: array(v) for k, v in head.items()}


def pack(out, quality, paths):
    """Shards of stills as one file of WebP pictures, to take along: FER2013's training split is 38 MB then."""
    parts = [read_shard(p) for p in paths]
    images = np.concatenate([p["images"] for p in parts])

    def encoded(image):
        out = io.BytesIO()
        Image.fromarray(image[..., 0] if image.shape[-1] == 1 else image).save(out, "WEBP", quality=quality, method=6)
        return out.getvalue()

    with ThreadPoolExecutor() as pool:
        blobs = list(pool.map(encoded, images))
    rest = {k: np.concatenate([p[k] for p in parts]) for k in parts[0] if k != "images"}
    np.savez(out, webp=np.frombuffer(b"".join(blobs), np.uint8), lengths=np.array([len(b) for b in blobs], np.uint32), **rest)


def unpack(path):
    """What `pack` wrote, as a shard's arrays, in colour."""
    with np.load(path) as z:
        rest = {k: z[k] for k in z.files if k not in ("channels", "side")}
    blob, ends = rest.pop("webp").tobytes(), rest.pop("lengths").cumsum()
    decode = lambda span: np.asarray(Image.open(io.BytesIO(blob[span[0] : span[1]])).convert("RGB"))
    with ThreadPoolExecutor() as pool:
        rest["images"] = np.stack(list(pool.map(decode, zip([0, *ends[:-1].tolist()], ends.tolist()))))
    return rest


class Faces:
    """Samples of one data set on `device`: frames u8 [N, F, 3, H, H], boxes [N, F, 4], landmarks [N, F, 5, 2]."""

    def __init__(self, source, device):
        paths = [source] if source.suffix == ".npz" else sorted(source.parent.glob(source.name + "-*.safetensors"))
        parts = [unpack(p) if p.suffix == ".npz" else read_shard(p) for p in paths]
        put = lambda key: torch.cat([torch.from_numpy(np.array(p[key])).to(device) for p in parts])
        # [N, H, H, C] for stills, [N, F, H, H, C] for clips
        frames = torch.cat([torch.from_numpy(np.array(p["images"])).to(device).movedim(-1, -3) for p in parts])
        self.frames = frames.unsqueeze(1) if frames.dim() == 4 else frames
        if self.frames.shape[2] == 1:
            self.frames = self.frames.expand(-1, -1, 3, -1, -1).contiguous()
        n, f = self.frames.shape[:2]
        self.boxes, self.landmarks = put("boxes").reshape(n, f, 4), put("landmarks").reshape(n, f, 5, 2)
        self.known = put("has_face").reshape(n, -1).bool()
        self.known = self.known.all(1)
        self.labels = put("label").long()
        self.folds = torch.cat([torch.from_numpy((p["subject_hash"] % FOLDS).astype(np.int64)).to(device) for p in parts])

    def __len__(self):
        return len(self.labels)

    def framing(self, index):
        """Centre [B, 2] and side [B] of what the network sees, in fractions of the stored square."""
        box = self.boxes[index].mean(1)
        return box[:, :2] + box[:, 2:] / 2, box[:, 2:].amax(1) * (1 + 2 * MARGIN)


class Draws:
    """Draws samples of one data set; every class as often as its count to the power 1 - balance says, but none of fewer than
    a hundred as if there were a hundred. `of`: the folds to draw from."""

    def __init__(self, faces, balance, of=range(FOLDS)):
        self.faces = faces
        weight = torch.bincount(faces.labels).clamp(min=100).float()[faces.labels] ** -balance
        self.weight = weight * torch.isin(faces.folds, torch.tensor(list(of), device=weight.device))

    def __call__(self, batch):
        return torch.multinomial(self.weight, batch, replacement=True)


def cut(frames, centre, side, turn, stretch, flip, size):
    """Frames u8 [B, F, 3, H, H] through similarity transforms: centre [B, F, 2], side and turn [B, F], stretch [B] (width over
    height), flip [B]. Floats 0 to 1, [B, F, 3, size, size]; beyond the border the border repeats."""
    b, f = frames.shape[:2]
    grid = (torch.arange(size, device=frames.device) + 0.5) / size - 0.5
    y, x = torch.meshgrid(grid, grid, indexing="ij")
    mirror = torch.where(flip, -1.0, 1.0)[:, None, None, None]
    x = x * mirror * stretch[:, None, None, None]
    y = y / stretch[:, None, None, None]
    cos, sin = (turn.cos() * side)[..., None, None], (turn.sin() * side)[..., None, None]
    sx = centre[..., 0, None, None] + cos * x - sin * y
    sy = centre[..., 1, None, None] + sin * x + cos * y
    at = (torch.stack([sx, sy], -1) * 2 - 1).reshape(b * f, size, size, 2)
    out = F.grid_sample(frames.reshape(b * f, *frames.shape[2:]).float() / 255, at, mode="bilinear", padding_mode="border", align_corners=False)
    return out.unflatten(0, (b, f))


def targets(boxes, landmarks, centre, side, turn, stretch, flip):
    """Boxes [B, F, 4] and landmarks [B, F, 10] as the network should answer them after `cut`."""
    cos, sin = turn.cos()[..., None], turn.sin()[..., None]
    mirror = torch.where(flip, -1.0, 1.0)[:, None, None]
    wide = stretch[:, None, None]

    def back(p):
        d = p - centre[:, :, None]
        u = (cos * d[..., 0] + sin * d[..., 1]) / side[..., None]
        v = (cos * d[..., 1] - sin * d[..., 0]) / side[..., None]
        return torch.stack([u * mirror / wide + 0.5, v * wide + 0.5], -1)

    size = boxes[..., 2:] / side[..., None] * torch.cat([1 / wide, wide], -1)
    middle = back((boxes[..., :2] + boxes[..., 2:] / 2)[:, :, None])[:, :, 0]
    points = back(landmarks)
    points = torch.where(flip[:, None, None, None], points[:, :, [1, 0, 2, 4, 3]], points)
    return torch.cat([middle - size / 2, size], -1), points.flatten(2)


def blurred(x, sigma):
    """A Gaussian of sigma [B] pixels on [B, F, 3, S, S]."""
    b, f, c, h, w = x.shape
    reach = 5
    at = torch.arange(-reach, reach + 1, device=x.device).float()
    k = torch.exp(-0.5 * (at / sigma[:, None].clamp(min=0.05)) ** 2)
    k = (k / k.sum(1, keepdim=True)).repeat_interleave(f * c, 0)
    y = F.pad(x.reshape(1, b * f * c, h, w), [reach] * 4, mode="replicate")
    y = F.conv2d(y, k[:, None, :, None], groups=b * f * c)
    return F.conv2d(y, k[:, None, None, :], groups=b * f * c).reshape(x.shape)


def show(faces, index, frames, size, strength, chosen=None):
    """Samples before a camera that moves, more so with `strength` (0: as the board would cut them). `frames` 1: one picture that
    stands for a tubelet; `chosen`: which frames of a clip. Pixels 0 to 1 [B, F, 3, size, size], boxes [B, F, 4], landmarks [B, F, 10]."""
    device, b = index.device, len(index)
    has = faces.frames.shape[1]
    if chosen is None:
        chosen = torch.tensor([t * has // frames for t in range(frames)] if frames > 1 else [has // 2], device=device)
    pictures, boxes, landmarks = faces.frames[index][:, chosen], faces.boxes[index][:, chosen], faces.landmarks[index][:, chosen]
    centre, side = faces.framing(index)
    around = lambda *shape: torch.rand(*shape, device=device) * 2 - 1
    time = torch.linspace(-0.5, 0.5, frames, device=device) if frames > 1 else torch.zeros(1, device=device)
    motion = 0.35 if has == 1 else 0.14  # a clip moves by itself

    def path(most):
        start, drift, sway, phase = around(4, b, 1)
        return most * strength * (start + motion * (drift * time + 0.3 * sway * torch.sin(2 * math.pi * (time * 1.5 + phase))))

    def swing(most):
        """Heads that move fast, in three clips of five: a way across, a swing of any speed."""
        way, wide, phase = around(3, b, 1)
        speed = 0.3 + 1.7 * torch.rand(b, 1, device=device)
        fast = most * torch.rand(b, 1, device=device) * (torch.rand(b, 1, device=device) < 0.6) * (strength > 0)
        return fast * (way * 2 * time + 0.5 * wide * torch.sin(2 * math.pi * (time * speed + phase)))

    turn = path(math.radians(16)) + path(math.radians(14)) * (torch.rand(b, 1, device=device) < 0.15)
    grow = torch.exp(path(0.17))
    centre = centre[:, None] + torch.stack([path(0.085) + swing(0.22), path(0.085) + swing(0.15)], -1) * side[:, None, None]
    stretch = torch.exp(around(b) * 0.08 * strength)
    flip = torch.rand(b, device=device) < (0.5 if strength > 0 else 0.0)
    shape = (centre, side[:, None] * grow, turn, stretch, flip)
    return cut(pictures, *shape, size), *targets(boxes, landmarks, *shape)


def worse(x, strength=1.0):
    """Distance, focus, light, things before the face, grain: each of them on some of the clips [B, F, 3, S, S]."""
    device, (b, size) = x.device, (x.shape[0], x.shape[-1])
    unit = lambda *shape: torch.rand(*shape, device=device)
    around = lambda: (unit(b, 1, 1, 1, 1) * 2 - 1) * strength
    some = lambda chance: (unit(b, 1, 1, 1, 1) < chance * strength).float()
    group = lambda share: unit(b).topk(int(b * share * strength)).indices  # a fixed number: no waiting
    for low in (16, 22, 30, 40):
        i = group(0.04)
        if not len(i):
            continue
        few = F.interpolate(x[i].flatten(0, 1), size=(low, low), mode="bilinear", antialias=True)
        x[i] = F.interpolate(few, size=(size, size), mode="bilinear").unflatten(0, (len(i), -1))
    i = group(0.13)
    x[i] = blurred(x[i], unit(len(i)) * 2.2 + 0.2) if len(i) else x[i]
    x = x.clamp(1e-4, 1) ** torch.exp(around() * 0.4)
    grey = x.mean((1, 2, 3, 4), keepdim=True)
    x = (x - grey) * torch.exp(around() * 0.33) + grey
    x = x * torch.exp(around() * 0.25 - some(0.12) * unit(b, 1, 1, 1, 1) * 1.6)
    x = x + around() * 0.12 + (unit(b, 1, 3, 1, 1) * 2 - 1) * 0.07 * strength
    line = torch.linspace(-1, 1, size, device=device)
    x = x * (1 + some(0.3) * 0.35 * (around() * line[:, None] + around() * line))
    x = torch.where(some(0.15) > 0, x.mean(2, keepdim=True), x)
    at = torch.linspace(0, 1, size, device=device)
    for chance, most in ((0.35, 0.35), (0.15, 0.5)):
        w, h = unit(2, b, 1, 1, 1, 1) * (most - 0.08) + 0.08
        cx, cy = unit(2, b, 1, 1, 1, 1)
        inside = ((at[:, None] - cy).abs() < h / 2) & ((at - cx).abs() < w / 2) & (some(chance) > 0)
        colour = unit(b, 1, 1, 1, 1) + (unit(b, 1, 3, 1, 1) - 0.5) * some(0.5)
        x = torch.where(inside, colour.expand_as(x), x)
    x = x + torch.randn_like(x) * (some(0.3) * unit(b, 1, 1, 1, 1) * 0.08)
    return x.clamp(0, 1)
