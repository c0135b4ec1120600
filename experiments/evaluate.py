"""`evaluate`: clean accuracy and bound of trained classifiers."""

import argparse

from experiments.clean import compiled_logits, measure_clean
from experiments.context import open_context
from experiments.progress import bar
from experiments.reporting import report
from experiments.victims import chosen_victims


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
