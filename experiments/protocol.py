"""Protocols: which of 2019's quirks a run keeps. Every result names its protocol.

corrected   the method as the paper means it, with the known faults of the released code repaired (default)
paper       the paper's settings, with the quirks that its numbers contain
2019-code   the released configuration, quirks and all; the 2019 command lines use it
"""

import math
from dataclasses import asdict, dataclass


@dataclass(frozen=True)
class Protocol:
    """Named choices between 2019's behaviour and the corrected one.

    Attributes:
      loss: what sign attacks ascend, one of attacks.losses.LOSSES. 2019's cross-entropy underflows in float32 where the
        classifier is sure; the log-odds has the same gradient direction and does not.
      uniform_prior: log p(y) is log 1/C; 2019 has log 0.1 whatever C, a constant shift of the logits with two classes.
      keep_partial_batch: 2019 drops the images that do not fill the last batch.
    """

    name: str
    loss: str = "log-odds"
    uniform_prior: bool = True
    keep_partial_batch: bool = True

    def classifier_options(self) -> dict:
        """What a deep Bayes classifier is built with."""
        return {} if self.uniform_prior else {"log_prior_y": math.log(0.1)}

    def images_used(self, n: int, batch_size: int) -> int:
        """How many of n images are attacked."""
        return n if self.keep_partial_batch or n < batch_size else n - n % batch_size

    def settings(self) -> dict:
        return asdict(self)


_AS_2019 = {"loss": "cross-entropy", "uniform_prior": False, "keep_partial_batch": False}

PROTOCOLS: dict[str, Protocol] = {
    p.name: p for p in (Protocol("corrected"), Protocol("paper", **_AS_2019), Protocol("2019-code", **_AS_2019))
}
