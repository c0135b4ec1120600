"""attack, detect_attacks_logp and extract_index: from 2019's files to 2019's files, by the modern commands' parts."""

import re
import shlex
from dataclasses import replace
from pathlib import Path

import numpy as np

from deepbayes import PROGRAM
from deepbayes.attacks.registry import ATTACKS
from deepbayes.data.checks import Images
from deepbayes.data.registry import DATASETS
from deepbayes.experiments.command_line.parser import default_output
from deepbayes.experiments.command_line.write_command import arguments
from deepbayes.experiments.measurements.batches import run as run_batches
from deepbayes.experiments.measurements.clean_accuracy import measure_clean
from deepbayes.experiments.measurements.context import Context, open_context
from deepbayes.experiments.measurements.noise_roles import DETECTION, noise_seed
from deepbayes.experiments.measurements.progress import bar, say
from deepbayes.experiments.preparation.training_logits import training_logits
from deepbayes.experiments.reporting import report
from deepbayes.experiments.runs.attack import AttackRun, attack_cost
from deepbayes.experiments.settings.attack_plan import plan_of
from deepbayes.experiments.settings.errors import UsageError
from deepbayes.experiments.settings.protocol import PROTOCOLS
from deepbayes.experiments.settings.run_settings import AttackSettings, DetectionSettings, RunSettings
from deepbayes.legacy_port import detection, files
from deepbayes.legacy_port.checkpoints import to_classifier
from deepbayes.legacy_port.letters import LETTERS
from deepbayes.models import zoo
from deepbayes.models.classifier import Classifier
from deepbayes.models.deep_bayes.architecture import architecture_for
from deepbayes.models.deep_bayes.classifier import DeepBayesClassifier
from deepbayes.models.files import FileError, file_sha256

PROTOCOL = PROTOCOLS["2019-code"]
_VICTIM = r"bayes_K(\d+)(?:_Z(\d+))?_([A-G])"


def attack(options) -> int:
    """Attacks one victim; with --save its attack file is written."""
    of_cw = options.attack == "cw"
    name = f"cw_c{options.c:.2f}_lr0.010" if of_cw else f"{options.attack}_eps{options.eps:.2f}"
    grid = (options.c if of_cw else options.eps,)
    return _attack(options, AttackSettings(options.attack, grid, targeted=options.targeted), name)


def attack_superwhite(options) -> int:
    """WB+S and its kin: PGD that evades a detector, on the combined or, with --snapshot, the per-sample logits."""
    own = {"statistic": options.statistic, "lambda_": f"{options.lbd:g}"}
    own["posterior"] = "per-sample" if options.snapshot else "combined"
    settings = AttackSettings("wbs", (options.eps,), own, targeted=options.targeted)
    return _attack(options, settings, f"superwhite_eps{options.eps:.2f}_lambda{options.lbd:g}")


def _attack(options, settings: AttackSettings, file_name: str) -> int:
    context = _context(options, settings.name, options.victim, attack=settings, save=options.save)
    victim = _victim(options.data, options.victim)
    plan = plan_of(settings, context.dataset, PROTOCOL.name)
    with bar(attack_cost(plan, len(context.images)), victim.name) as progress:
        needed = frozenset({"x_adv", "logits"})
        found = AttackRun(context, victim, plan, needed, advance=progress.advance).results()
    report.show(context.store, found)
    if options.save:
        arrays = context.store.arrays(found[1])
        content = files.AttackFile(arrays["x_adv"], arrays["y"], arrays["y_attacked"], arrays["logits"])
        path = files.attack_path(Path.cwd(), options.data, f"{options.victim}_cnn", file_name, options.targeted)
        files.write_attack(path, content)
        say(f"attack file: {path}")
    return 0


