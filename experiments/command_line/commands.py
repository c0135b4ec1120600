"""The commands: what each is called, what runs it, and in which order the help lists them. Imports no array library."""

from dataclasses import dataclass

from deepbayes.attacks.registry import ATTACKS, GRADIENT

_RUNS = "deepbayes.experiments.runs."


@dataclass(frozen=True)
class Command:
    """A command.

    Attributes:
      function: "package.module:function", given the settings; "" where another room parses the arguments itself.
      gives_results: whether the function returns results, which are then shown; else it returns an exit code.
      computes: whether it needs TensorFlow, which takes seconds to import.
    """

    help: str
    function: str = ""
    gives_results: bool = True
    computes: bool = True


_BESIDE = " beside the paper's"
_OF_ATTACKS = {
    a.name: Command(f"{a.title}: accuracy under attack{_BESIDE if a.in_the_paper else ''}", f"{_RUNS}attack:run")
    for a in ATTACKS.values()
}

COMMANDS: dict[str, Command] = {
    "train": Command("train classifiers; the same command continues an interrupted run", f"{_RUNS}train:run", False),
    "evaluate": Command("clean accuracy of trained classifiers", f"{_RUNS}evaluate:run"),
    **_OF_ATTACKS,
    "detect": Command("the share of successful attacks that each detector detects", f"{_RUNS}detect:run"),
    "greybox": Command(
        "attacks crafted on a surrogate, evaluated on the victim (grey box)",
        f"{_RUNS}surrogate_attack:run_greybox",
    ),
    "blackbox": Command(
        "attacks crafted on a substitute, evaluated on the victim (black box)", f"{_RUNS}surrogate_attack:run_blackbox"
    ),
    "transfer": Command(
        "every classifier's adversarial images evaluated on every other, as a heat map", f"{_RUNS}transfer:run"
    ),
    "checks": Command(
        "tests of the evaluation that a weak attack or a masked gradient fails", f"{_RUNS}sanity_checks:run"
    ),
    "ood": Command(
        "how well the detectors separate other images from those of the data set", f"{_RUNS}out_of_distribution:run"
    ),
    "rings": Command("the paper's Figure 2: two rings, three detectors; takes seconds", f"{_RUNS}rings:run", False),
    "report": Command(
        "tables and figures from stored results", "deepbayes.experiments.reporting.report:run", False, False
    ),
    "table": Command(
        "a table of the paper beside this port's figures: table F.2; --yes runs what is missing",
        "deepbayes.reproduction.table:run", False, False,
    ),
    "figure": Command(
        "a figure of the paper beside this port's: figure 3", "deepbayes.reproduction.figure:run", False, False
    ),
    "regression": Command(
        "every stored result compared with the paper or an earlier folder; exit code 1 where one is outside",
        "deepbayes.reproduction.regression.command:run", False, False,
    ),
    "parity": Command("compare this port with golden files of the 2019 code: parity FILE.npz ..."),
    "legacy": Command("the command lines of 2019, in the working directory: legacy attack --data mnist ..."),
    "benchmark": Command("measure the time beside a plain port and, where it is installed, PyTorch"),
    "test": Command("run the test suite (arguments go to pytest)"),
}  # fmt: skip

HANDED_ON = ("parity", "legacy", "benchmark")
"""Commands that deepbayes/__main__.py gives to other rooms: nothing here depends on them."""

_BY_GRADIENT = [a.name for a in ATTACKS.values() if a.needs == GRADIENT and not a.evades_detectors]
BY_ATTACK = {"detect": list(ATTACKS), "transfer": list(ATTACKS), "greybox": _BY_GRADIENT, "blackbox": _BY_GRADIENT}
"""Commands that take --attack, and which."""
IMAGES = {"checks": 40, "greybox": 100, "blackbox": 100, "transfer": 100}
"""Test images that a command takes where nobody says, if not 500 or the attack's own number."""
