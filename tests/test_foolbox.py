"""Success rates of FGSM, PGD and CW against another library's, on a small deterministic net of real digits."""

from types import SimpleNamespace

import foolbox
import numpy as np
import pytest
import tensorflow as tf

from deepbayes.attacks.registry import ATTACKS
from deepbayes.attacks.target import Target
from deepbayes.attacks.white_box import cw, fgsm, pgd
from deepbayes.data import mnist5k
from deepbayes.models.baselines.cnn import fit, new_cnn

pytestmark = pytest.mark.slow
N, EPS, PGD_EPS = 200, 0.1, 0.05


@pytest.fixture(autouse=True)
def names_that_numpy_2_dropped(monkeypatch):
    """eagerpy 0.30, which foolbox 3.3.4 stands on, still calls this one."""
    monkeypatch.setattr(np, "find_common_type", lambda a, s: np.result_type(*a, *s), raising=False)


@pytest.fixture(scope="module")
def victim():
    images = mnist5k.load("test", None)
    rows = np.random.default_rng(0).permutation(len(images))
    taught, attacked = images.take(rows[:3000]), images.take(rows[3000 : 3000 + N])
    net = new_cnn((28, 28, 1), 10, 0)
    fit(net, taught.x, np.eye(10)[taught.y], epochs=4)
    return net, attacked.x, attacked.y.astype(np.int32)


def ours(module, net, x, y, value, **options):
    target = Target(lambda v, index, seed: net(v, training=False), 10)
    values = ATTACKS[module.__name__.split(".")[-1]].defaults("paper") | options
    attacked = module.build(target, SimpleNamespace(**values))(x, y, np.arange(len(x), dtype=np.int32), value, 0)
    return attacked, np.mean(net(attacked).numpy().argmax(axis=1) != y)


def theirs(attack, net, x, y, eps):
    model = foolbox.TensorFlowModel(net, bounds=(0, 1))
    _, attacked, _ = attack(model, tf.constant(x), tf.constant(y), epsilons=eps)
    return attacked.numpy(), np.mean(net(attacked).numpy().argmax(axis=1) != y)


def test_the_net_is_a_classifier_worth_attacking(victim):
    net, x, y = victim
    assert np.mean(net(x).numpy().argmax(axis=1) == y) > 0.9


def test_fgsm(victim):
    _, rate = ours(fgsm, *victim, EPS)
    _, other = theirs(foolbox.attacks.LinfFastGradientAttack(), *victim, EPS)
    assert 0.1 < other < 0.95
    assert rate == pytest.approx(other, abs=0.02)


def test_pgd(victim):
    attack = foolbox.attacks.LinfPGD(steps=40, abs_stepsize=0.01, random_start=False)
    _, rate = ours(pgd, *victim, PGD_EPS, start="image")
    _, other = theirs(attack, *victim, PGD_EPS)
    assert 0.05 < other < 0.98
    assert rate == pytest.approx(other, abs=0.02)


def test_cw(victim):
    """foolbox returns black images where it finds nothing, and counts them as successes.

    At a rate of .01: TF 1's Adam adds epsilon before the bias correction, so that black pixels, whose gradients behind
    tanh are about 1e-6, start later than foolbox's, and with large steps an image is found some steps later.
    """
    net, x, y = victim[0], victim[1][:60], victim[2][:60]
    attack = foolbox.attacks.L2CarliniWagnerAttack(
        binary_search_steps=1, steps=120, stepsize=0.01, initial_const=10.0, abort_early=False
    )
    attacked, rate = ours(cw, net, x, y, 10.0, steps=120, learning_rate=0.01)
    other_attacked, _ = theirs(attack, net, x, y, None)
    found = other_attacked.reshape(60, -1).any(axis=1)
    other = np.mean(found & (net(other_attacked).numpy().argmax(axis=1) != y))
    assert other > 0.1
    assert rate == pytest.approx(other, abs=0.02)
    norms = [np.linalg.norm((a - x).reshape(60, -1), axis=1) for a in (attacked, other_attacked)]
    both = (norms[0] > 0) & found
    assert norms[0][both].mean() == pytest.approx(norms[1][both].mean(), rel=0.02)
