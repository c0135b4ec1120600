"""The data sets as tables, from their registry."""

from deepbayes.data.registry import DATASETS, Dataset
from deepbayes.documentation.markdown import cell, table


def data_sets() -> str:
    """A section a data set: shape, classes, parts, budgets, weights, licence, source."""
    heads = ["data set", "shape", "classes", "training", "test", "usual eps", "weights of", "licence"]
    rows = [
        [f"[`{d.name}`](#{d.name})", " x ".join(map(str, d.shape)), str(d.classes), f"{d.training_images:,}",
         f"{d.test_images:,}", _numbers(d.eps_grid), f"`{d.weights_of}`", cell(d.licence)]
        for d in DATASETS.values()
    ]  # fmt: skip
    sections = [f"## {d.name}\n\n{_facts(d)}" for d in DATASETS.values()]
    return "\n\n".join([table(heads, rows, numbers=(2, 3, 4)), *sections])


def _facts(d: Dataset) -> str:
    facts = [
        ("parts", d.split),
        ("source", d.source),
        ("classes", ", ".join(d.class_names) or f"{d.classes}"),
        ("eps of `wbs`", _numbers(d.detector_aware_eps or d.eps_grid)),
        ("test images that its training images do not contain", ", ".join(f"`{n}`" for n in d.unseen)),
        ("other images for `ood`", ", ".join(f"`{n}`" for n in d.strange) or "noise only"),
        ("note", d.caveat),
    ]
    return table(["fact", "value"], [[name, cell(value)] for name, value in facts if value])


def _numbers(values: tuple[float, ...]) -> str:
    return ", ".join(f"{v:g}" for v in values)
