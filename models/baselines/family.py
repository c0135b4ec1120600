"""The baselines as registered. Imports no array library."""

from deepbayes.models.registry import BASELINE, ClassifierSpec

SPECS = (
    ClassifierSpec(
        "cnn", BASELINE, "deepbayes.models.baselines.cnn:new_cnn_classifier",
        "p(y|x): two convolutions and two dense layers",
    ),
)  # fmt: skip
