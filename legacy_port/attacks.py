"""attack, detect_attacks_logp and extract_index: from 2019's files to 2019's files, by the modern commands' parts."""

import re
from pathlib import Path

import numpy as np
from deepbayes.attacks.registry import ATTACKS
from deepbayes.data.checks import Images
from deepbayes.data.registry import DATASETS
from deepbayes.experiments.command_line import main
from deepbayes.experiments.measurements.batches import run as run_batches
from deepbayes.experiments.measurements.clean_accuracy import DETECTION, compiled_logits, measure_clean, noise_seed
from deepbayes.experiments.measurements.context import Context, open_context
from deepbayes.experiments.measurements.progress import bar, say
from deepbayes.experiments.measurements.training_logits import training_logits
from deepbayes.experiments.measurements.victims import Victim, classifier_victim, deep_bayes_victim
from deepbayes.experiments.reporting import report
from deepbayes.experiments.runs.attack import attack_cost, attack_victim
from deepbayes.experiments.settings.attack_plan import plan_of
from deepbayes.experiments.settings.errors import UsageError
from deepbayes.experiments.settings.protocol import PROTOCOLS
from deepbayes.legacy_port import detection, files
from deepbayes.legacy_port.checkpoints import LETTERS, to_classifier
from deepbayes.models import zoo
from deepbayes.models.files import FileError, file_sha256

PROTOCOL = PROTOCOLS["2019-code"]
_VICTIM = r"bayes_K(\d+)(?:_Z(\d+))?_([A-G])"


def attack(options) -> int:
    """Attacks one victim; with --save its attack file is written."""
    budget = ["--c", f"{options.c:g}"] if options.attack == "cw" else ["--eps", f"{options.eps:g}"]
    name = f"cw_c{options.c:.2f}_lr0.010" if options.attack == "cw" else f"{options.attack}_eps{options.eps:.2f}"
    return _attack(options, options.attack, budget, name)


def attack_superwhite(options) -> int:
    """WB+S and its kin: PGD that evades a detector, on the combined or, with --snapshot, the per-sample logits."""
    flags = ["--eps", f"{options.eps:g}", "--statistic", options.statistic, "--lambda", f"{options.lbd:g}"]
    flags += ["--posterior", "per-sample" if options.snapshot else "combined"]
    return _attack(options, "wbs", flags, f"superwhite_eps{options.eps:.2f}_lambda{options.lbd:g}")


def _attack(options, name: str, flags: list[str], file_name: str) -> int:
    context = _context(options, name, options.victim, flags)
    victim = _victim(options.data, options.victim)
    needed = frozenset({"x_adv", "logits"})
    plan = plan_of(context.options, ATTACKS[name], context.dataset)
    with bar(attack_cost(plan, len(context.images)), victim.name) as progress:
        found = attack_victim(context, victim, plan, progress.advance, needed)
    report.show(context.store, found)
    if options.save:
        arrays = context.store.arrays(found[1])
        content = files.AttackFile(arrays["x_adv"], arrays["y"], arrays["y_attacked"], arrays["logits"])
        path = files.attack_path(Path.cwd(), options.data, f"{options.victim}_cnn", file_name, options.targeted)
        files.write_attack(path, content)
        say(f"attack file: {path}")
    return 0


