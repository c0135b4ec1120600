"""vae_mnist and vae_cifar_binary: training as in 2019, into a 2019 checkpoint."""

from pathlib import Path

from deepbayes.experiments.command_line import main
from deepbayes.experiments.measurements.progress import say
from deepbayes.experiments.runs import train
from deepbayes.legacy_port.checkpoints import LETTERS, to_2019
from deepbayes.legacy_port.files import checkpoint_path, write_pickle
from deepbayes.models import zoo
from deepbayes.models.files import read_arrays


def vae_mnist(options) -> int:
    """100 epochs of MNIST's 60,000 images at learning rate 1e-4."""
    return _train(options, "mnist", 100, "1e-4")


def vae_cifar_binary(options) -> int:
    """200 epochs at learning rate 5e-5."""
    return _train(options, "plane_frog", 200, "5e-5")


def _train(options, dataset: str, epochs: int, learning_rate: str) -> int:
    name = LETTERS[options.letter]
    classifier = zoo.new_classifier(dataset, name, options.seed)
    file = checkpoint_path(Path.cwd(), dataset, options.letter, classifier.architecture.dim_z)
    command = ["train", "--dataset", dataset, "--classifiers", name, "--epochs", str(options.epochs or epochs)]
    command += ["--learning-rate", learning_rate, "--protocol", "2019-code", "--output", str(file.parent)]
    if options.train_images:
        command += ["--train-images", str(options.train_images), "--test-images", "100"]
    command += ["--data-dir", str(options.data_dir)] if options.data_dir else []
    command += ["--seed", str(options.seed)] if options.seed else []
    say("this is: ./run_experiments.sh " + " ".join(command))
    code = train.run(main.parser().parse_args(command))
    if code == 0:
        stem = zoo.file_stem(dataset, name)
        state = read_arrays(file.parent / "training" / dataset / stem / "checkpoint.npz")
        for variable_name, variable in classifier.named_weights().items():
            variable.assign(state[f"weights/{variable_name}"])
        write_pickle(file, to_2019(classifier))
        say(f"checkpoint: {file}")
    return code
