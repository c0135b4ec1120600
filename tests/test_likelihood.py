import numpy as np
import pytest
from scipy import stats

from deepbayes.models.deep_bayes.likelihood import LIKELIHOODS, log_likelihood

RANDOM = np.random.default_rng(0)
X = RANDOM.uniform(size=(4, 3, 3, 2)).astype(np.float32)
MEAN = RANDOM.uniform(0.05, 0.95, size=(5, 4, 3, 3, 2)).astype(np.float32)

FORMULAS = {
    "l2": lambda x, m: -((x - m) ** 2),
    "l1": lambda x, m: -np.abs(x - m),
    "bernoulli": lambda x, m: x * np.log(m) + (1 - x) * np.log(1 - m),
    "gaussian": lambda x, m: stats.norm.logpdf(x, m, 1.0),
}


def test_every_likelihood_has_a_formula():
    assert set(FORMULAS) == set(LIKELIHOODS)


@pytest.mark.parametrize("name", FORMULAS)
def test_likelihood_is_its_formula(name):
    expected = FORMULAS[name](X.astype(float), MEAN.astype(float)).sum(axis=(-1, -2, -3))
    ours = log_likelihood(name, X, MEAN)
    assert ours.shape == (5, 4)
    np.testing.assert_allclose(ours, expected, rtol=1e-5)


def test_bernoulli_floors_saturated_means_at_1e_9():
    mean = np.array([[0.0, 1.0, 0.0, 1.0]], np.float32)
    x = np.array([[1.0, 0.0, 0.0, 1.0]], np.float32)
    np.testing.assert_allclose(log_likelihood("bernoulli", x, mean), [2 * np.log(1e-9)], rtol=1e-5)
