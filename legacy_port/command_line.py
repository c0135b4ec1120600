"""The 2019 command lines, with 2019's flags, defaults, file names and places: `./run_experiments.sh legacy COMMAND ...`
or, where it is installed, `deepbayes legacy COMMAND ...`.

    vae_mnist A                                       trains GFZ on MNIST      (at the root)
    vae_cifar_binary A                                trains GFZ on CIFAR-binary
    attack --data mnist --attack fgsm --eps 0.1 --victim bayes_K10_A --save    (in test_attacks/, as the next three)
    attack_superwhite --data mnist --eps 0.2 --lbd 0.1 --snapshot --victim bayes_K10_A --save
    detect_attacks_logp --data mnist --attack fgsm_eps0.10 --victim bayes_K10_A_cnn --guard bayes_K10_A --save
    extract_index bayes_K10_A plane_frog

Files are read and written below the working directory; a checkpoint is looked for in its parent, too. Each command runs
under protocol 2019-code and prints the modern command that it stands for. --num-images, --train-images, --c,
--statistic, --calibration-images, --epochs, --data-dir and --seed are ours, for those who want less than the whole.
"""

import argparse
import importlib
import sys
from collections.abc import Callable
from pathlib import Path

from deepbayes import PROGRAM
from deepbayes.experiments.command_line.argument_parser import CommandParser
from deepbayes.experiments.command_line.main import run_safely
from deepbayes.experiments.command_line.parser import default_data_dir
from deepbayes.experiments.command_line.types import calibration_count, count, not_negative, positive, seed
from deepbayes.legacy_port.letters import LETTERS

DATASETS_2019 = ("mnist", "plane_frog", "cifar10")
ATTACKS_2019 = ("fgsm", "pgd", "mim", "cw")
LATER = {
    "vae_cifar_fea": "the classifiers on VGG16 features are not ported yet",
}


def parser() -> argparse.ArgumentParser:
    main_parser = CommandParser(
        prog=f"{PROGRAM} legacy", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    commands = main_parser.add_subparsers(dest="command", required=True, metavar="COMMAND")
    for name, data in (("vae_mnist", "MNIST"), ("vae_cifar_binary", "CIFAR-binary")):
        _training(commands, name, data)
    attack = _command(commands, "attack", "attacks one classifier; --save writes 2019's attack file")
    attack("--attack", "-A", default="pgd", choices=ATTACKS_2019, help="default pgd")
    attack("--c", type=not_negative, default=1.0, metavar="C", help="of cw; in 2019 in attack_config.py (default 1)")
    superwhite = _command(commands, "attack_superwhite", "WB+S, which evades a detector; --save writes its attack file")
    superwhite("--attack", "-A", default="superwhite", choices=("superwhite",), help="there is no other, as in 2019")
    superwhite("--lbd", "-l", type=not_negative, default=0.1, metavar="L",
               help="weight of the detector's term (default 0.1)")  # fmt: skip
    superwhite("--snapshot", "-R", action="store_true", help="attack the logits of each sample (WB+S)")
    superwhite("--statistic", default="logit", choices=("none", "marginal", "logit", "kl"),
               help="of the detector to evade (default logit)")  # fmt: skip
    for add in (attack, superwhite):
        _data_and_batch(add, "plane_frog")
        add("--eps", "-e", type=not_negative, default=0.1, metavar="E", help="Linf budget, pixel scale (default 0.1)")
        add("--victim", "-V", default="bnn_K10", help="classifier to attack, such as bayes_K10_A (default bnn_K10)")
        add("--num-images", type=count, metavar="N", help="test images at even distances, or all (default all)")
        _ours(add)
    detect = _command(commands, "detect_attacks_logp", "what a guard detects of an attack file")
    _data_and_batch(detect, "mnist")
    detect("--attack", "-A", default="fgsm_eps0.10", help="as the attack file is called (default fgsm_eps0.10)")
    detect("--victim", "-V", default="bayes_K10_A_cnn", help="folder of the attack file (default bayes_K10_A_cnn)")
    detect("--guard", "-G", default="bayes_K10_A", help="classifier whose detectors are used (default bayes_K10_A)")
    detect("--conv", "-C", action="store_true", help="accepted and not needed: every guard on images is convolutional")
    text = "training images for thresholds, or all (default: all where their logits ship, else 10,000)"
    detect("--calibration-images", type=calibration_count, default="auto", metavar="N", help=text)
    _ours(detect)
    index = _command(commands, "extract_index", "writes the positions of the test images that a classifier gets right")
    index("victim", help="the classifier, such as bayes_K10_A")
    index("data", choices=DATASETS_2019, help="data set")
    _batch(index)
    _ours(index)
    for name, text in LATER.items():
        commands.add_parser(name, help=text)
    return main_parser


def _command(commands, name: str, text: str) -> Callable:
    """A new command's `add_argument`."""
    return commands.add_parser(name, help=text, description=f"{text[0].upper()}{text[1:]}.").add_argument


def _training(commands, name: str, data: str) -> None:
    add = _command(commands, name, f"trains a classifier on {data}; a checkpoint of 2019's format is written")
    letters = ", ".join(f"{letter} {of}" for letter, of in LETTERS.items())
    add("letter", choices=[*LETTERS], metavar="LETTER", help=f"which classifier: {letters}")
    add("--epochs", type=positive, metavar="N", help="default: the paper's number")
    add("--train-images", type=count, metavar="N", help="train on part of the data (default all)")
    _ours(add)


def _data_and_batch(add: Callable, data: str) -> None:
    add("--data", "-D", default=data, choices=DATASETS_2019, help=f"data set (default {data})")
    _batch(add)
    text = "towards a random wrong label instead of away from the true one"
    add("--targeted", "-T", action="store_true", help=text)
    add("--save", "-S", action="store_true", help="write 2019's file, below the working directory")


def _batch(add: Callable) -> None:
    add("--batch_size", "-B", type=positive, default=100, metavar="N", help="images at once (default 100)")


def _ours(add: Callable) -> None:
    """Options that 2019 did not have."""
    add("--data-dir", type=Path, default=default_data_dir(), metavar="DIR",
        help="folder of data sets (default: $DEEPBAYES_DATA)")  # fmt: skip
    add("--seed", type=seed, default=0, metavar="S", help="seed of everything random (default 0)")


def main(arguments: list[str] | None = None) -> int:
    arguments = sys.argv[1:] if arguments is None else arguments
    if arguments and arguments[0] in LATER:
        print(f"error: {arguments[0]}: {LATER[arguments[0]]}", file=sys.stderr)
        return 2
    options = parser().parse_args(arguments)
    trained = {"vae_mnist": "mnist", "vae_cifar_binary": "plane_frog"}
    if options.data_dir is None and (trained.get(options.command) or options.data) == "plane_frog":
        places = (Path("cifar_data"), Path("../cifar_data"))  # 2019's
        options.data_dir = next((place for place in places if place.is_dir()), None)
    module = "training" if options.command.startswith("vae_") else "attacks"
    return run_safely(
        lambda: getattr(importlib.import_module(f"deepbayes.legacy_port.{module}"), options.command)(options)
    )
