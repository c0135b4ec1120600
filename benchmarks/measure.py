"""What a benchmark does: ours beside a plain port, both timed in turns in one run, then memory and growth."""

import argparse
import dataclasses
import platform
from contextlib import nullcontext
from pathlib import Path

import keras
import numpy as np

from deepbayes.benchmarks import report
from deepbayes.benchmarks.cases import GRADIENT, LOGITS, Bench
from deepbayes.benchmarks.memory import IMAGES, peak_memory
from deepbayes.benchmarks.plain_torch import TorchProcess
from deepbayes.benchmarks.timing import interleave
from deepbayes.data import mnist5k
from deepbayes.experiments.measurements.device import device, memory_bytes
from deepbayes.experiments.measurements.progress import bar, say
from deepbayes.experiments.store.results import check_writable, versions
from deepbayes.models.deep_bayes.architecture import ARCHITECTURES, Architecture
from deepbayes.models.deep_bayes.factorisation import FACTORISATIONS
from deepbayes.models.deep_bayes.model import DeepBayes
from deepbayes.models.zoo import load_classifier

BATCH, TRAINING_BATCH = 20, 50
MEMORY_BATCHES = (20, IMAGES)
CIFAR = ("GFZ", "DFX")
GROWTH = {"images": (5, 10, 20, 50, 100), "K": (1, 2, 5, 10, 20), "C": (2, 5, 10)}


def measure(options: argparse.Namespace) -> int:
    """Times everything asked for and writes the report after every part; returns the exit code."""
    check_writable(options.output)
    names = options.classifiers
    result = {"machine": machine(), "versions": versions(), "rounds": options.rounds, "batch": BATCH}
    result |= {"mnist": {}, "plane_frog": {}, "memory": {}, "growth": {}}
    say(f"images: {BATCH} a batch, mnist5k/test; on {result['machine']['device']}; {options.rounds} rounds")
    with bar(8 * len(names) + (0 if options.quick else 6 + 4 * len(names) + len(GROWTH) * 4)) as progress:
        for name in names:
            progress.describe(name)
            result["mnist"][name] = time_classifier(load_classifier("mnist", name).model, options, progress)
            say(
                f"{name}: " + ", ".join(f"{c} {t['speedup']['ours'][0]:.2f}x" for c, t in result["mnist"][name].items())
            )
        if not options.quick:
            for name in CIFAR:
                progress.describe(f"{name} at CIFAR's size")
                times = time_classifier(
                    untrained(ARCHITECTURES["plane_frog"], name), options, progress, (LOGITS, GRADIENT)
                )
                result["plane_frog"][name] = times
            report.write(result, options.output)
            progress.describe("growth")
            result["growth"] = growth(options, progress)
            report.write(result, options.output)
            for name in names:
                progress.describe(f"{name}: memory")
                result["memory"][name] = {
                    who: {batch: peak_memory(name, who, batch) for batch in MEMORY_BATCHES} for who in ("ours", "plain")
                }
                progress.advance(4)
    for file in report.write(result, options.output):
        say(str(file))
    return 0


def images_of(shape, classes: int, n: int):
    """Digits where they fit, else noise."""
    digits = mnist5k.load("test", None).spread(n)
    if digits.x.shape[1:] == tuple(shape):
        return digits.x, digits.y.astype(np.int32) % classes
    generator = np.random.default_rng(0)
    return generator.uniform(size=(n, *shape)).astype(np.float32), np.arange(n, dtype=np.int32) % classes


def untrained(architecture: Architecture, name: str) -> DeepBayes:
    """A classifier with random weights: what an image costs depends on trained ones in the attack gradient only."""
    keras.utils.set_random_seed(0)
    return DeepBayes(FACTORISATIONS[name], architecture)


def time_classifier(classifier, options, progress, only: tuple[str, ...] | None = None) -> dict:
    """Every case of one classifier, or those named by `only`; and training."""
    sizes, times = classifier.architecture, {}

    def torch(x, y, samples):
        noise = classifier.draw(0, np.arange(len(y)), samples)
        return TorchProcess(options.torch, classifier, x, y, noise) if options.torch else nullcontext()

    x, y = images_of(sizes.input_shape, sizes.num_classes, BATCH)
    with torch(x, y, classifier.samples) as process:
        for case in Bench(classifier, x, y, process).cases():
            if only is None or case.name in only:
                times[case.name] = interleave(case, options.rounds)
                progress.advance(1)
    x, y = images_of(sizes.input_shape, sizes.num_classes, TRAINING_BATCH)
    with torch(x, y, 1) as process:
        case = Bench(classifier, x, y, process).training()
        times[case.name] = interleave(case, options.rounds)
    progress.advance(1)
    return times


def growth(options, progress) -> dict:
    """GFZ's logits and gradient as images, K and C grow: {axis: {size: {case: result}}}."""
    found = {axis: {} for axis in GROWTH}
    for axis, sizes in GROWTH.items():
        for size in sizes:
            if axis == "C":
                classifier = untrained(dataclasses.replace(ARCHITECTURES["mnist"], num_classes=size), "GFZ")
            else:
                classifier = load_classifier("mnist", "GFZ").model
            classifier.samples = size if axis == "K" else classifier.samples
            n = size if axis == "images" else BATCH
            x, y = images_of(classifier.architecture.input_shape, classifier.architecture.num_classes, n)
            for case in Bench(classifier, x, y).cases():
                if case.name in (LOGITS, GRADIENT):
                    found[axis].setdefault(size, {})[case.name] = interleave(case, options.rounds)
        progress.advance(4)
    return found


def machine() -> dict:
    """What was measured on."""
    lines = Path("/proc/cpuinfo").read_text().splitlines() if Path("/proc/cpuinfo").exists() else []
    model = next(
        (line.split(":", 1)[1].strip() for line in lines if line.startswith("model name")), platform.processor()
    )
    memory = memory_bytes() / 2**30
    return {"processor": model, "device": device(), "memory_gib": memory, "system": platform.platform()}
