"""`evaluate`: clean accuracy and bound of trained classifiers."""

import argparse

from deepbayes.experiments.measurements.clean_accuracy import compiled_logits, measure_clean
from deepbayes.experiments.measurements.context import open_context
from deepbayes.experiments.measurements.progress import bar
from deepbayes.experiments.measurements.victims import chosen_victims
from deepbayes.experiments.reporting import report


def run(options: argparse.Namespace) -> int:
    context = open_context(options)
    victims, n, results = chosen_victims(options, context.dataset, context.protocol), len(context.images), []
    with bar(n * len(victims)) as progress:
        for k, (name, load) in enumerate(victims):
            progress.describe(name)
            victim = load()
            logits = compiled_logits(victim, context.images.x.shape[1:], context.batch_size)
            results.append(measure_clean(context, victim, logits, progress.advance))
            progress.rewind(n * (k + 1))
    report.show(context.store, results)
    return 0
