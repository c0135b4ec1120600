"""Sizes of the networks, one entry a data set (paper, appendix D; where text and released code differ, the code).

The structure is the same everywhere: a tower of 5x5 stride-2 convolutions and one dense layer turns x into features,
MLP heads turn features, z and one-hot y into parameters of distributions, and an image decoder mirrors the tower. On
feature vectors (the paper's fusion models, section 4.3) there is no tower, and every head that touches x has two hidden
layers.
"""

from dataclasses import asdict, dataclass


@dataclass(frozen=True)
class Architecture:
    """Sizes of one set of networks.

    Attributes:
      input_shape: (H, W, channels) of an image, or (F,) of a feature vector.
      num_classes: C.
      dim_z: latent dimensions Z.
      dim_hidden: units of every hidden dense layer.
      channels: output channels of the tower's convolutions, in order; empty for feature vectors.
    """

    input_shape: tuple[int, ...]
    num_classes: int
    dim_z: int
    dim_hidden: int
    channels: tuple[int, ...] = ()

    @property
    def is_image(self) -> bool:
        return bool(self.channels)

    @property
    def feature_size(self) -> int:
        """Length of what a tower hands to a head."""
        return self.dim_hidden if self.is_image else self.input_shape[0]

    def as_json(self) -> dict:
        """The sizes as a card holds them: tuples as lists."""
        return {k: list(v) if isinstance(v, tuple) else v for k, v in asdict(self).items()}

    def image_sizes(self) -> list[tuple[int, int]]:
        """(height, width) from the input down through each stride-2 convolution: 28, 14, 7, 4 for MNIST."""
        sizes = [self.input_shape[:2]]
        for _ in self.channels:
            sizes.append(tuple(-(-side // 2) for side in sizes[-1]))
        return sizes


_GREY = {"dim_z": 64, "dim_hidden": 500, "channels": (64, 64, 64)}
_COLOUR = {"dim_z": 128, "dim_hidden": 1000, "channels": (64, 128, 256)}


def architecture_for(shape: tuple[int, ...], classes: int) -> Architecture:
    """The paper's sizes: MNIST's for grey images, CIFAR-binary's for colour ones, whatever their height and width.

    Raises:
      ValueError: the shape is not (H, W, 1) or (H, W, 3).
    """
    if len(shape) != 3 or shape[2] not in (1, 3):
        raise ValueError(f"no networks for images of shape {tuple(shape)}: they take (H, W, 1) or (H, W, 3)")
    return Architecture(tuple(shape), classes, **(_GREY if shape[2] == 1 else _COLOUR))


ARCHITECTURES: dict[str, Architecture] = {
    "mnist": architecture_for((28, 28, 1), 10),
    "plane_frog": architecture_for((32, 32, 3), 2),
    "tiny": Architecture((8, 8, 1), 3, dim_z=4, dim_hidden=12, channels=(4, 5, 6)),
}
"""Named sizes; "tiny" makes every test run in milliseconds."""
