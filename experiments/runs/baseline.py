"""`baseline`: a plain CNN trained on labels, to be attacked beside the seven with --victim-model.

Kept in <output>/training/<data set>/CNN-<hash of its settings>.keras and made once; the card beside it holds its
accuracy.
"""

import argparse

import numpy as np
from deepbayes.data.registry import DATASETS
from deepbayes.experiments.measurements.batches import run as run_batches
from deepbayes.experiments.measurements.context import check_writable, chosen_dataset
from deepbayes.experiments.measurements.intervals import percent, rate
from deepbayes.experiments.measurements.nets import made_once
from deepbayes.experiments.measurements.progress import say
from deepbayes.experiments.store.results import settings_hash
from deepbayes.models.baselines.cnn import fit


def run(options: argparse.Namespace) -> int:
    check_writable(options.output)
    name = chosen_dataset(options)
    information = DATASETS[name]
    taught, test = (information.load(part, options.data_dir) for part in ("train", "test"))
    settings = {
        "net": "cnn", "dataset": name, "data_sha256": taught.sha256, "epochs": options.epochs, "seed": options.seed,
    }  # fmt: skip

    def make(net, progress):
        fit(net, taught.x, np.eye(information.classes)[taught.y], options.epochs, seed=options.seed,
            after_epoch=lambda: progress.advance(1))  # fmt: skip
        predictions = run_batches(lambda x: net(x, training=False), (test.x,), 500).argmax(axis=1)
        return {"accuracy": rate(np.sum(predictions == test.y), len(test)), "test": f"{name}/test"}

    file = options.output / "training" / name / f"CNN-{settings_hash(settings)}.keras"
    _, card = made_once(
        file, settings, make, work=options.epochs, text=f"a CNN of {name}",
        shape=information.shape, classes=information.classes, fresh=options.fresh,
    )  # fmt: skip
    accuracy = card["accuracy"]
    low, high = (f"{100 * accuracy[end]:.2f}" for end in ("low", "high"))
    say(f"{percent(accuracy)} % of {accuracy['n']} test images right (95 %: {low} to {high}), {len(taught)} taught")
    say(f"attack it:  ./run_experiments.sh pgd --dataset {name} --victim-model {file}")
    return 0
