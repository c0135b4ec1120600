"""Commands and options; choices, defaults and help come from the registries.

No array library is imported, so that help is immediate.
"""

import argparse
import os
from pathlib import Path

from deepbayes.attacks.registry import ATTACKS, GRADIENT, Attack, Option
from deepbayes.data.registry import DATASETS
from deepbayes.experiments.settings.attack_plan import PREFIX, flag
from deepbayes.experiments.settings.protocol import PROTOCOLS
from deepbayes.models.deep_bayes.factorisation import FACTORISATIONS, SEVEN_NAMES

ROOT = Path(__file__).resolve().parents[2]

EXAMPLES = """examples:
  ./run_experiments.sh fgsm                                    all seven classifiers, five eps, beside the paper's
  ./run_experiments.sh pgd --classifiers GBZ DFX --eps 0.1 0.3 --num-images all
  ./run_experiments.sh cw --classifiers DBX --c 10 --protocol paper --save
  ./run_experiments.sh fgsm --victim-model my_cnn.keras        any Keras model that gives logits
  ./run_experiments.sh greybox --attack mim                    through a student of the victim's probabilities
  ./run_experiments.sh checks --classifiers GBZ                is what pgd says of GBZ to be believed?
  ./run_experiments.sh detect --attack fgsm                    what the detectors notice of it, beside the paper's
  ./run_experiments.sh train --classifiers GBZ --epochs 100    goes on by itself after an interruption
  ./run_experiments.sh report                                  tables and figures from the results that exist
  ./run_experiments.sh table F.1                               the paper's Table F.1 beside ours, from what was run
  ./run_experiments.sh regression                              every result against the paper's
  ./run_experiments.sh parity tests/golden/*.npz               every number against the 2019 code's
  ./run_experiments.sh test                                    installs the test tools, runs the suite
"""

_BESIDE = " beside the paper's"
COMMANDS = {
    "train": "train classifiers; resumes where an earlier run stopped",
    "baseline": "train a plain CNN, to be attacked with --victim-model",
    "evaluate": "clean accuracy and bound of trained classifiers",
    **{a.name: f"{a.title}: accuracy under attack{_BESIDE if a.in_the_paper else ''}" for a in ATTACKS.values()},
    "detect": "how many successful attacks each detector notices, beside the paper's",
    "greybox": "attacks on a student of the victim's probabilities, moved to the victim",
    "blackbox": "attacks on a substitute grown by queries, moved to the victim",
    "transfer": "every classifier's adversarial images on every other, as a heat map",
    "checks": "is the evaluation to be believed? a table of tests that a weak attack fails",
    "ood": "how well the detectors tell other images from those of the data set",
    "rings": "the paper's Figure 2: two rings, three detectors; seconds to run",
    "report": "tables and figures from the results that exist",
    "table": "a table of the paper beside ours: table F.2; runs what is missing when told to",
    "figure": "a figure of the paper beside ours: figure 3",
    "regression": "every stored result against the paper's, or an earlier folder's; exit code 1 where one is outside",
    "parity": "compare with golden files of the 2019 code: parity FILE.npz ...",
    "legacy": "the command lines of 2019, in the working directory: legacy attack --data mnist ...",
    "benchmark": "time it beside a plain port and, where it is installed, PyTorch",
    "test": "run the test suite (arguments go to pytest)",
}


HANDED_ON = ("parity", "legacy", "benchmark")
"""Commands that run_experiments.sh gives to `python -m legacy_port` and `python -m benchmarks`: nothing here depends
on the bridge to 2019 and on the benchmarks."""


OF_THE_PAPER = ("table", "figure", "regression")
"""Commands that are in reproduction/."""
_BY_GRADIENT = [a.name for a in ATTACKS.values() if a.needs == GRADIENT and not a.evades_detectors]
BY_ATTACK = {"detect": list(ATTACKS), "transfer": list(ATTACKS), "greybox": _BY_GRADIENT, "blackbox": _BY_GRADIENT}
"""Commands that take --attack, and which."""
_IMAGES = {"checks": 40, "greybox": 100, "blackbox": 100, "transfer": 100}