def detect_attacks_logp(options) -> int:
    """What the guard detects of an attack file; with --save the detection file is written."""
    path = files.attack_path(Path.cwd(), options.data, options.victim, options.attack, options.targeted)
    if not path.exists():
        raise FileError(f"{path} does not exist; make it: legacy attack --save")
    victim, name = options.victim.removesuffix("_cnn"), options.attack.split("_")[0]
    transfer = victim != options.guard
    calibration = options.calibration_images
    if name in ATTACKS and re.fullmatch(_VICTIM, victim):
        budget = re.search(r"_(?:eps|c)([\d.]+)", options.attack)
        attack = AttackSettings(name, (float(budget[1]),) if budget else (), targeted=options.targeted)
        guard = LETTERS[_parse(options.guard)[2]] if transfer else ""
        detecting = DetectionSettings(calibration_images=calibration, guard=guard)
        context = _context(options, "detect", victim, attack=attack, detection=detecting, save=options.save)
    else:  # a file of no attack of ours
        detecting = DetectionSettings(calibration_images=calibration)
        context = _context(options, "evaluate", options.guard, detection=detecting)
    attacked = files.read_attack(path, context.images.x.shape[1:])
    guard = _victim(options.data, options.guard)
    images = _attacked_images(DATASETS[options.data].load("test", context.run.data_dir), attacked, path)
    if options.data == "plane_frog":
        rows = _right_for_all(images)
        attacked = files.AttackFile(*(a[rows] for a in vars(attacked).values()))
        images = images.take(rows)
    training = training_logits(context.run, options.data, guard, PROTOCOL)
    try:
        fitted = detection.detectors(training.logits, training.labels)
    except ValueError as error:
        raise UsageError(f"{options.guard}: {error}") from None
    size = context.batch_size(guard)
    logits = guard.graph_of("logits")
    seed, index = noise_seed(options.seed, DETECTION), images.index.astype(np.int32)
    with bar(len(images), f"{guard.name} looks at {path.name}") as progress:
        seen = run_batches(lambda x, i: logits(x, i, seed), (attacked.x, index), size, progress.advance)
    found = detection.report(
        fitted, seen, attacked.logits, images.y, attacked.x - images.x, transfer=transfer
    )  # fmt: skip
    if not guard.has_density:  # its logits hold no density: 2019 computes these all the same
        found |= {f"{rate}_{key}": float("nan") for rate in ("FP", "TP") for key in ("logpx", "logpxy")}
    for key, value in found.items():
        print(f"{key:<20} " + ("N/A" if np.isnan(value) else f"{value:.4f}"))
    if options.save:
        path = files.detection_path(
            Path.cwd(), options.data, options.victim, f"{options.guard}_cnn", options.attack, options.targeted
        )
        files.write_pickle(path, found)
        say(f"detection file: {path}")
    return 0


def extract_index(options) -> int:
    """Writes the positions of the test images that a victim gets right."""
    context = _context(options, "evaluate", options.victim)
    victim = _victim(options.data, options.victim)
    clean = measure_clean(context, victim)
    right = context.images.index[np.array(clean["predictions"]) == context.images.y]
    path = files.index_path(Path.cwd(), options.data, f"{options.victim}_cnn")
    files.write_pickle(path, right)
    say(f"{len(right)} of {len(context.images)} right: {path}")
    return 0


def _context(options, command: str, victim: str, **settings) -> Context:
    """The context of the modern command that a 2019 one stands for, which is printed."""
    if options.data not in DATASETS:
        raise UsageError(f"--data {options.data} comes with the classifiers on features, which are not ported yet")
    samples, dim_z, letter = _parse(victim)
    modern = RunSettings(
        output=default_output(), dataset=options.data, data_dir=options.data_dir, classifiers=(LETTERS[letter],),
        classifier_options={"samples": samples} | ({"dim_z": dim_z} if dim_z else {}),
        num_images=getattr(options, "num_images", None), batch_size=options.batch_size, seed=options.seed,
        protocol=PROTOCOL.name, **settings,
    )  # fmt: skip
    say(f"this is: {PROGRAM} " + shlex.join(arguments(command, modern)))
    # its weights may be a 2019 checkpoint instead of those that ship: `_victim` finds them, and says what is missing
    return open_context(replace(modern, classifiers=()))


