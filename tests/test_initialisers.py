"""How dense layers begin: 2019's shared stream, or independent draws. The golden files hold it, too (test_parity)."""

import numpy as np
import pytest

from deepbayes.models.deep_bayes.initialisers import kernel_of_2019
from deepbayes.models.zoo import new_classifier

pytestmark = pytest.mark.usefixtures("tiny_dataset")


def kernels(**options):
    return {n: np.array(v) for n, v in new_classifier("tiny", "GFY", 3, **options).named_weights().items()}


def test_2019s_layers_of_one_shape_begin_equal():
    found = kernels()
    np.testing.assert_array_equal(found["q/dense_1/kernel"], found["p_z/dense_1/kernel"])
    np.testing.assert_array_equal(found["q/dense_1/kernel"], kernel_of_2019(*found["q/dense_1/kernel"].shape))


def test_independent_layers_do_not():
    found = kernels(initialiser="independent")
    assert np.abs(found["q/dense_1/kernel"] - found["p_z/dense_1/kernel"]).max() > 0.1


def test_only_dense_layers_outside_the_towers_differ_between_the_two():
    shared, independent = kernels(), kernels(initialiser="independent")
    different = {n for n in shared if not np.array_equal(shared[n], independent[n])}
    assert different == {n for n in shared if "/dense_" in n and n.endswith("kernel")}


@pytest.mark.parametrize("shape", [(3, 5), (40, 7)])
def test_the_first_numbers_agree_up_to_the_scale(shape):
    """Row by row from one stream, whatever the layer's shape."""
    scale = np.sqrt(6 / sum(shape))
    other = kernel_of_2019(2, 4).numpy().ravel() / np.sqrt(6 / 6)
    np.testing.assert_allclose(kernel_of_2019(*shape).numpy().ravel()[:8] / scale, other, atol=1e-6)


def test_an_unknown_initialiser_is_refused():
    with pytest.raises(ValueError, match="unknown initialiser 'he'; known: 2019, independent"):
        new_classifier("tiny", "GFZ", 0, initialiser="he")
