"""The same networks in plain PyTorch: one class after another, tiled rows, autograd over all.

It runs in a process of its own, since PyTorch and TensorFlow do not always bear each other in one: `TorchProcess`
starts it, and it does the case that it is sent, once, for every line that it reads.
"""

import math
import subprocess
import sys
import tempfile
from pathlib import Path

import numpy as np

from deepbayes.models.deep_bayes.architecture import Architecture
from deepbayes.models.deep_bayes.factorisation import FACTORISATIONS


class TorchProcess:
    """PyTorch at work on one classifier: `work(case)` does a case once and returns. A context manager.

    Args:
      python: an interpreter that has PyTorch and numpy.
    """

    def __init__(self, python: str, classifier, x, y, noise):
        self.python = Path(python).absolute() if "/" in python else python
        self.arrays = {f"weights/{n}": v.numpy() for n, v in classifier.named_weights().items()}
        self.arrays |= {"x": np.asarray(x), "y": np.asarray(y), "noise": np.asarray(noise)}
        sizes = {f"sizes/{n}": np.array(v) for n, v in vars(classifier.architecture).items()}
        self.arrays |= sizes | {"name": np.array(classifier.factorisation.name)}

    def __enter__(self):
        self.folder = tempfile.TemporaryDirectory()
        file = Path(self.folder.name) / "classifier.npz"
        np.savez(file, **self.arrays)
        command = [str(self.python), "-m", "deepbayes.benchmarks.plain_torch", str(file)]
        root = Path(__file__).parents[1]
        self.process = subprocess.Popen(command, cwd=root, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        return self

    def __exit__(self, *exception):
        self.process.stdin.close()
        self.process.wait()
        self.folder.cleanup()

    def work(self, case: str) -> None:
        self.process.stdin.write(case + "\n")
        self.process.stdin.flush()
        if self.process.stdout.readline().strip() != "done":
            raise RuntimeError(f"PyTorch ended at {case!r}; see above")


class TorchClassifier:
    """As PlainClassifier, on torch tensors (N, ch, H, W)."""

    def __init__(self, arrays: dict[str, np.ndarray]):
        def size(name):
            value = arrays[f"sizes/{name}"]
            return tuple(value.tolist()) if value.ndim else int(value)

        self.factorisation = FACTORISATIONS[str(arrays["name"])]
        names = ("input_shape", "num_classes", "dim_z", "dim_hidden", "channels")
        self.sizes = Architecture(**{n: size(n) for n in names})
        self.log_prior_y = -math.log(self.sizes.num_classes)
        self.weights = {}
        for name in (n for n in arrays if n.startswith("weights/")):
            value = torch.tensor(arrays[name])
            if value.ndim == 4:  # convolutions (h, w, in, out) and transposed ones (h, w, out, in) alike
                value = value.permute(3, 2, 0, 1).contiguous()
            self.weights[name.removeprefix("weights/")] = value.requires_grad_()

    def tower(self, name, x):
        if f"{name}_tower/dense/kernel" not in self.weights:
            return None
        for k, (height, width) in enumerate(self.sizes.image_sizes()[1:]):
            rows, columns = 2 * (height - 1) + 5 - x.shape[2], 2 * (width - 1) + 5 - x.shape[3]  # as SAME pads
            top, left = rows // 2, columns // 2
            x = functional.pad(x, (left, columns - left, top, rows - top))
            kernel, bias = (self.weights[f"{name}_tower/conv_{k}/{w}"] for w in ("kernel", "bias"))
            x = functional.relu(functional.conv2d(x, kernel, bias, stride=2))
        kernel, bias = (self.weights[f"{name}_tower/dense/{w}"] for w in ("kernel", "bias"))
        return functional.relu(x.permute(0, 2, 3, 1).flatten(1) @ kernel + bias)

    def mlp(self, name, parts, last=lambda v: v):
        hidden, k = torch.cat(parts, 1), 0
        while f"{name}/dense_{k}/kernel" in self.weights:
            hidden = hidden @ self.weights[f"{name}/dense_{k}/kernel"] + self.weights[f"{name}/dense_{k}/bias"]
            k += 1
            hidden = functional.relu(hidden) if f"{name}/dense_{k}/kernel" in self.weights else last(hidden)
        return hidden

    def decode(self, parts):
        smallest, *larger = self.sizes.image_sizes()[::-1]
        image = self.mlp("p_x", parts, functional.relu).unflatten(1, (*smallest, self.sizes.channels[-1]))
        image = image.permute(0, 3, 1, 2)
        for k, (height, width) in enumerate(larger):
            wide = functional.conv_transpose2d(image, self.weights[f"p_x/upsample_{k}/kernel"], stride=2)
            top, left = 1 + height % 2, 1 + width % 2  # where TensorFlow's SAME begins
            image = wide[:, :, top : top + height, left : left + width]
            image = torch.sigmoid(image) if k == len(larger) - 1 else functional.relu(image)
        return image

    def log_weights(self, x, features, y, noise):
        """(K, N) nats for one-hot y (N, C) and noise (K, N, Z)."""
        f, (k, n, dim_z) = self.factorisation, noise.shape
        mean, log_stddev = self.mlp("q", [features["q"], y]).chunk(2, 1)
        rows = {"y": y.repeat(k, 1)}
        mean, log_stddev = mean.repeat(k, 1), log_stddev.repeat(k, 1)
        rows["z"] = mean + log_stddev.exp() * noise.reshape(k * n, dim_z)
        log_q = log_normal(rows["z"], mean, log_stddev)
        log_y, log_x = self.log_prior_y, 0.0
        if f.y:
            parents = [features["p_y"].repeat(k, 1) if p == "x" else rows[p] for p in f.y]
            log_y = (functional.log_softmax(self.mlp("p_y", parents), 1) * rows["y"]).sum(1)
        if f.z:
            parents = [features["p_z"].repeat(k, 1) if p == "x" else rows[p] for p in f.z]
            log_z = log_normal(rows["z"], *self.mlp("p_z", parents).chunk(2, 1))
        else:
            log_z = log_normal(rows["z"], torch.zeros(()), torch.zeros(()))
        if f.x:
            log_x = -((x.repeat(k, 1, 1, 1) - self.decode([rows[p] for p in f.x])) ** 2).sum((1, 2, 3))
        return (log_x + log_y + log_z - log_q).reshape(k, n)

    def towers(self, x):
        return {name: self.tower(name, x) for name in ("q", "p_z", "p_y")}

    def logits(self, x, noise):
        """(N, C) nats, noise (K, C, N, Z)."""
        features, (samples, classes) = self.towers(x), noise.shape[:2]
        columns = []
        for c in range(classes):
            y = functional.one_hot(torch.full((len(x),), c), classes).float()
            weights = self.log_weights(x, features, y, noise[:, c])
            columns.append(torch.logsumexp(weights, 0) - math.log(samples))
        return torch.stack(columns, 1)

    def gradient(self, x, y, noise):
        """Of the log-odds against labels y, in x."""
        x = x.clone().requires_grad_()
        logits = self.logits(x, noise)
        others = logits.masked_fill(functional.one_hot(y, logits.shape[1]).bool(), -math.inf)
        loss = torch.logsumexp(others, 1) - logits.gather(1, y[:, None])[:, 0]
        return torch.autograd.grad(loss.sum(), x)[0]

    def step(self, optimizer, x, y, noise):
        """One step of training on the bound with one sample an image."""
        optimizer.zero_grad()
        (-self.log_weights(x, self.towers(x), y, noise).mean()).backward()
        optimizer.step()


def log_normal(z, mean, log_stddev):
    """(N,) log density of rows z."""
    return (-0.5 * math.log(2 * math.pi) - log_stddev - 0.5 * ((z - mean) / log_stddev.exp()) ** 2).sum(1)


def serve(file: str) -> None:
    """Does the case named by every line of standard input, and says so."""
    with np.load(file) as stored:
        arrays = dict(stored)
    classifier = TorchClassifier(arrays)
    x = torch.tensor(arrays["x"]).permute(0, 3, 1, 2).contiguous()
    y, noise = torch.tensor(arrays["y"]).long(), torch.tensor(arrays["noise"])
    one_hot = functional.one_hot(y, classifier.sizes.num_classes).float()
    optimizer = torch.optim.Adam(classifier.weights.values(), lr=1e-7, eps=1e-8)
    for line in sys.stdin:
        case = line.strip()
        if case == "logits":
            with torch.no_grad():
                classifier.logits(x, noise)
        elif case == "gradient":
            classifier.gradient(x, y, noise)
        elif case == "training step":
            classifier.step(optimizer, x, one_hot, noise[:1, 0])
        else:
            raise ValueError(f"no case {case!r}")
        print("done", flush=True)


if __name__ == "__main__":
    import torch
    from torch.nn import functional

    serve(sys.argv[1])
