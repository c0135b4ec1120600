"""`evaluate`: clean accuracy of classifiers, and what else they report of clean images."""

from deepbayes.experiments.measurements.clean_accuracy import measure_clean
from deepbayes.experiments.measurements.context import open_context
from deepbayes.experiments.measurements.intervals import percent
from deepbayes.experiments.measurements.progress import bar, step_done
from deepbayes.experiments.settings.run_settings import RunSettings


def run(settings: RunSettings) -> list[dict]:
    """A clean result for each classifier."""
    context = open_context(settings)
    loaders, n, results = context.classifiers(), len(context.images), []
    with bar(n * len(loaders)) as progress:
        for k, (name, load) in enumerate(loaders):
            progress.describe(name)
            results.append(measure_clean(context, load(), progress.advance))
            progress.rewind(n * (k + 1))
            step_done(f"{name}: clean {percent(results[-1]['accuracy'])} %")
    return results
