"""Trains `edge` and `tiny` on one GPU: residual networks learn first and teach both students, which see the same pictures.

    python models/zoo/distil/train.py --data FOLDER --out OUT

FOLDER holds shards of `mtcae data` or packs of them (`data.pack`): fer-train, mux-train, made-train, and for the scores
fer-test, mux-test, made-test. A stage's length is a number of updates, or of seconds (`375s`): then what comes out depends on the
machine. Without a GPU it runs too, slowly. Requirements: torch 2.11, numpy, pillow, safetensors. `mtcae evaluate` says what a checkpoint of it is worth through the board's own engine.
"""

import argparse
import copy
import json
import math
import pathlib
import time

import torch
import torch.nn.functional as F
from torch import nn

from data import FOLDS, Draws, Faces, show, worse
from network import Network, normalised, parameters, preset, save

CLASSES = 8  # contempt, the last, is known from rendered clips alone
SMOOTHING = 0.1
STRATEGIES = ("single-task", "non-shared-mlp", "non-shared-vit", "fully-shared-mlp", "fully-shared-vit", "cascaded-vit")


class Residual(nn.Module):
    def __init__(self, inputs, outputs, stride):
        super().__init__()
        self.a = nn.Sequential(nn.Conv2d(inputs, outputs, 3, stride, 1, bias=False), nn.BatchNorm2d(outputs), nn.ReLU(True),
                               nn.Conv2d(outputs, outputs, 3, 1, 1, bias=False), nn.BatchNorm2d(outputs))
        self.b = nn.Sequential(nn.Conv2d(inputs, outputs, 1, stride, bias=False), nn.BatchNorm2d(outputs)) if stride > 1 or inputs != outputs else nn.Identity()

    def forward(self, x):
        return F.relu(self.a(x) + self.b(x))


class Teacher(nn.Module):
    """A residual network of eighteen layers on one picture (He et al. 2015); logits [B, C]."""

    def __init__(self, width=64):
        super().__init__()
        sides = [width, width, 2 * width, 4 * width, 8 * width]
        blocks = [nn.Conv2d(3, width, 3, 2, 1, bias=False), nn.BatchNorm2d(width), nn.ReLU(True)]
        for i in range(4):
            blocks += [Residual(sides[i], sides[i + 1], 1 if i == 0 else 2), Residual(sides[i + 1], sides[i + 1], 1)]
        self.body, self.drop, self.fc = nn.Sequential(*blocks), nn.Dropout(0.3), nn.Linear(8 * width, CLASSES)
        for m in self.modules():
            if isinstance(m, nn.Conv2d):
                nn.init.kaiming_normal_(m.weight, mode="fan_out", nonlinearity="relu")

    def forward(self, x):
        return self.fc(self.drop(self.body(x.contiguous(memory_format=torch.channels_last)).mean((2, 3))))


class Captured:
    """A function of tensors; on a GPU recorded once and replayed, as launching its kernels one by one takes longer than they do."""

    def __init__(self, function):
        self.function, self.graph = function, None

    def __call__(self, *inputs):
        if inputs[0].device.type != "cuda":
            return self.function(*inputs)
        if self.graph is None:
            self.inputs = [x.clone() for x in inputs]
            beside = torch.cuda.Stream()
            beside.wait_stream(torch.cuda.current_stream())
            with torch.cuda.stream(beside):
                for _ in range(3):
                    self.function(*self.inputs)
            torch.cuda.current_stream().wait_stream(beside)
            self.graph = torch.cuda.CUDAGraph()
            with torch.cuda.graph(self.graph):
                self.outputs = self.function(*self.inputs)
        for mine, given in zip(self.inputs, inputs):
            mine.copy_(given)
        self.graph.replay()
        return self.outputs


class Sgd:
    """Momentum after Nesterov; everything on the device, so that it can be recorded."""

    def __init__(self, network, decay):
        self.plain = [p for p in network.parameters() if p.dim() < 2]
        self.weights, self.decay = [p for p in network.parameters() if p.dim() >= 2], decay
        self.momentum = {p: torch.zeros_like(p) for p in network.parameters()}

    @torch.no_grad()
    def step(self, rate):
        torch._foreach_add_([p.grad for p in self.weights], self.weights, alpha=self.decay)
        params = self.weights + self.plain
        grads, momentum = [p.grad for p in params], [self.momentum[p] for p in params]
        torch._foreach_mul_(momentum, 0.9)
        torch._foreach_add_(momentum, grads)
        torch._foreach_add_(grads, momentum, alpha=0.9)
        torch._foreach_mul_(grads, rate)
        torch._foreach_sub_(params, grads)


