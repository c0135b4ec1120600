"""Decoder channels that never fire, left out, with a check on every batch that they do not.

2019's transposed convolutions start from kernels of at most 1/1600 and have no bias, so that early in training many
channels get kernels that are negative nearly everywhere: after relu they are zero whatever the image, and no gradient
reaches them again. A trained decoder carries 12 to 20 such channels of 64 in its first transposed convolution and 26 to
29 in its second (MNIST, all five classifiers with a decoder).

The check is a bound: inputs are not negative, so the elementwise maximum of several kernels is one filter whose output
is at least that of each of them. Where it does not exceed zero, none of them fires, and leaving them out changes
nothing but the order of a sum.
"""

from dataclasses import dataclass

import numpy as np
import tensorflow as tf

MOST_BOUNDS = 4
"""Filters spent on bounds in a layer: what would need more of them is computed."""
MARGIN = 1.25
"""Bounds must stay below zero on the sample that finds them even if their positive weights were this much larger."""
LEAST_SHARE = 0.125
"""Of a layer's channels; with fewer dead ones the layer is not touched."""
_LANES = 16
"""Channels that a convolution computes in the time of one."""


@dataclass(frozen=True)
class Trim:
    """What is computed of a layer's output channels.

    Attributes:
      live: channels that the next layer reads, ascending.
      dead: groups of the others; one bound, the maximum of their kernels, is computed for each group.
    """

    live: tuple[int, ...]
    dead: tuple[tuple[int, ...], ...] = ()

    def outputs(self, kernel):
        """The filters of a kernel (h, w, out, in) to compute: live ones, then bounds."""
        bounds = [tf.reduce_max(tf.gather(kernel, group, axis=2), axis=2, keepdims=True) for group in self.dead]
        return tf.concat([tf.gather(kernel, self.live, axis=2), *bounds], axis=2)

    @property
    def passed_on(self) -> int:
        """How many computed channels the next layer gets: all (its weights for a few bounds are zero), or the live."""
        return len(self.live) + (len(self.dead) if len(self.dead) <= MOST_BOUNDS else 0)

    def inputs(self, kernel):
        """The next layer's kernel, for what it gets of this layer's `outputs`; none of it reads a bound."""
        return tf.pad(tf.gather(kernel, self.live, axis=3), [[0, 0]] * 3 + [[0, self.passed_on - len(self.live)]])


def find_trims(upsamples, images) -> list[Trim]:
    """One trim for each transposed convolution but the last, from a sample of the first one's inputs (R, H, W, ch)."""
    trims = []
    for upsample in upsamples[:-1]:
        kernel = upsample.kernel if not trims else trims[-1].inputs(upsample.kernel)
        trims.append(_find_trim(kernel.numpy(), lambda k, u=upsample, x=images: u.transposed(x, k).numpy()))
        images = upsample.upsample(images, trims[-1].outputs(kernel))[..., : trims[-1].passed_on]
    return trims


def trimmed_kernels(upsamples, trims: list[Trim]) -> list:
    """The kernels of all transposed convolutions without what the trims leave out."""
    kernels = []
    for upsample, before, after in zip(upsamples, [None, *trims], [*trims, None], strict=True):
        kernel = before.inputs(upsample.kernel) if before else upsample.kernel
        kernels.append(after.outputs(kernel) if after else kernel)
    return kernels


def any_fires(outputs: list, trims: list[Trim]):
    """Whether a bound exceeds zero in the outputs of trimmed layers: what was left out may have been needed."""
    surely_dead = [tf.reduce_all(o[..., len(t.live) :] <= 0) for o, t in zip(outputs, trims, strict=True)]
    return tf.logical_not(tf.reduce_all(surely_dead))  # NaN is not sure


def _find_trim(kernel: np.ndarray, convolve) -> Trim:
    """First fit, the surest first: a channel joins the first group whose bound stays below zero with it."""

    def stays_below_zero(filters):
        careful = np.where(filters > 0, MARGIN * filters, filters)
        return convolve(careful[:, :, np.newaxis]).max() <= 0

    positive, negative = (np.maximum(sign * kernel, 0).sum((0, 1, 3)) for sign in (1, -1))
    silent = np.flatnonzero(convolve(kernel).max((0, 1, 2)) <= 0)
    sure, channels = [c for c in silent if stays_below_zero(kernel[:, :, c])], kernel.shape[2]
    if len(sure) < LEAST_SHARE * channels:
        return Trim(tuple(range(channels)))
    groups: list[tuple[np.ndarray, list[int]]] = []
    for channel in sorted(sure, key=lambda c: positive[c] / max(negative[c], np.finfo(np.float32).tiny)):
        own = kernel[:, :, channel]
        for index, (bound, members) in enumerate(groups):
            if stays_below_zero(np.maximum(bound, own)):
                groups[index] = np.maximum(bound, own), [*members, int(channel)]
                break
        else:
            if len(groups) < MOST_BOUNDS:
                groups.append((own, [int(channel)]))
    dead = tuple(tuple(members) for _, members in groups)
    if -(-(channels - len(sum(dead, ())) + len(dead)) // _LANES) == -(-channels // _LANES):
        dead = tuple((int(channel),) for channel in sure)  # bounds save nothing here: computed, and not passed on
    return Trim(tuple(sorted(set(range(channels)) - set(sum(dead, ())))), dead)
