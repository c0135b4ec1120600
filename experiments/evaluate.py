"""`evaluate`: clean accuracy and bound of trained classifiers."""

import argparse

from experiments import report
from experiments.clean import compiled_logits, measure_clean
from experiments.context import open_context
from experiments.progress import bar
from experiments.victims import deep_bayes_victim


def run(options: argparse.Namespace) -> int:
    context = open_context(options)
    results, total = [], len(context.images) * len(options.classifiers)
    with bar(total) as progress:
        for k, name in enumerate(options.classifiers):
            progress.describe(name)
            victim = deep_bayes_victim(
                context.dataset, name, samples=options.samples, protocol=context.protocol, weights=options.weights,
                dim_z=options.dim_z,
            )  # fmt: skip
            logits = compiled_logits(victim, context.images.x.shape[1:], context.batch_size)
            results.append(measure_clean(context, victim, logits, progress.advance))
            progress.rewind(total, len(context.images) * (k + 1))
    report.show(context.store, results)
    return 0
