"""The deep Bayes classifiers as registered: one entry a factorisation. Imports no array library."""

from dataclasses import replace

from deepbayes.models.classifier import LOG_JOINT, POSTERIOR, SAMPLES
from deepbayes.models.deep_bayes.architecture import architecture_for
from deepbayes.models.deep_bayes.factorisation import FACTORISATIONS, THE_SEVEN, Factorisation
from deepbayes.models.registry import DISCRIMINATIVE, GENERATIVE, ClassifierOption, ClassifierSpec

OPTIONS = (
    ClassifierOption("samples", "samples of z in a logit (default 10)", default=10, metavar="K"),
    ClassifierOption("dim_z", "latent size other than the data set's own", letter="z", metavar="Z"),
)
KEYWORDS = ("log_prior_y", "likelihood", "initialiser")


def sizes(shape, classes: int, options) -> dict:
    """Sizes of the networks as a card holds them."""
    usual = architecture_for(shape, classes)
    return replace(usual, dim_z=options.get("dim_z") or usual.dim_z).as_json()


def _spec(f: Factorisation) -> ClassifierSpec:
    return ClassifierSpec(
        name=f.name,
        group=GENERATIVE if f.name.startswith("G") else DISCRIMINATIVE,
        build="deepbayes.models.deep_bayes.classifier:new_deep_bayes",
        description=f.formula,
        signals=frozenset({POSTERIOR, SAMPLES, *([LOG_JOINT] if f.models_x else [])}),
        options=OPTIONS,
        keywords=KEYWORDS,
        sizes=sizes,
        evaluation_terms={
            "bound": "mean importance-weighted bound on log p(x, y), nats, up to the likelihood's constant"
        },
        training_ms=1.2,
        of_the_paper=f in THE_SEVEN,
    )


SPECS = tuple(_spec(f) for f in FACTORISATIONS.values())
