"""Peak memory of an attack on 100 images, each in a process of its own: `python -m benchmarks.memory GFZ ours`."""

import json
import resource
import subprocess
import sys
from pathlib import Path

IMAGES = 100


def peak_memory(name: str, contender: str) -> dict:
    """MiB of the process after loading everything, and at most during PGD of two steps: {"loaded", "peak"}."""
    command = [sys.executable, "-m", "benchmarks.memory", name, contender]
    root = Path(__file__).parents[1]
    finished = subprocess.run(command, cwd=root, capture_output=True, text=True, check=True)
    return json.loads(finished.stdout.splitlines()[-1])


def _measure(name: str, contender: str) -> dict:
    from types import SimpleNamespace

    import numpy as np

    from attacks import pgd
    from attacks.registry import ATTACKS
    from attacks.target import Target
    from benchmarks.plain import PlainClassifier
    from experiments.batches import run
    from experiments.victims import DROP
    from models.zoo import load_classifier

    classifier = load_classifier("mnist", name)
    plain, options = PlainClassifier(classifier), ATTACKS["pgd"].defaults("corrected") | {"steps": 2}

    def logits(x, index, seed):
        noise = classifier.draw(seed, index)
        return classifier.logits(x, noise, DROP) if contender == "ours" else plain.logits(x, noise)

    craft = pgd.build(Target(logits, 10), SimpleNamespace(**options))
    x = np.random.default_rng(0).uniform(size=(IMAGES, 28, 28, 1)).astype(np.float32)
    y, index = np.arange(IMAGES, dtype=np.int32) % 10, np.arange(IMAGES, dtype=np.int32)
    loaded = _peak()
    run(lambda *batch: craft(*batch, 0.1, 0), (x, y, index), 20 if contender == "ours" else IMAGES)
    return {"loaded": loaded, "peak": _peak()}


def _peak() -> float:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


if __name__ == "__main__":
    print(json.dumps(_measure(*sys.argv[1:])))