class AdamW:
    """PyTorch's, with the rate as a tensor; biases and norms do not decay."""

    def __init__(self, network, decay, rate):
        groups = [{"params": [p for p in network.parameters() if p.dim() >= 2], "weight_decay": decay},
                  {"params": [p for p in network.parameters() if p.dim() < 2], "weight_decay": 0.0}]
        on_gpu = rate.device.type == "cuda"
        self.optimizer = torch.optim.AdamW(groups, lr=rate if on_gpu else 0.0, capturable=on_gpu, fused=on_gpu)
        for group in self.optimizer.param_groups:
            group["lr"] = rate if on_gpu else 0.0

    def step(self, rate):
        if rate.device.type != "cuda":
            for group in self.optimizer.param_groups:
                group["lr"] = rate.item()
        self.optimizer.step()


class Run:
    """One network on its way: loss(network, *inputs), optimiser, schedule, moving average of weights and statistics."""

    def __init__(self, network, loss, lr, decay, warmup=300, sgd=False, average=0.9995):
        device = next(network.parameters()).device
        self.network, self.loss, self.lr, self.warmup, self.decay = network.train(), loss, lr, warmup, average
        self.average = copy.deepcopy(network).eval().requires_grad_(False)
        self.rate, self.keep = torch.zeros((), device=device), torch.zeros((), device=device)
        self.optimizer = Sgd(network, decay) if sgd else AdamW(network, decay, self.rate)
        self.updates = {}

    def one(self, *inputs):
        self.network.zero_grad(set_to_none=True)
        self.loss(self.network, *inputs).backward()
        nn.utils.clip_grad_norm_(self.network.parameters(), 2.0)
        self.optimizer.step(self.rate)
        with torch.no_grad():
            pairs = [(a, b) for a, b in zip(self.average.state_dict().values(), self.network.state_dict().values()) if a.is_floating_point()]
            old, new = [a for a, _ in pairs], [b for _, b in pairs]
            torch._foreach_mul_(old, self.keep)
            torch._foreach_add_(old, torch._foreach_mul(new, 1 - self.keep))

    def step(self, inputs, at, done):
        """One update; `at` counts them, `done` is the share of the schedule: a short rise, then a half cosine."""
        self.rate.fill_(self.lr * min(1.0, (at + 1) / self.warmup) * 0.5 * (1 + math.cos(math.pi * min(1.0, done))))
        self.keep.fill_(min(self.decay, (1 + at) / (10 + at)))
        self.updates.setdefault(inputs[0].shape, Captured(self.one))(*inputs)


class Clock:
    """Steps of a stage, until so many updates or seconds are over; says how far it is every so often."""

    def __init__(self, name, amount, say):
        self.name, self.say, self.at, self.began, self.last = name, say, 0, time.time(), time.time()
        self.updates, self.seconds = (int(amount), None) if not str(amount).endswith("s") else (None, float(amount[:-1]))

    @property
    def done(self):
        return self.at / max(1, self.updates) if self.updates is not None else (time.time() - self.began) / self.seconds

    def __iter__(self):
        while self.done < 1:
            yield self.at
            self.at += 1
            if time.time() - self.last > 20 or self.at == 20:
                self.last = time.time()
                self.tell()
        self.tell(over=True)

    def tell(self, **more):
        each = (time.time() - self.began) / max(1, self.at) * 1e3
        self.say(stage=self.name, update=self.at, done=round(self.done, 4), ms=round(each, 1), **more)


def smooth(labels, by=SMOOTHING):
    return F.one_hot(labels, CLASSES).float() * (1 - by) + by / CLASSES


