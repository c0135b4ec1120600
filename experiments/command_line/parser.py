"""Commands and options; choices, defaults and help come from the registries.

No array library is imported, so that help is immediate.
"""

import argparse
import os
from pathlib import Path

from deepbayes import CHECKOUT, PROGRAM, ROOT
from deepbayes.attacks.registry import ATTACKS, GRADIENT, Attack, Option
from deepbayes.data.registry import DATASETS
from deepbayes.experiments.command_line.argument_parser import CommandParser
from deepbayes.experiments.command_line.commands import BY_ATTACK, COMMANDS, HANDED_ON, IMAGES
from deepbayes.experiments.command_line.types import calibration_count, count, not_negative, positive, seed, share
from deepbayes.experiments.settings.attack_plan import flag
from deepbayes.experiments.settings.protocol import DEFAULT_PROTOCOL, PROTOCOLS
from deepbayes.models.registry import CLASSIFIERS, all_options, papers_classifiers

WITHOUT_ATTACK = ("clean", "checks", "ood")
"""What `report --attack` takes beside the attacks: clean accuracy, the checks, images of another kind."""
PREFIX = "attack_option_"
"""Of the attacks' options in the parsed command line, so that they meet no other option's name."""

EXAMPLES = """examples:
  ./run_experiments.sh fgsm                                    all seven classifiers, five eps, beside the paper's
  ./run_experiments.sh pgd --classifiers GBZ DFX --eps 0.1 0.3 --num-images all
  ./run_experiments.sh cw --classifiers DBX --c 10 --protocol paper --save
  ./run_experiments.sh fgsm --classifiers GBZ --victim-model my_cnn.keras      any Keras model that gives logits
  ./run_experiments.sh train --data my_images --classifiers GBZ cnn            own images: docs/how-to/own-images.md
  ./run_experiments.sh greybox --attack mim                    crafted on a surrogate of the victim
  ./run_experiments.sh checks --classifiers GBZ                tests to run before you believe an accuracy
  ./run_experiments.sh detect --attack fgsm                    the share that is detected, beside the paper's
  ./run_experiments.sh train --classifiers GBZ --epochs 100    the same command continues it
  ./run_experiments.sh report --attack fgsm                    tables and figures from stored results
  ./run_experiments.sh report --html                           one web page of all results, and model cards
  ./run_experiments.sh table F.1                               the paper's Table F.1 beside this port's
  ./run_experiments.sh regression                              every result compared with the paper
  ./run_experiments.sh parity tests/golden/*.npz               every number compared with the 2019 code
  ./run_experiments.sh test                                    installs the test tools, runs the suite
"""


