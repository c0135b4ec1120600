"""2019 checkpoints: dictionaries of variable name to array, to and from our classifiers, exact both ways.

Variable names repeat in the 2019 code because a counter was never advanced (`gen_pzy_l0_W:0`, then `gen_pzy_l0_W_1:0`),
and some mislead: p(y|z) is called `pzy` in GFZ, and `pyzx` in GBZ on CIFAR. Classifiers on features prefix every layer
with `vae/`, `vae_1/`, ... in the order of creation.
"""

import re

import numpy as np

from deepbayes.models.deep_bayes.architecture import Architecture
from deepbayes.models.deep_bayes.factorisation import FACTORISATIONS, SEVEN_NAMES
from deepbayes.models.deep_bayes.model import DeepBayes
from deepbayes.models.deep_bayes.networks import MLP, ImageDecoder, Tower

IMAGE_SIDES = {"mnist": 28, "plane_frog": 32}
_CIFAR_SIDE = IMAGE_SIDES["plane_frog"]


def _p_y_stem(name: str, sizes: Architecture) -> str:
    if name == "GFZ":
        return "gen_pzy_l0"
    if name.startswith("GBZ"):
        return "gen_pyzx_mlp_l0" if sizes.input_shape[0] == _CIFAR_SIDE and sizes.is_image else "gen_pyz_mlp_l0"
    return "gen_pyz_mlp_l0" if name == "DBX" else "gen_pyzx_mlp_l0"


def _repeated(stem: str, layers: int) -> list[str]:
    return [f"{stem}_{{}}" + (f"_{k}" if k else "") for k in range(layers)]


def _numbered(stem: str, first: int, layers: int) -> list[str]:
    return [f"{stem}_l{first + k}_{{}}" for k in range(layers)]


def _mlp_names(network: str, layers: int, name: str, sizes: Architecture) -> list[str]:
    """2019 names of an MLP's layers in order, with {} where W or b goes."""
    image = sizes.is_image
    if network == "q":
        return _numbered("enc_mlp", 0, layers)
    if network == "p_y":
        return _repeated(_p_y_stem(name, sizes), layers)
    if network == "p_z" and name in ("GFY", "GBY"):
        return _repeated("gen_pzy_l0", layers)
    if network == "p_z":
        return _repeated("gen_pzx_mlp_l0", layers) if image else _numbered("gen_pzx_mlp", 0, layers)
    return _numbered("gen" if image else "gen_pxz_mlp", 0, layers)


_TOWERS = {"q_tower": "enc_conv", "p_z_tower": "gen_pzx_conv", "p_y_tower": "gen_pyzx_conv"}


def _variables(classifier: DeepBayes):
    """(2019 name, variable) of every weight; images without, features with the creation-order prefix."""
    name, image = classifier.factorisation.name, classifier.architecture.is_image
    created = ("p_y_tower", "p_y", "p_z_tower", "p_z", "p_x", "q_tower", "q")  # 2019's order of creation
    count = 0
    for network in (n for n in created if n in classifier.networks):
        layer = classifier.networks[network]
        if isinstance(layer, Tower):
            stem = _TOWERS[network]
            parts = [(f"{stem}/conv{k}", c) for k, c in enumerate(layer.convolutions)] + [
                (f"{stem}/dense0", layer.dense)
            ]
            for path, part in parts:
                yield f"{path}/kernel:0", part.kernel
                yield f"{path}/bias:0", part.bias
            continue
        mlp: MLP = layer.mlp if isinstance(layer, ImageDecoder) else layer
        for stem, dense in zip(
            _mlp_names(network, len(mlp.denses), name, classifier.architecture), mlp.denses, strict=True
        ):
            prefix = "" if image else f"vae{f'_{count}' if count else ''}/"
            count += 1
            yield prefix + _fused(stem, image).format("W") + ":0", dense.kernel
            yield prefix + _fused(stem, image).format("b") + ":0", dense.bias
        if isinstance(layer, ImageDecoder):
            for k, upsample in enumerate(layer.upsamples):
                yield f"gen_l{len(mlp.denses) + k}_W:0", upsample.kernel