def detect_attacks_logp(options) -> int:
    """What the guard notices of an attack file; with --save the detection file is written."""
    path = files.attack_path(Path.cwd(), options.data, options.victim, options.attack, options.targeted)
    if not path.exists():
        raise FileError(f"{path} does not exist; make it: legacy attack --save")
    victim, name = options.victim.removesuffix("_cnn"), options.attack.split("_")[0]
    transfer = victim != options.guard
    command, extra = "evaluate", []  # a file of no attack of ours
    if name in ATTACKS and re.fullmatch(_VICTIM, victim):
        command, extra = "detect", ["--attack", name]
        budget = re.search(r"_(eps|c)([\d.]+)", options.attack)
        extra += [f"--{budget[1]}", f"{float(budget[2]):g}"] if budget else []
        extra += ["--guard", LETTERS[_parse(options.guard)[2]]] if transfer else []
        extra += ["--calibration-images", str(options.calibration_images or "all")]
    context = _context(options, command, victim if command == "detect" else options.guard, extra)
    attacked = files.read_attack(path, context.images.x.shape[1:])
    guard = _victim(options.data, options.guard)
    images = _attacked_images(DATASETS[options.data].load("test", context.options.data_dir), attacked, path)
    if options.data == "plane_frog":
        rows = _right_for_all(images)
        attacked = files.AttackFile(*(a[rows] for a in vars(attacked).values()))
        images = images.take(rows)
    context.options.calibration_images = options.calibration_images
    training = training_logits(context.options, options.data, guard, PROTOCOL)
    try:
        fitted = detection.detectors(training.logits, training.labels)
    except ValueError as error:
        raise UsageError(f"{options.guard}: {error}") from None
    logits = compiled_logits(guard, images.x.shape[1:], context.batch_size)
    seed, index = noise_seed(options.seed, DETECTION), images.index.astype(np.int32)
    with bar(len(images), f"{guard.name} looks at {path.name}") as progress:
        seen = run_batches(lambda x, i: logits(x, i, seed), (attacked.x, index), context.batch_size, progress.advance)
    found = detection.report(
        fitted, seen, attacked.logits, images.y, attacked.x - images.x, transfer=transfer
    )  # fmt: skip
    if not guard.models_x:  # its logits hold no density: 2019 computes these all the same
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
    context = _context(options, "evaluate", options.victim, [])
    victim = _victim(options.data, options.victim)
    clean = measure_clean(context, victim, compiled_logits(victim, context.images.x.shape[1:], context.batch_size))
    right = context.images.index[np.array(clean["predictions"]) == context.images.y]
    path = files.index_path(Path.cwd(), options.data, f"{options.victim}_cnn")
    files.write_pickle(path, right)
    say(f"{len(right)} of {len(context.images)} right: {path}")
    return 0


def _context(options, command: str, victim: str, extra: list[str]) -> Context:
    """The context of the modern command that a 2019 one stands for, which is printed."""
    if options.data not in DATASETS:
        raise UsageError(f"--data {options.data} comes with the classifiers on features, which are not ported yet")
    samples, dim_z, letter = _parse(victim)
    images = getattr(options, "num_images", None)
    modern = [command, "--dataset", options.data, "--classifiers", LETTERS[letter], "--protocol", "2019-code"]
    modern += ["--num-images", str(images or "all"), "--batch-size", str(options.batch_size), "--samples", str(samples)]
    modern += ["--dim-z", str(dim_z)] if dim_z else []
    if command != "evaluate":
        modern += [*extra, *(f"--{flag}" for flag in ("targeted", "save") if getattr(options, flag))]
    modern += ["--data-dir", str(options.data_dir)] if options.data_dir else []
    modern += ["--seed", str(options.seed)] if options.seed else []
    say("this is: ./run_experiments.sh " + " ".join(modern))
    return open_context(main.parser().parse_args(modern))


def _parse(victim: str) -> tuple[int, int | None, str]:
    """K, dim z where it is named, and the letter of "bayes_K10_A" or "bayes_K10_Z32_A"."""
    match = re.fullmatch(_VICTIM, victim)
    if not match:
        raise UsageError(f"{victim!r}: of 2019's victims bayes_K10_A to bayes_K10_G (and bayes_K10_Z32_A) are ported")
    return int(match[1]), int(match[2]) if match[2] else None, match[3]


def _victim(dataset: str, victim: str) -> Victim:
    """The classifier of a 2019 checkpoint in the working directory or its parent, else the one that ships."""
    samples, dim_z, letter = _parse(victim)
    name = LETTERS[letter]
    sizes = zoo.architecture(dataset, dim_z)
    paths = [files.checkpoint_path(root, dataset, letter, sizes.dim_z) for root in (Path.cwd(), Path.cwd().parent)]
    path = next((p for p in paths if p.exists()), None)
    if path is None and not zoo.weight_file(dataset, name, None, dim_z).exists():
        training = f"vae_mnist {letter}" if dataset == "mnist" else f"vae_cifar_binary {letter}"
        raise FileError(
            f"no checkpoint at {paths[0]}, nor in the parent folder, and no {name} of these sizes ships for {dataset}: "
            f"put 2019's there, or, for the usual sizes, train one: ./run_experiments.sh legacy {training}"
        )
    if path is None:
        say(f"no checkpoint at {paths[0]}, nor in the parent folder: taking the {name} that ships")
        return deep_bayes_victim(dataset, name, samples=samples, protocol=PROTOCOL, dim_z=dim_z)
    try:
        classifier = to_classifier(
            files.read_checkpoint(path), dataset, name, samples=samples, **PROTOCOL.classifier_options()
        )
    except ValueError as error:
        raise FileError(f"{path}: {error}") from None
    say(f"weights: {path}")
    stem = f"{zoo.file_stem(dataset, name, dim_z)}-2019"  # a name of its own among the results
    return classifier_victim(classifier, stem, file_sha256(path), f"{dataset}/train")


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
