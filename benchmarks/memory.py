"""Peak memory of an attack on 100 images, each in a process of its own.

python -m deepbayes.benchmarks.memory GFZ ours 20
"""

import json
import resource
import subprocess
import sys
from pathlib import Path

from deepbayes.experiments.settings.errors import UsageError

IMAGES = 100


def peak_memory(name: str, contender: str, batch: int) -> float:
    """MiB of the process, at most, during PGD of two steps with `batch` of the images at once."""
    command = [sys.executable, "-m", "deepbayes.benchmarks.memory", name, contender, str(batch)]
    root = Path(__file__).parents[1]
    finished = subprocess.run(command, cwd=root, capture_output=True, text=True)
    if finished.returncode:
        said = finished.stderr.strip().splitlines()[-1:] or ["it said nothing"]
        raise UsageError(f"{' '.join(command)} ended with exit code {finished.returncode}: {said[0]}")
    return json.loads(finished.stdout.splitlines()[-1])


def _measure(name: str, contender: str, batch: str) -> float:
    from types import SimpleNamespace

    import numpy as np

    from deepbayes.attacks.registry import ATTACKS
    from deepbayes.attacks.target import Target
    from deepbayes.attacks.white_box import pgd
    from deepbayes.benchmarks.plain import PlainClassifier
    from deepbayes.experiments.measurements.batches import run
    from deepbayes.models.deep_bayes.classifier import DROP
    from deepbayes.models.zoo import load_classifier

    classifier = load_classifier("mnist", name).model
    plain, options = PlainClassifier(classifier), ATTACKS["pgd"].defaults("corrected") | {"steps": 2}

    def logits(x, index, seed):
        noise = classifier.draw(seed, index)
        return classifier.logits(x, noise, DROP) if contender == "ours" else plain.logits(x, noise)

    craft = pgd.build(Target(logits, 10), SimpleNamespace(**options))
    x = np.random.default_rng(0).uniform(size=(IMAGES, 28, 28, 1)).astype(np.float32)
    y, index = np.arange(IMAGES, dtype=np.int32) % 10, np.arange(IMAGES, dtype=np.int32)
    run(lambda *arrays: craft(*arrays, 0.1, 0), (x, y, index), int(batch))
    return _peak()


def _peak() -> float:
    """High-water mark of this process; getrusage's would begin at that of whoever started it."""
    status = Path("/proc/self/status")
    if not status.exists():
        return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20  # bytes on macOS
    return int(next(line for line in status.read_text().splitlines() if line.startswith("VmHWM")).split()[1]) / 1024


if __name__ == "__main__":
    print(json.dumps(_measure(*sys.argv[1:])))
