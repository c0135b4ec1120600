"""A user's own images as one of the data sets, for this process: the commands work on them as on any other."""

from deepbayes.data.own.dataset import OwnData, own_dataset
from deepbayes.data.own.options import OwnDataOptions
from deepbayes.data.registry import DATASETS, Dataset
from deepbayes.experiments.measurements.progress import bar, say
from deepbayes.experiments.settings.run_settings import OwnDataSettings

_GREY_EPS, _COLOUR_EPS = DATASETS["mnist"].eps_grid, DATASETS["plane_frog"].eps_grid


def open_own_data(settings: OwnDataSettings) -> Dataset:
    """Reads the images and registers them under "own_" and the source's name, in place of an earlier reading.

    Raises:
      DataError: whatever is wrong with them, with the file's name and the cure.
    """
    s = settings
    options = OwnDataOptions(s.image_size, s.colour, s.value_range, s.group, s.skip_unreadable)
    with bar(0, f"reading {s.source}") as progress:
        found = own_dataset(s.source, options, progress.advance)
    say(found.summary)
    data = _as_dataset(found, s)
    DATASETS[data.name] = data
    return data


def _as_dataset(found: OwnData, settings: OwnDataSettings) -> Dataset:
    parts = {"train": found.train, "test": found.test}
    return Dataset(
        name=found.name,
        shape=found.shape,
        classes=len(found.classes),
        split=f"{len(found.train)} training and {len(found.test)} test images",
        source=str(settings.source),
        licence="the owner's",
        unseen=(found.name,),
        loader=lambda part, data_dir: parts[part],
        eps_grid=_GREY_EPS if found.shape[2] == 1 else _COLOUR_EPS,
        class_names=found.classes,
        training_images=len(found.train),
        test_images=len(found.test),
        identity={"labels_sha256": found.labels_sha256["test"], "classes": list(found.classes)},
    )