def mixed(x, want, share, groups=1):
    """Some pictures mixed with others (mixup) of their group, groups being equal and one after the other; which are whole."""
    b = len(x)
    whole = torch.rand(b, device=x.device) >= share
    keep = torch.where(whole, 1.0, 0.5 + 0.5 * torch.rand(b, device=x.device))
    other = (torch.rand(groups, b // groups, device=x.device).argsort(1) + torch.arange(groups, device=x.device)[:, None] * (b // groups)).flatten()
    k = keep.reshape(-1, *[1] * (x.dim() - 1))
    return x * k + x[other] * (1 - k), want * keep[:, None] + want[other] * (1 - keep[:, None]), whole


def cross(logits, want):
    return -(want * F.log_softmax(logits.float(), -1)).sum(-1).mean()


def answers_loss(answer, boxes, landmarks, want, known):
    """Expression, boxes and landmarks; the latter two where a face is known and the picture whole."""
    b, l, logits = answer
    loss = 1.5 * cross(logits, want)
    if b is None:
        return loss
    mask = known.float() / known.float().sum().clamp(min=1)
    error = lambda got, true: (F.smooth_l1_loss(got.float(), true, beta=0.02, reduction="none").mean((1, 2)) * mask).sum()
    return loss + 8.0 * error(b, boxes) + 12.0 * error(l, landmarks)


@torch.no_grad()
def scores(answer, faces, size, frames, batch=256):
    """What `answer` (pixels to boxes, landmarks, logits) is worth on a test set."""
    ious, nmes, logits = [], [], []
    for index in torch.arange(len(faces), device=faces.labels.device).split(batch):
        x, boxes, landmarks = show(faces, index, frames, size, 0.0)
        with torch.autocast(x.device.type, torch.bfloat16, enabled=x.device.type == "cuda"):
            b, l, out = answer(normalised(x))
        logits.append(out.float())
        if b is not None and faces.known[index].any():
            k = faces.known[index]
            t = b.shape[1] // 2
            g, w = b[k][:, t].float(), boxes[k][:, min(t, boxes.shape[1] - 1)]
            low, high = torch.maximum(g[:, :2], w[:, :2]), torch.minimum(g[:, :2] + g[:, 2:], w[:, :2] + w[:, 2:])
            both = (high - low).clamp(min=0).prod(-1)
            ious.append(both / (g[:, 2:].clamp(min=0).prod(-1) + w[:, 2:].prod(-1) - both))
            p, q = l[k][:, t].float().unflatten(-1, (5, 2)), landmarks[k][:, min(t, landmarks.shape[1] - 1)].unflatten(-1, (5, 2))
            nmes.append((p - q).norm(dim=-1).mean(-1) / (q[:, 0] - q[:, 1]).norm(dim=-1).clamp(min=1e-3))
    logits = torch.cat(logits)
    hits = logits.argmax(-1) == faces.labels
    recalls = [hits[faces.labels == c].float().mean().item() for c in range(CLASSES) if (faces.labels == c).sum() >= 20]
    out = {"war": hits.float().mean().item(), "uar": sum(recalls) / len(recalls), "recalls": recalls}
    out |= {"nll": F.cross_entropy(logits, faces.labels).item()}
    if ious:
        out |= {"iou": torch.cat(ious).mean().item(), "nme": torch.cat(nmes).mean().item()}
    return {k: [round(x, 3) for x in v] if isinstance(v, list) else round(v, 4) for k, v in out.items()}


class Work:
    def __init__(self, args):
        self.args, self.began = args, time.time()
        self.device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
        args.out.mkdir(parents=True, exist_ok=True)
        self.log = open(args.out / "log.jsonl", "a")
        torch.manual_seed(args.seed)
        torch.backends.cuda.matmul.allow_tf32 = torch.backends.cudnn.allow_tf32 = torch.backends.cudnn.benchmark = True
        self.sets, self.harms = {}, {}
        for name in ("fer-train", "mux-train", "fer-test", "mux-test"):
            self.sets[name] = self.read(name)
        self.say(read={k: len(v) for k, v in self.sets.items()}, device=str(self.device))

    def say(self, **what):
        line = json.dumps({"s": round(time.time() - self.began, 1)} | what)
        print(line, flush=True)
        print(line, file=self.log, flush=True)

    def read(self, name):
        packed = self.args.data / f"{name}.npz"
        return Faces(packed if packed.exists() else self.args.data / name, self.device)

    def cast(self):
        return torch.autocast(self.device.type, torch.bfloat16, enabled=self.device.type == "cuda", cache_enabled=False)

    def parts(self, shares, folds=[range(FOLDS)]):
        """Data sets with their shares of a batch, once for each of `folds` (a list of lists)."""
        return [(Draws(self.sets[name], balance, of), share / len(folds)) for of in folds for name, share, balance in shares]

    def batch(self, parts, frames, total, strength=1.0):
        """Pixels, boxes, landmarks, labels, known, data sets one after the other; and how many of them are photographs."""
        rows, photographs = [], 0
        for draws, share in parts:
            index = draws(max(1, int(total * share)))
            faces = draws.faces
            has, chosen = faces.frames.shape[1], None
            if has > 1 and frames == 1:
                chosen = torch.randint(has // 3, has - has // 3, (1,), device=self.device)
            x, b, l = show(faces, index, frames, self.args.size, strength, chosen)
            if frames == 1:
                b, l = b.repeat(1, 2, 1), l.repeat(1, 2, 1)
            rows.append((x, b, l, faces.labels[index], faces.known[index]))
            photographs += len(index) * (has == 1)
        x, *truth = (torch.cat(r) for r in zip(*rows))
        harm = self.harms.setdefault((x.shape, strength), Captured(lambda x: worse(x, strength)))
        return [harm(x), *truth, photographs]

    def test(self, of, answer, sets=("fer-test", "mux-test", "made-test"), frames=1, **more):
        for name in sets:
            if name in self.sets:
                self.say(test=name, of=of, frames=frames, **more, **scores(answer, self.sets[name], self.args.size, frames))

    def teach(self):
        """Teachers; each has seen all but one of the folds. Their averages."""
        shares = [("fer-train", 0.75, 0.4), ("mux-train", 0.25, self.args.mux_balance)]
        parts = [self.parts(shares, [[f for f in range(FOLDS) if f != i]]) for i in range(FOLDS)]

        def loss(network, x, want):
            with self.cast():
                return cross(network(x), want)

        new = lambda: Teacher().to(self.device, memory_format=torch.channels_last)
        runs = [Run(new(), loss, 0.15, 5e-4, sgd=True, average=0.999) for _ in range(FOLDS)]
        clock = Clock("teachers", self.args.teacher_updates, self.say)
        for at in clock:
            for run, part in zip(runs, parts):
                x, _, _, labels, _, _ = self.batch(part, 1, self.args.batch * 3 // 8, 0.75)
                x, want, _ = mixed(x[:, 0], smooth(labels), 0.4)
                run.step((normalised(x), want), at, clock.done)
        teachers = [run.average for run in runs]
        for i in range(FOLDS):
            self.test(f"teacher {i}", lambda x: (None, None, teachers[i](x[:, 0])), ("fer-test", "mux-test"))
        together = lambda x: (None, None, sum(t(x[:, 0]).float().softmax(-1) for t in teachers).log())
        self.test("teachers together", together, ("fer-test", "mux-test"))
        return teachers

    @torch.no_grad()
    def taught(self, teachers, x):
        """What teachers say of pictures [B, 3, S, S], 0 to 1, that come fold after fold: mostly the one that has never seen the
        fold, a little another that has. Probabilities [B, C]."""
        with self.cast():
            said = lambda i, part: teachers[i % FOLDS](normalised(part)).float().softmax(-1)
            return torch.cat([0.6 * said(i, part) + 0.4 * said(i + 1, part) for i, part in enumerate(x.chunk(FOLDS))])

    def shares(self, clips):
        """Of what a batch is made; photographs come first, fold after fold."""
        made = "made-train" in self.sets
        mux = self.args.mux_share
        rest = (1 - mux) * (0.63 if clips else 0.76)
        photographs = [("fer-train", rest, 0.4), ("mux-train", mux, self.args.mux_balance)]
        return self.parts(photographs, [[f] for f in range(FOLDS)]) + self.parts([("made-train", 1 - mux - rest, 0.0)] if made else [])

    def study(self, runs, teachers, kinds, amount, name, strength=1.0, trust=0.8):
        """Students on the same pictures. `kinds`: (frames, samples) of an update, taken in turn; of one frame are stills that stand
        for a tubelet. `strength`: of the changes to them; `trust`: the teachers' share of what is to be said of a photograph."""
        clock, tested = Clock(name, amount, self.say), time.time()
        parts = {frames: self.shares(frames > 1) for frames, _ in kinds}
        said = {frames: Captured(lambda x: self.taught(teachers, x)) for frames, _ in kinds}
        for at in clock:
            frames, total = kinds[at % len(kinds)]
            x, boxes, landmarks, labels, known, n = self.batch(parts[frames], frames, total, strength)
            m = frames // 2
            y, want, whole = mixed(x[:n], smooth(labels[:n]), 0.3 * strength if frames == 1 else 0.0, FOLDS)
            if teachers:
                want = (1 - trust) * want + trust * said[frames](y[:, m])
            want, known = torch.cat([want, smooth(labels[n:], 0.03)]), torch.cat([known[:n] & whole, known[n:]])
            x = normalised(torch.cat([y, x[n:]]))
            tubelet = int(torch.randint(0, 8, (1,))) if frames == 1 else 0
            for run in runs.values():
                places = run.network.places(tubelet, max(1, frames // 2))
                run.step((x, places, boxes, landmarks, want, known), at, clock.done)
            if time.time() - tested > self.args.test_every:
                tested = time.time()
                for of, run in runs.items():
                    self.test(of, run.average, ("fer-test", "mux-test"), update=at)
                    self.keep(of, run)
        for of, run in runs.items():
            self.keep(of, run)
            self.test(of, run.average)
            self.test(of, run.average, frames=16)

    def keep(self, name, run):
        path = self.args.out / f"{name}.safetensors"
        save(path.with_suffix(".part"), run.network.config, run.average.state_dict())
        path.with_suffix(".part").rename(path)

    def rendered(self):
        """Rendered clips, where they are there by now."""
        for name in ("made-train", "made-test"):
            if name not in self.sets and list(self.args.data.glob(f"{name}-*.safetensors")):
                self.sets[name] = self.read(name)
                self.say(read={name: len(self.sets[name])})

    def weights(self, path):
        """A checkpoint's, with what PyTorch counts beside them."""
        from safetensors.torch import load_file

        tensors = {n: t.float() for n, t in load_file(path).items()}
        counters = {n[: -len("running_mean")] + "num_batches_tracked": torch.tensor(0) for n in tensors if n.endswith("running_mean")}
        return tensors | counters

    def student(self, config, lr, average, warmup=300, weights=None):
        """A network that learns from teachers, labels, boxes and landmarks."""
        network = Network(config, 0.05).to(self.device)
        if weights is not None:
            network.load_state_dict(weights)

        def loss(network, x, places, *truth):
            with self.cast():
                answer = network(x, places)
            return answers_loss(answer, *truth)

        return Run(network, loss, lr, 0.05, warmup, average=average)


def main():
    parse = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parse.add_argument("--data", type=pathlib.Path, required=True, help="folder of shards or packs")
    parse.add_argument("--out", type=pathlib.Path, required=True, help="folder for checkpoints and the log")
    parse.add_argument("--seed", type=int, default=1)
    parse.add_argument("--size", type=int, default=80, help="side of a frame, pixels")
    parse.add_argument("--batch", type=int, default=1024, help="stills in an update of the students")
    parse.add_argument("--clips", type=int, default=96, help="clips in an update of the last stage")
    parse.add_argument("--mux-share", type=float, default=0.2, help="photographs of mux-train in a batch of the students")
    parse.add_argument("--mux-balance", type=float, default=0.8, help="1: every class of them equally often")
    parse.add_argument("--teacher-updates", default="8000", help="a number, or seconds as 300s; 0: no teachers")
    parse.add_argument("--still-updates", default="10000")
    parse.add_argument("--both-updates", default="6000", help="stills and clips in turn")
    parse.add_argument("--start", type=pathlib.Path, help="folder with NAME/checkpoint.safetensors to start from, as models/zoo")
    parse.add_argument("--ablation-updates", default="0", help="all six strategies of `tiny` on the same pictures, without teachers")
    parse.add_argument("--students", nargs="*", default=["edge", "tiny"])
    parse.add_argument("--test-every", type=float, default=90, help="seconds between scores")
    args = parse.parse_args()
    work = Work(args)
    sides = lambda name, strategy="cascaded-vit": preset(name, args.size, CLASSES, strategy)
    teachers = work.teach() if args.teacher_updates != "0" else []
    work.rendered()
    start = lambda name: work.weights(args.start / name / "checkpoint.safetensors") if args.start else None
    runs = {name: work.student(sides(name), 1.5e-3 if args.start else 2e-3, 0.9995, weights=start(name)) for name in args.students}
    work.say(parameters={name: parameters(run.network) for name, run in runs.items()})
    work.study(runs, teachers, [(1, args.batch)], args.still_updates, "stills", strength=0.9)
    work.rendered()
    runs = {name: work.student(sides(name), 5e-4, 0.999, 100, run.average.state_dict()) for name, run in runs.items()}
    work.study(runs, teachers, [(1, args.batch), (16, args.clips)], args.both_updates, "both", strength=0.6)
    if args.ablation_updates != "0":
        runs = {s: work.student(sides("tiny", s), 2e-3, 0.999) for s in STRATEGIES}
        work.study(runs, [], [(1, args.batch // 2)], args.ablation_updates, "ablation")

if __name__ == "__main__":
    main()
