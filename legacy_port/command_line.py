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
from pathlib import Path

from deepbayes import PROGRAM
from deepbayes.experiments.command_line.main import run_safely
from deepbayes.experiments.command_line.parser import default_data_dir
from deepbayes.experiments.command_line.types import calibration_count, count, not_negative, positive

DATASETS_2019 = ("mnist", "plane_frog", "cifar10")
ATTACKS_2019 = ("fgsm", "pgd", "mim", "cw")
LATER = {
    "vae_cifar_fea": "the classifiers on VGG16 features are not ported yet",
}


def parser() -> argparse.ArgumentParser:
    main_parser = argparse.ArgumentParser(
        prog=f"{PROGRAM} legacy", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    commands = main_parser.add_subparsers(dest="command", required=True, metavar="COMMAND")
    for name in ("vae_mnist", "vae_cifar_binary"):
        command = commands.add_parser(name)
        command.add_argument("letter", choices="ABCDEFG")
        command.add_argument("--epochs", type=positive)
        command.add_argument("--train-images", type=count)
        _ours(command)
    attack = commands.add_parser("attack")
    attack.add_argument("--attack", "-A", default="pgd", choices=ATTACKS_2019)
    attack.add_argument("--c", type=not_negative, default=1.0, help="of cw; 2019 had it in attack_config.py")
    superwhite = commands.add_parser("attack_superwhite")
    superwhite.add_argument("--attack", "-A", default="superwhite", choices=("superwhite",))
    superwhite.add_argument("--lbd", "-l", type=not_negative, default=0.1)
    superwhite.add_argument("--snapshot", "-R", action="store_true", help="attack the per-sample logits (WB+S)")
    superwhite.add_argument("--statistic", default="logit", choices=("none", "marginal", "logit", "kl"))
    for command in (attack, superwhite):
        _data_and_batch(command, "plane_frog")
        command.add_argument("--eps", "-e", type=not_negative, default=0.1)
        command.add_argument("--victim", "-V", default="bnn_K10")
        command.add_argument("--num-images", type=count, metavar="N")
        _ours(command)
    detect = commands.add_parser("detect_attacks_logp")
    _data_and_batch(detect, "mnist")
    detect.add_argument("--attack", "-A", default="fgsm_eps0.10")
    detect.add_argument("--victim", "-V", default="bayes_K10_A_cnn")
    detect.add_argument("--guard", "-G", default="bayes_K10_A")
    detect.add_argument("--conv", "-C", action="store_true", help="accepted: every guard on images is convolutional")
    detect.add_argument("--calibration-images", type=calibration_count, default="auto", metavar="N")
    _ours(detect)
    index = commands.add_parser("extract_index")
    index.add_argument("victim")
    index.add_argument("data", choices=DATASETS_2019)
    index.add_argument("--batch_size", "-B", type=positive, default=100)
    _ours(index)
    for name, text in LATER.items():
        commands.add_parser(name, help=text)
    return main_parser


def _data_and_batch(command, data: str) -> None:
    command.add_argument("--data", "-D", default=data, choices=DATASETS_2019)
    command.add_argument("--batch_size", "-B", type=positive, default=100)
    command.add_argument("--targeted", "-T", action="store_true")
    command.add_argument("--save", "-S", action="store_true")


def _ours(command) -> None:
    command.add_argument("--data-dir", type=Path, default=default_data_dir(), metavar="DIR")
    command.add_argument("--seed", type=int, default=0, metavar="S")


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
