"""vae_mnist and vae_cifar_binary: training as in 2019, into a 2019 checkpoint."""

import shlex
from pathlib import Path

from deepbayes import PROGRAM
from deepbayes.experiments.command_line.write_command import arguments
from deepbayes.experiments.measurements.progress import say
from deepbayes.experiments.runs import train
from deepbayes.experiments.settings.run_settings import RunSettings, TrainingSettings
from deepbayes.legacy_port.checkpoints import to_2019
from deepbayes.legacy_port.files import checkpoint_path, write_pickle
from deepbayes.legacy_port.letters import LETTERS
from deepbayes.models import zoo
from deepbayes.models.files import read_arrays


def vae_mnist(options) -> int:
    """100 epochs of MNIST's 60,000 images at learning rate 1e-4."""
    return _train(options, "mnist")


def vae_cifar_binary(options) -> int:
    """200 epochs at learning rate 5e-5."""
    return _train(options, "plane_frog")


def _train(options, dataset: str) -> int:
    name = LETTERS[options.letter]
    classifier = zoo.new_classifier(dataset, name, options.seed)
    file = checkpoint_path(Path.cwd(), dataset, options.letter, classifier.model.architecture.dim_z)
    training = TrainingSettings(
        {"epochs": options.epochs} if options.epochs else {},
        images=options.train_images, test_images=100 if options.train_images else None,
    )  # fmt: skip
    settings = RunSettings(
        output=file.parent, dataset=dataset, data_dir=options.data_dir, classifiers=(name,), seed=options.seed,
        protocol="2019-code", training=training,
    )  # fmt: skip
    say(f"this is: {PROGRAM} " + shlex.join(arguments("train", settings)))
    code = train.run(settings)
    if code == 0:
        state = read_arrays(file.parent / "training" / dataset / zoo.file_stem(dataset, name) / "checkpoint.npz")
        for variable_name, variable in classifier.named_weights().items():
            variable.assign(state[f"weights/{variable_name}"])
        write_pickle(file, to_2019(classifier.model))
        say(f"checkpoint: {file}")
    return code