def parser() -> argparse.ArgumentParser:
    main_parser = CommandParser(
        prog=PROGRAM,
        description="Deep Bayes classifiers under attack: a TensorFlow 2 port of Li, Bradshaw, Sharma (ICML 2019).",
        epilog=EXAMPLES.replace("./run_experiments.sh", PROGRAM),
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    main_parser.add_argument("--version", action="version", version=version())
    commands = main_parser.add_subparsers(dest="command", metavar="COMMAND", required=True)
    for name, entry in COMMANDS.items():
        passed_on, text = name in (*HANDED_ON, "test"), entry.help
        command = commands.add_parser(
            name, help=text, description=text[0].upper() + text[1:] + ".", add_help=not passed_on
        )
        if not passed_on:
            _OPTIONS.get(name, _run_options)(command, name)
    return main_parser


def version() -> str:
    """The version in pyproject.toml, or that of the installed package."""
    file = ROOT / "pyproject.toml"
    if file.exists():
        line = next(line for line in file.read_text().splitlines() if line.startswith("version = "))
        return f"deepbayes {line.split('=')[1].strip().strip(chr(34))}"
    from importlib.metadata import version as installed

    return f"deepbayes {installed('deepbayes')}"


# ---- commands --------------------------------------------------------------------------------------------------------


def _run_options(command, name: str) -> None:
    """Of all that evaluate classifiers."""
    _common(command)
    images = ATTACKS[name].images if name in ATTACKS else IMAGES.get(name, 500)
    text = f"test images at even distances, or all (default {images})"
    command.add_argument("--num-images", type=count, default=images, metavar="N", help=text)
    if name in (*ATTACKS, *BY_ATTACK):
        _attack(command, [ATTACKS[n] for n in BY_ATTACK.get(name, [name])])
    if name in BY_ATTACK:
        default = "fgsm" if name == "detect" else "pgd"
        command.add_argument("--attack", choices=BY_ATTACK[name], default=default, help=f"default {default}")
    if name in ("transfer", "detect", "ood") or (name in ATTACKS and ATTACKS[name].evades_detectors):
        _false_rate(command)
        _calibration(command, "training images for thresholds")
    if name == "detect":
        command.add_argument("--guard", choices=CLASSIFIERS, metavar="NAME",
                             help="the classifier whose detectors are used (default: the victim itself)")  # fmt: skip
    if name == "ood":
        text = "the other images: data sets, or noise (default: noise, and a data set whose files are found)"
        command.add_argument("--against", choices=(*DATASETS, "noise"), nargs="+", metavar="NAME", help=text)
    if name in ("greybox", "blackbox"):
        _surrogate(command, name)
    command.add_argument("--fresh", action="store_true", help="recompute results that exist")
    command.add_argument("--weights", type=Path, metavar="DIR", help="folder of weights that you trained")


def _train(command, name: str) -> None:
    _common(command)
    add = command.add_argument
    add("--epochs", type=positive, metavar="N", help="default: the recipe's, 100 for MNIST as in the paper")
    add("--learning-rate", type=not_negative, metavar="LR", help="Adam's (default: the recipe's, 1e-4 for MNIST)")
    add("--kl-warmup", type=int, choices=range(11), metavar="N",
        help="epochs over which the KL terms' weight rises from 0 to 1 (default: the recipe's)")  # fmt: skip
    add("--initialiser", choices=("2019", "independent"),
        help="initial values of dense layers: those of the 2019 code, or independent draws (default 2019)")  # fmt: skip
    add("--validate-every", type=positive, default=1, metavar="N", help="epochs between tests of accuracy (default 1)")
    add("--checkpoint-steps", type=positive, metavar="N", help="steps between checkpoints (default: one an epoch)")
    add("--train-images", type=count, default=None, metavar="N", help="train on part of the data (default all)")
    add("--test-images", type=count, default=None, metavar="N", help="test images for the model card (default all)")
    add("--threads", type=positive, metavar="N", help="cores to use; two runs of one are faster than one of two")


def _rings(command, name: str) -> None:
    _seed(command)
    _output(command)
    _quiet(command)


def _report(command, name: str) -> None:
    add = command.add_argument
    add("--dataset", metavar="NAME", help="only results on this data set (default: all)")
    add("--attack", nargs="+", choices=(*ATTACKS, *WITHOUT_ATTACK), metavar="NAME",
        help=f"only these attacks, or {', '.join(WITHOUT_ATTACK)} (default: all)")  # fmt: skip
    add("--classifiers", nargs="+", metavar="NAME",
        help="only these classifiers, rows in this order (default: all)")  # fmt: skip
    _output(command)
    text = f"of the results (default {DEFAULT_PROTOCOL}; of --html and --csv every protocol)"
    add("--protocol", choices=PROTOCOLS, help=text)
    add("--html", action="store_true",
        help="instead of tables one web page of all results, which needs no other file: a ranking by worst-case "
             "accuracy, tables and charts by attack, every result with settings and hashes, model cards")  # fmt: skip
    add("--csv", action="store_true", help="instead of tables one CSV file, a row a result")
    text = "where that one file goes (default: report.html or report.csv in --output)"
    add("--to", type=lambda p: Path(p).absolute(), metavar="FILE", help=text)
    text = "example images in the page: of published data sets (default), of your own images too (all), or none"
    add("--images", choices=("public", "all", "none"), default="public", help=text)


def _regression(command, name: str) -> None:
    add = command.add_argument
    text = "an earlier results folder, or reference/paper_2019.csv (default)"
    add("--against", type=Path, metavar="PATH", help=text)
    text = "results to compare (default: those that come with the project, and those in --output)"
    add("--results", type=Path, metavar="DIR", help=text)
    _output(command)


def _figure(command, name: str) -> None:
    text = "3 B.1 ... as the paper numbers them; accuracy, detection: an overview; training: the shipped weights'"
    command.add_argument("names", nargs="+", metavar="NAME", help=text)
    _papers_classifiers(command)
    _output(command)


def _table(command, name: str) -> None:
    add = command.add_argument
    add("names", nargs="+", metavar="NAME", help="F.1 F.2 ... as the paper numbers them")
    _papers_classifiers(command)
    _output(command)
    add("--num-images", type=count, default=0, metavar="N",
        help="use results on so many images or more, run missing ones on so many (default: any; 100)")  # fmt: skip
    for option in all_options(papers_classifiers()).values():
        if option.letter:
            text = f"only these values, where the paper has several ({option.help.split(' other')[0]})"
            add(f"--{flag(option.name)}", type=positive, nargs="+", metavar=option.metavar, help=text)
    add("--epochs", type=positive, metavar="N", help="of training, where there are no weights (default: the paper's)")
    add("--weights", type=Path, metavar="DIR", help="folder of weights that you trained")
    add("--data-dir", type=Path, metavar="DIR", help="folder of data sets (default: $DEEPBAYES_DATA)")
    add("--yes", action="store_true", help="run what is missing without asking")


_OPTIONS = {
    "train": _train,
    "rings": _rings,
    "report": _report,
    "regression": _regression,
    "figure": _figure,
    "table": _table,
}


# ---- groups of options -----------------------------------------------------------------------------------------------


def _papers_classifiers(command) -> None:
    text = "default: all that the paper shows there"
    command.add_argument("--classifiers", nargs="+", choices=CLASSIFIERS, metavar="NAME", help=text)


def _common(command) -> None:
    _data(command)
    add = command.add_argument
    add("--classifiers", nargs="+", choices=CLASSIFIERS, metavar="NAME",
        help=f"of {', '.join(CLASSIFIERS)} (default: the paper's seven)")  # fmt: skip
    for option in all_options().values():
        add(f"--{flag(option.name)}", type=positive, metavar=option.metavar, help=option.help)
    add(
        "--batch-size",
        type=positive,
        metavar="N",
        help="images at once (default: 20, or fewer where the memory is small; of training the recipe's)",
    )
    if not command.prog.endswith(" train"):
        text = "Keras models that give logits; name --classifiers to attack those too"
        add("--victim-model", type=Path, nargs="+", metavar="FILE", help=text)
    _seed(command)
    _output(command)
    _protocol(command)
    _quiet(command)


def _data(command) -> None:
    text = "default: mnist where its files are found, else the embedded mnist5k"
    command.add_argument("--dataset", choices=DATASETS, help=text)
    add = command.add_argument
    add("--data", type=Path, metavar="DIR|FILE.npz", help="your own images: class folders, or arrays x and y")
    add("--image-size", type=positive, metavar="N", help="of --data: every image becomes N x N pixels")
    colour = command.add_mutually_exclusive_group()
    colour.add_argument("--grey", action="store_const", dest="colour", const="grey", help="of --data: one channel")
    colour.add_argument("--rgb", action="store_const", dest="colour", const="rgb", help="of --data: three channels")
    add("--range", type=float, nargs=2, metavar=("LO", "HI"), dest="value_range",
        help="of --data: stored values that become 0 and 1, for images of more than 8 bits")  # fmt: skip
    add("--group", metavar="REGEX", help="of --data: its one group is the patient, whose images all stay in one part")
    add("--skip-unreadable", action="store_true", help="of --data: leave out files that cannot be read, and count them")
    command.add_argument("--data-dir", type=Path, default=default_data_dir(), metavar="DIR",
                         help="folder of data sets (default: $DEEPBAYES_DATA)")  # fmt: skip


def default_data_dir() -> Path | None:
    """The folder of data sets where none is named: that of the environment variable DEEPBAYES_DATA, if it is set."""
    folder = os.environ.get("DEEPBAYES_DATA")
    return Path(folder) if folder else None


def _protocol(command) -> None:
    text = f"how closely to follow 2019 (default {DEFAULT_PROTOCOL})"
    command.add_argument("--protocol", choices=PROTOCOLS, default=DEFAULT_PROTOCOL, help=text)


def _seed(command) -> None:
    command.add_argument("--seed", type=seed, default=0, metavar="S", help="seed of everything random (default 0)")


def _quiet(command) -> None:
    text = "print tables, warnings and errors only: no progress, no file names"
    command.add_argument("--quiet", action="store_true", help=text)


def default_output() -> Path:
    results = os.environ.get("DEEPBAYES_RESULTS")
    return Path(results).absolute() if results else (ROOT if CHECKOUT else Path.cwd()) / "results"


def output_arguments(output: Path) -> tuple[str, ...]:
    """What a printed command needs to find this results store: nothing where it is the default."""
    return () if output == default_output() else ("--output", str(output))


def _output(command) -> None:
    command.add_argument(
        "--output",
        type=lambda p: Path(p).absolute(),
        default=default_output(),
        metavar="DIR",
        help="results store (default: $DEEPBAYES_RESULTS, else results/)",
    )


def _attack(command, attacks: list[Attack]) -> None:
    """The options of these attacks; what they take and default to comes from the registry."""
    add, surrogate = command.add_argument, command.prog.endswith(("greybox", "blackbox"))
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
        add(f"--{flag(name)}", dest=PREFIX + name, choices=choices, metavar=_metavar(option), help=text)
    aimed = "towards a random wrong label instead of away from the true one"
    add("--targeted", action="store_true", help=aimed if any(a.takes_targets for a in attacks) else argparse.SUPPRESS)
    if not surrogate:  # which has no noise
        text = "the attack knows the draw of noise of the evaluation: the classifier is a fixed function"
        add("--known-noise", action="store_true", help=text)
    if any(a.needs == GRADIENT for a in attacks) and not surrogate:
        text = "gradients through all samples and classes; the default leaves out 5e-5 of an image's weight"
        add("--full-gradient", action="store_true", help=text)
    add("--save", action="store_true", help="keep adversarial images, labels and logits as .npz")


def _surrogate(command, name: str) -> None:
    if name == "blackbox":
        text = "test images of a class that the substitute starts from, 32 queries each (default 50, under paper 200)"
        command.add_argument("--seeds-per-class", type=positive, metavar="N", help=text)
    text = "also run the victim's detectors on these attacks"
    command.add_argument("--detect", action="store_true", help=text)
    _false_rate(command)
    learns = "training images for the surrogate and for thresholds"
    _calibration(command, learns if name == "greybox" else "training images for thresholds")


def _false_rate(command) -> None:
    text = "share of training images that the detectors reject (default 0.05)"
    command.add_argument("--fpr", type=share, default=0.05, metavar="P", help=text)


def _calibration(command, use: str) -> None:
    text = f"{use}, or all (default: all where their logits ship, else 10,000)"
    command.add_argument("--calibration-images", type=calibration_count, default="auto", metavar="N", help=text)


def _metavar(option: Option) -> str | None:
    return None if option.choices else "N" if isinstance(option.default, int) else "V"


def _option_help(option: Option) -> str:
    others = "".join(f"; {v} under {p}" for p, v in option.by_protocol.items() if v != option.default)
    return f"{option.help} (default {option.default}{others})"
