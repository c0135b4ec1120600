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
    "train": Command("train classifiers; resumes where an earlier run stopped", f"{_RUNS}train:run", False),
    "evaluate": Command("clean accuracy of trained classifiers", f"{_RUNS}evaluate:run"),
    **_OF_ATTACKS,
    "detect": Command("the share of successful attacks that each detector rejects", f"{_RUNS}detect:run"),
    "greybox": Command(
        "attacks on a student of the victim's probabilities, moved to the victim",
        f"{_RUNS}surrogate_attack:run_greybox",
    ),
    "blackbox": Command(
        "attacks on a substitute grown by queries, moved to the victim", f"{_RUNS}surrogate_attack:run_blackbox"
    ),
    "transfer": Command(
        "every classifier's adversarial images on every other, as a heat map", f"{_RUNS}transfer:run"
    ),
    "checks": Command(
        "is the evaluation to be believed? a table of tests that a weak attack fails", f"{_RUNS}sanity_checks:run"
    ),
    "ood": Command(
        "how well the detectors tell other images from those of the data set", f"{_RUNS}out_of_distribution:run"
    ),
    "rings": Command("the paper's Figure 2: two rings, three detectors; seconds to run", f"{_RUNS}rings:run", False),
    "report": Command(
        "tables and figures from the results that exist", "deepbayes.experiments.reporting.report:run", False, False
    ),
    "table": Command(
        "a table of the paper beside ours: table F.2; runs what is missing when told to",
        "deepbayes.reproduction.table:run", False, False,
    ),
    "figure": Command(
        "a figure of the paper beside ours: figure 3", "deepbayes.reproduction.figure:run", False, False
    ),
    "regression": Command(
        "every stored result against the paper's, or an earlier folder's; exit code 1 where one is outside",
        "deepbayes.reproduction.regression.command:run", False, False,
    ),
    "parity": Command("compare with golden files of the 2019 code: parity FILE.npz ..."),
    "legacy": Command("the command lines of 2019, in the working directory: legacy attack --data mnist ..."),
    "benchmark": Command("time it beside a plain port and, where it is installed, PyTorch"),
    "test": Command("run the test suite (arguments go to pytest)"),
}  # fmt: skip

HANDED_ON = ("parity", "legacy", "benchmark")
"""Commands that deepbayes/__main__.py gives to other rooms: nothing here depends on them."""

_BY_GRADIENT = [a.name for a in ATTACKS.values() if a.needs == GRADIENT and not a.evades_detectors]
BY_ATTACK = {"detect": list(ATTACKS), "transfer": list(ATTACKS), "greybox": _BY_GRADIENT, "blackbox": _BY_GRADIENT}
"""Commands that take --attack, and which."""
IMAGES = {"checks": 40, "greybox": 100, "blackbox": 100, "transfer": 100}
"""Test images that a command takes where nobody says, if not 500 or the attack's own number."""