def _parse(victim: str) -> tuple[int, int | None, str]:
    """K, dim z where it is named, and the letter of "bayes_K10_A" or "bayes_K10_Z32_A"."""
    match = re.fullmatch(_VICTIM, victim)
    if not match:
        raise UsageError(f"{victim!r}: of 2019's victims bayes_K10_A to bayes_K10_G (and bayes_K10_Z32_A) are ported")
    return int(match[1]), int(match[2]) if match[2] else None, match[3]


def _victim(dataset: str, victim: str) -> Classifier:
    """The classifier of a 2019 checkpoint in the working directory or its parent, else the one that ships."""
    samples, dim_z, letter = _parse(victim)
    name = LETTERS[letter]
    own = {"dim_z": dim_z}
    size = dim_z or architecture_for(DATASETS[dataset].shape, DATASETS[dataset].classes).dim_z
    paths = [files.checkpoint_path(root, dataset, letter, size) for root in (Path.cwd(), Path.cwd().parent)]
    path = next((p for p in paths if p.exists()), None)
    if path is None and not zoo.weight_file(dataset, name, None, **own).exists():
        training = f"vae_mnist {letter}" if dataset == "mnist" else f"vae_cifar_binary {letter}"
        raise FileError(
            f"no checkpoint at {paths[0]}, nor in the parent folder, and no {name} of these sizes ships for {dataset}: "
            f"put 2019's there, or, for the usual sizes, train one: {PROGRAM} legacy {training}"
        )
    if path is None:
        say(f"no checkpoint at {paths[0]}, nor in the parent folder: taking the {name} that ships")
        return zoo.load_classifier(dataset, name, samples=samples, **own, **PROTOCOL.classifier_options())
    try:
        model = to_classifier(
            files.read_checkpoint(path), dataset, name, samples=samples, **PROTOCOL.classifier_options()
        )
    except ValueError as error:
        raise FileError(f"{path}: {error}") from None
    say(f"weights: {path}")
    classifier = DeepBayesClassifier(
        model, f"{zoo.file_stem(dataset, name, **own)}-2019"
    )  # a name of its own in results
    classifier.settings = {"weights_sha256": file_sha256(path)} | classifier.settings
    classifier.trained_on = f"{dataset}/train"
    return classifier


def _attacked_images(images: Images, attacked: files.AttackFile, path: Path) -> Images:
    """The clean test images that the rows of an attack file were made from: the first ones, or evenly spread ones."""
    n = len(attacked.y)
    candidates = [c for c in (images.take(slice(n)), images.spread(n)) if np.array_equal(c.y, attacked.y)]
    if candidates:
        return min(candidates, key=lambda c: float(np.abs(c.x - attacked.x).mean()))
    raise FileError(
        f"{path}: its labels are not those of {images.name}, neither of the first {n} nor of {n} spread evenly"
    )


def _right_for_all(images: Images) -> np.ndarray:
    """Rows of the images that all seven classifiers get right, by their index files."""
    paths = [files.index_path(Path.cwd(), "plane_frog", f"bayes_K10_{letter}_cnn") for letter in LETTERS]
    missing = [p.name for p in paths if not p.exists()]
    if missing:
        raise FileError(f"detection on plane_frog needs the index files of all seven (extract_index); missing in "
                        f"{paths[0].parent}: {', '.join(missing)}")  # fmt: skip
    right = set.intersection(*(set(files.read_index(p).tolist()) for p in paths))
    rows = np.flatnonzero(np.isin(images.index, sorted(right)))
    if not len(rows):
        raise FileError(f"{paths[0].parent}: the seven index files have no image of the attack file in common")
    return rows