def _fused(stem: str, image: bool) -> str:
    """Feature classifiers tell repeated names apart by their prefix instead of a suffix."""
    return stem if image else re.sub(r"_\d+$", "", stem)


def to_2019(classifier: DeepBayes) -> dict[str, np.ndarray]:
    """The classifier's weights under their 2019 names, as a 2019 checkpoint holds them."""
    return {name: np.array(variable) for name, variable in _variables(classifier)}


def to_classifier(weights: dict[str, np.ndarray], dataset: str, name: str | None = None, **options) -> DeepBayes:
    """A classifier with these 2019 weights; its factorisation and all sizes are read from names and shapes.

    Args:
      weights: 2019 variable name -> array.
      dataset: "mnist" or "plane_frog", which fixes the image size, or "cifar10" for a classifier on features.
      name: the factorisation, where the caller knows it; checked against the variables.
      **options: handed to DeepBayes (likelihood, samples, log_prior_y, ...).

    Raises:
      ValueError: no factorisation has these variables, or missing, extra or misshapen variables, all of them listed.
    """
    problems = {}
    for candidate in [name] if name else SEVEN_NAMES:
        try:
            architecture = _architecture(weights, dataset)
            classifier = DeepBayes(FACTORISATIONS[candidate], architecture, **options)
        except (KeyError, IndexError) as error:
            raise ValueError(f"not a 2019 checkpoint of {dataset}: variable {error} is missing") from None
        problem = _mismatch(weights, classifier)
        if not problem:
            for variable_name, variable in _variables(classifier):
                variable.assign(weights[variable_name])
            return classifier
        problems[candidate] = problem
    closest = min(problems, key=lambda c: len(problems[c]))
    raise ValueError(f"the variables fit no classifier; closest is {closest}: " + "; ".join(problems[closest]))


def _mismatch(weights, classifier) -> list[str]:
    expected = {n: tuple(v.shape) for n, v in _variables(classifier)}
    missing = sorted(expected.keys() - weights.keys())
    extra = sorted(weights.keys() - expected.keys())
    misshapen = [n for n in expected.keys() & weights.keys() if tuple(weights[n].shape) != expected[n]]
    return (
        [f"missing {n}" for n in missing]
        + [f"extra {n}" for n in extra]
        + [f"{n} has shape {tuple(weights[n].shape)}, not {expected[n]}" for n in sorted(misshapen)]
    )


def _architecture(weights, dataset: str) -> Architecture:
    if "enc_conv/conv0/kernel:0" in weights:
        convs = []
        while f"enc_conv/conv{len(convs)}/kernel:0" in weights:
            convs.append(weights[f"enc_conv/conv{len(convs)}/kernel:0"].shape)
        head = weights["enc_mlp_l0_W:0"].shape
        hidden = weights["enc_conv/dense0/kernel:0"].shape[1]
        last = weights["enc_mlp_l1_W:0"].shape
        if dataset not in IMAGE_SIDES:
            raise ValueError(f"image classifiers of 2019 are for {' and '.join(IMAGE_SIDES)}, not {dataset!r}")
        side = IMAGE_SIDES[dataset]
        return Architecture(
            (side, side, convs[0][2]), head[0] - hidden, last[1] // 2, hidden, tuple(c[3] for c in convs)
        )
    by_suffix = {n.split("/")[-1]: w for n, w in weights.items()}
    first, last = by_suffix["enc_mlp_l0_W:0"].shape, by_suffix["enc_mlp_l2_W:0"].shape
    classes = _feature_classes(weights)
    return Architecture((first[0] - classes,), classes, last[1] // 2, first[1])


def _feature_classes(weights) -> int:
    """C of a classifier on features: the widest p(y|z) output, or the rows of p(z|y)'s first layer."""
    if "vae/gen_pzy_l0_W:0" in weights:
        return weights["vae/gen_pzy_l0_W:0"].shape[0]
    heads = [n for n in weights if "/gen_pyz_mlp_l0_b:0" in n]
    return weights[max(heads, key=lambda n: int(re.search(r"vae_?(\d*)", n)[1] or 0))].shape[0]
