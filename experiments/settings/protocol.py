"""Protocols: which of 2019's quirks a run keeps. Every result names its protocol.

corrected   the method as the paper means it, with the known faults of the released code repaired (default)
paper       the paper's settings, with the quirks that its numbers contain
2019-code   the released configuration, quirks and all; the 2019 command lines use it
"""

import math
from dataclasses import asdict, dataclass


@dataclass(frozen=True)
class DetectionProtocol:
    """How detection is fitted and counted.

    Attributes:
      rule: of the thresholds, one of detect.thresholds.RULES. 2019's bisection can miss the wanted rate.
      second_evaluation: 2019 takes success and predicted class from the stored logits, the statistic from another draw
        of the noise, where the guard is the classifier attacked; of images crafted on another model it has one
        evaluation, as a deployed guard.
      only_right_before: count successes among images that were right before the attack; 2019 counts all that end wrong.
      class_averaged: the rate in the tables is 2019's mean over the predicted classes that occur, for detectors with a
        threshold a class. Otherwise it is over images. Both are stored.
      kl_rows_within_success: 2019's index fault in KL detection.
    """

    rule: str = "quantile"
    second_evaluation: bool = False
    only_right_before: bool = True
    class_averaged: bool = False
    kl_rows_within_success: bool = False


@dataclass(frozen=True)
class Protocol:
    """Named choices between 2019's behaviour and the corrected one; those of an attack's options, such as the loss that
    sign attacks ascend, are in attacks/registry.py.

    Attributes:
      uniform_prior: log p(y) is log 1/C; 2019 has log 0.1 whatever C, a constant shift of the logits with two classes.
      keep_partial_batch: 2019 drops the images that do not fill the last batch.
      leave_out_seeds: a substitute (black box) is not judged on the test images it grew from, as 2019's are.
      seeds_per_class: test images of each class that a substitute grows from unless told otherwise.
      full_gradient: gradients go back through all samples and classes, as 2019's, not only through those that carry
        weight (models/deep_bayes/sparse_gradient.py).
      detection: see DetectionProtocol.
    """

    name: str
    uniform_prior: bool = True
    keep_partial_batch: bool = True
    leave_out_seeds: bool = True
    seeds_per_class: int = 50
    full_gradient: bool = False
    detection: DetectionProtocol = DetectionProtocol()

    def classifier_options(self) -> dict:
        """What a deep Bayes classifier is built with."""
        return {} if self.uniform_prior else {"log_prior_y": math.log(0.1)}

    def images_used(self, n: int, batch_size: int) -> int:
        """How many of n images are attacked."""
        return n if self.keep_partial_batch or n < batch_size else n - n % batch_size

    def settings(self) -> dict:
        """What an attack's result depends on; detection and substitutes have settings of their own."""
        return {k: v for k, v in asdict(self).items() if k not in ("detection", "leave_out_seeds", "seeds_per_class")}


_AS_2019 = {
    "uniform_prior": False,
    "keep_partial_batch": False,
    "leave_out_seeds": False,
    "seeds_per_class": 200,
    "detection": DetectionProtocol("bisection", True, False, True, True),
}

PROTOCOLS: dict[str, Protocol] = {
    p.name: p
    for p in (
        Protocol("corrected"),
        Protocol("paper", **_AS_2019),
        Protocol("2019-code", **_AS_2019, full_gradient=True),
    )
}
DEFAULT_PROTOCOL = "corrected"