def count(text: str) -> int | None:
    """A positive number, or "all" as None."""
    if text == "all":
        return None
    return positive(text)


def positive(text: str) -> int:
    value = int(text) if text.isdigit() else 0
    if value < 1:
        raise argparse.ArgumentTypeError(f"{text!r} is not a positive number")
    return value


def seed(text: str) -> int:
    """A whole number whose thousandfold, the seeds of a run's roles, is an int32."""
    value = int(text) if text.isdigit() else -1
    if not 0 <= value <= 2_000_000:
        raise argparse.ArgumentTypeError(f"{text!r} is not a whole number from 0 to 2,000,000")
    return value


def calibration_count(text: str) -> int | str | None:
    """As `count`; "auto" is what ships, else a default number."""
    return text if text == "auto" else count(text)


def share(text: str) -> float:
    value = not_negative(text)
    if not 0 < value < 1:
        raise argparse.ArgumentTypeError(f"{text!r} is not between 0 and 1")
    return value


def not_negative(text: str) -> float:
    try:
        value = float(text)
    except ValueError:
        value = -1.0
    if not 0 <= value < float("inf"):
        raise argparse.ArgumentTypeError(f"{text!r} is not a finite number >= 0")
    return value


def parser() -> argparse.ArgumentParser:
    main_parser = argparse.ArgumentParser(
        prog="./run_experiments.sh",
        description="Deep Bayes classifiers under attack: a TensorFlow 2 port of Li, Bradshaw, Sharma (ICML 2019).",
        epilog=EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    commands = main_parser.add_subparsers(dest="command", metavar="COMMAND", required=True)
    for name, text in COMMANDS.items():
        passed_on = name in (*HANDED_ON, "test")
        command = commands.add_parser(
            name, help=text, description=text[0].upper() + text[1:] + ".", add_help=not passed_on
        )
        if passed_on:
            continue
        if name == "rings":
            _seed_and_output(command)
            continue
        if name == "report":
            _dataset(command)
            _output(command)
            _protocol(command)
            continue
        if name == "baseline":
            _data(command)
            _seed_and_output(command)
            command.add_argument("--epochs", type=positive, default=10, metavar="N", help="default 10")
            command.add_argument("--fresh", action="store_true", help="train again")
            continue
        if name in OF_THE_PAPER:
            _of_the_paper(command, name)
            continue
        _common(command)
        if name == "train":
            _training(command)
        else:
            images = ATTACKS[name].images if name in ATTACKS else _IMAGES.get(name, 500)
            text = f"test images at even distances, or all (default {images})"
            command.add_argument("--num-images", type=count, default=images, metavar="N", help=text)
        if name in (*ATTACKS, *BY_ATTACK):
            _attack(command, [ATTACKS[n] for n in BY_ATTACK.get(name, [name])])
        if name == "checks":
            _victim(command)
            command.set_defaults(save=False, targeted=False)
        if name == "transfer" or (name in ATTACKS and ATTACKS[name].evades_detectors):
            _thresholds(command)
        if name in BY_ATTACK:
            attacks = BY_ATTACK[name]
            default = "fgsm" if name == "detect" else "pgd"
            command.add_argument("--attack", choices=attacks, default=default, help=f"default {default}")
        if name == "blackbox":
            text = "test images that the substitute grows from, 32 queries each (default 50, under paper 200)"
            command.add_argument("--seeds-per-class", type=positive, metavar="N", help=text)
        if name == "greybox":
            _calibration(command, "training images that the student learns from, and that set thresholds")
        if name in ("greybox", "blackbox"):
            text = "what the victim's detectors notice of these attacks, too"
            command.add_argument("--detect", action="store_true", help=text)
            command.set_defaults(guard=None)
            _false_rate(command)
        if name == "blackbox":
            _calibration(command, "training images for thresholds")
        if name in ("detect", "ood"):
            _detection(command)
        if name in (*ATTACKS, *BY_ATTACK, "evaluate", "checks", "ood"):
            command.add_argument("--fresh", action="store_true", help="recompute results that exist")
            command.add_argument("--weights", type=Path, metavar="DIR", help="folder of weights that you trained")
    return main_parser


def _dataset(command, text: str = "default: all"):
    command.add_argument("--dataset", choices=DATASETS, help=text)


def _protocol(command):
    text = "which quirks of 2019 to keep (default corrected)"
    command.add_argument("--protocol", choices=PROTOCOLS, default="corrected", help=text)


def _data(command):
    _dataset(command, "default: mnist where it is at hand, else the embedded mnist5k")
    data_dir, add = os.environ.get("DEEPBAYES_DATA"), command.add_argument
    add("--data-dir", type=Path, default=Path(data_dir) if data_dir else None, metavar="DIR",
        help="folder of data sets (default: $DEEPBAYES_DATA)")  # fmt: skip


def _common(command):
    _data(command)
    add = command.add_argument
    add("--classifiers", nargs="+", choices=FACTORISATIONS, default=list(SEVEN_NAMES), metavar="NAME",
        help=f"of {', '.join(FACTORISATIONS)} (default: the paper's seven)")  # fmt: skip
    add("--samples", type=positive, default=10, metavar="K", help="samples of z in a logit (default 10)")
    add(
        "--batch-size",
        type=positive,
        metavar="N",
        help="images at once; attacks 20 or what the memory takes, training 50 by default",
    )
    add("--dim-z", type=positive, metavar="Z", help="latent size other than the data set's own")
    _seed_and_output(command)
    _protocol(command)


def _seed_and_output(command):
    command.add_argument("--seed", type=seed, default=0, metavar="S", help="seed of everything random (default 0)")
    _output(command)


def _default_output() -> Path:
    results = os.environ.get("DEEPBAYES_RESULTS")
    return Path(results).absolute() if results else ROOT / "results"


def output_arguments(output: Path) -> tuple[str, ...]:
    """What a printed command needs to find this results store: nothing where it is the default."""
    return () if output == _default_output() else ("--output", str(output))


def _output(command):
    command.add_argument(
        "--output",
        type=lambda p: Path(p).absolute(),
        default=_default_output(),
        metavar="DIR",
        help="results store (default: $DEEPBAYES_RESULTS, else results/)",
    )


def _of_the_paper(command, name: str):
    add = command.add_argument
    if name == "regression":
        text = "an earlier results folder, or reference/paper_2019.csv (default)"
        add("--against", type=Path, metavar="PATH", help=text)
        text = "results to hold against it (default: those that come with the project, and those in --output)"
        add("--results", type=Path, metavar="DIR", help=text)
        _output(command)
        return
    text = "F.1 F.2 ... as the paper numbers them" if name == "table" else "3 B.1 ... as the paper numbers them"
    add("names", nargs="+", metavar="NAME", help=text)
    add(
        "--classifiers", nargs="+", choices=FACTORISATIONS, metavar="NAME", help="default: all that the paper has there"
    )
    _output(command)
    if name == "figure":
        return
    add("--num-images", type=count, default=0, metavar="N",
        help="what is there must stand on as many, what is missing is run on as many (default: any; 100)")  # fmt: skip
    add("--dim-z", type=positive, nargs="+", metavar="Z", help="of the bottleneck study: only these latent sizes")
    add("--epochs", type=positive, metavar="N", help="of training, where there are no weights (default: the paper's)")
    add("--weights", type=Path, metavar="DIR", help="folder of weights that you trained")
    add("--data-dir", type=Path, metavar="DIR", help="folder of data sets (default: $DEEPBAYES_DATA)")
    add("--yes", action="store_true", help="run what is missing without asking")


def _training(command):
    add = command.add_argument
    add("--epochs", type=positive, default=100, metavar="N", help="default 100, the paper's for MNIST")
    add("--learning-rate", type=not_negative, default=1e-4, metavar="LR", help="Adam's (default 1e-4)")
    add("--kl-warmup", type=int, default=0, choices=range(11), metavar="N",
        help="epochs over which the KL terms' weight rises from 0 to 1 (default 0, the paper's)")  # fmt: skip
    add("--initialiser", choices=("2019", "independent"), default="2019",
        help="how dense layers begin: as the 2019 code's, or as independent draws (default 2019)")  # fmt: skip
    add("--validate-every", type=positive, default=1, metavar="N", help="epochs between accuracies (default 1)")
    add("--checkpoint-steps", type=positive, metavar="N", help="steps between checkpoints (default: one an epoch)")
    add("--train-images", type=count, default=None, metavar="N", help="train on part of the data (default all)")
    add("--test-images", type=count, default=None, metavar="N", help="test images for the card (default all)")
    add("--threads", type=positive, metavar="N", help="cores to use: two runs of one thread each outpace one of two")


def _attack(command, attacks: list[Attack]):
    """The options of these attacks; what they take and default to comes from the registry."""
    add = command.add_argument
    for parameter in dict.fromkeys(a.parameter for a in attacks):
        a = next(a for a in attacks if a.parameter == parameter)
        grid = f"(default {' '.join(f'{v:g}' for v in a.grid)})" if a.grid else "(default: the paper's grid)"
        add(f"--{parameter}", type=not_negative, nargs="+", metavar=parameter[0].upper(), help=f"{a.meaning} {grid}")
    for name in dict.fromkeys(o.name for a in attacks for o in a.options):
        having = [(a, o) for a in attacks for o in a.options if o.name == name]
        _, option = having[0]
        text = f"of {', '.join(a.name for a, _ in having)}: see {having[0][0].name} --help"
        text = _option_help(option) if len(attacks) == 1 else text
        choices = tuple(dict.fromkeys(c for _, o in having for c in o.choices)) or None
        metavar = _metavar(option)
        add(f"--{flag(name)}", dest=PREFIX + name, choices=choices, metavar=metavar, help=text)
    aimed = "towards a random wrong label instead of away from the true one"
    add("--targeted", action="store_true", help=aimed if any(a.takes_targets for a in attacks) else argparse.SUPPRESS)
    if not command.prog.endswith(("greybox", "blackbox")):  # a student has no noise
        text = "the attack knows the one draw of noise that it is evaluated with: the classifier as a fixed function"
        add("--known-noise", action="store_true", help=text)
    if any(a.needs == GRADIENT for a in attacks) and not command.prog.endswith(("greybox", "blackbox")):
        text = "gradients through all samples and classes; the default leaves out 5e-5 of an image's weight"
        add("--full-gradient", action="store_true", help=text)
    _victim(command, refused=all(a.evades_detectors for a in attacks))
    add("--save", action="store_true", help="keep adversarial images, labels and logits as .npz")


def _thresholds(command):
    _false_rate(command)
    _calibration(command, "training images for thresholds")


def _false_rate(command):
    text = "share of training images that the detectors reject (default 0.05)"
    command.add_argument("--fpr", type=share, default=0.05, metavar="P", help=text)


def _calibration(command, use: str):
    text = f"{use}, or all (default: all where their logits ship, else 10,000)"
    command.add_argument("--calibration-images", type=calibration_count, default="auto", metavar="N", help=text)


def _victim(command, refused: bool = False):
    text = argparse.SUPPRESS if refused else "attack this Keras model of logits instead of --classifiers"
    command.add_argument("--victim-model", type=Path, metavar="FILE", help=text)


def _metavar(option: Option) -> str | None:
    return None if option.choices else "N" if isinstance(option.default, int) else "V"


def _option_help(option: Option) -> str:
    others = "".join(f"; {v} under {p}" for p, v in option.by_protocol.items() if v != option.default)
    return f"{option.help} (default {option.default}{others})"


def _detection(command):
    add = command.add_argument
    if command.prog.endswith(" detect"):
        add("--guard", choices=FACTORISATIONS, metavar="NAME",
            help="the classifier that looks (default: the victim itself)")  # fmt: skip
    else:
        add("--against", choices=("fashion_mnist", "noise"), nargs="+",
            help="the other images (default: noise, and fashion_mnist where it is at hand)")  # fmt: skip
    _thresholds(command)
