import signal
from dataclasses import replace

import keras
import numpy as np
import pytest
import tensorflow as tf

from deepbayes.models import training
from deepbayes.models.baselines.cnn import new_cnn_classifier
from deepbayes.models.files import FileError
from deepbayes.models.recipes import Recipe
from deepbayes.models.training import FusedAdam, Trainer, TrainingData, TrainingDiverged
from helpers import tiny_classifier, tiny_images

X, Y = tiny_images(64)
RECIPE = Recipe(epochs=3, batch_size=8, learning_rate=1e-3)
SEED = 4


def trainer(folder, recipe=RECIPE, x=X, name="GFZ", seed=SEED, checkpoint_steps=5, **options):
    data, checkpoint = TrainingData(x, Y[: len(x)], "data"), folder / "checkpoint.npz"
    return Trainer(tiny_classifier(name), data, recipe, seed, checkpoint, checkpoint_steps, **options)


def weights(t: Trainer):
    return {n: np.array(v) for n, v in t.classifier.named_weights().items()}


@pytest.mark.parametrize("name", ["GFY", "DFX"])
def test_the_bound_rises_and_labels_are_learnt(tmp_path, name):
    x = X * 0.1
    x[np.arange(64), 2 * Y] += 0.9  # one bright row says the label
    t = trainer(tmp_path, Recipe(epochs=30, batch_size=8, learning_rate=1e-2), x=x, name=name)
    assert t.run()
    assert np.mean(np.argmax(t.classifier.model(x), axis=1) == Y) > 0.9
    history = t.progress.history
    assert [r["epoch"] for r in history] == list(range(1, 31))
    assert history[-1]["bound"] > history[0]["bound"] + 0.5
    terms = [v for k, v in history[0].items() if "log " in k]
    assert len(terms) == len(history[0]) - 4  # beside epoch, bound, accuracy, seconds
    assert history[0]["bound"] == pytest.approx(sum(terms))


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_an_interrupted_run_ends_at_the_weights_of_an_uninterrupted_one(tmp_path, number):
    whole = trainer(tmp_path / "whole")
    assert whole.run()
    broken = trainer(tmp_path / "broken")
    assert not broken.run(lambda t: signal.raise_signal(number) if t.progress.step == 10 else None)
    assert broken.stopped_by == number
    resumed = trainer(tmp_path / "broken")
    assert resumed.progress.step == 10
    assert resumed.run()
    for name, value in weights(whole).items():
        np.testing.assert_array_equal(value, weights(resumed)[name], err_msg=name)
    assert [r["bound"] for r in whole.progress.history] == [r["bound"] for r in resumed.progress.history]


def test_the_baseline_is_trained_alike_and_its_history_has_its_own_words(tmp_path):
    def of_the_baseline(folder, epochs):
        keras.utils.set_random_seed(7)
        data = TrainingData(X, Y, "data")
        return Trainer(
            new_cnn_classifier("cnn", (8, 8, 1), 3), data, replace(RECIPE, epochs=epochs), SEED, folder / "c.npz"
        )

    whole = of_the_baseline(tmp_path / "whole", 2)
    assert whole.run()
    assert of_the_baseline(tmp_path / "parts", 1).run()
    resumed = of_the_baseline(tmp_path / "parts", 2)
    assert resumed.progress.step == 8
    assert resumed.run()
    for name, value in weights(whole).items():
        np.testing.assert_array_equal(value, weights(resumed)[name], err_msg=name)
    rows = whole.progress.history
    assert list(rows[0]) == ["epoch", "log-likelihood", "log p(y|x)", "accuracy", "seconds"]
    assert all(row["log-likelihood"] == row["log p(y|x)"] for row in rows)


def test_a_run_that_was_killed_loses_at_most_one_checkpoint_interval(tmp_path, monkeypatch):
    class Killed(BaseException):
        pass

    def kill(t):
        if t.progress.step == 12:
            raise Killed

    monkeypatch.setattr(training, "_CHUNK", 2)

    with pytest.raises(Killed):
        trainer(tmp_path).run(kill)
    assert trainer(tmp_path).progress.step == 10


def test_training_longer_goes_on_from_a_finished_run(tmp_path):
    assert trainer(tmp_path).run()
    longer = trainer(tmp_path, replace(RECIPE, epochs=4))
    assert longer.progress.step == 24
    assert longer.run()
    assert len(longer.progress.history) == 4


def test_kl_warmup_weighs_the_kl_terms_alone(tmp_path):
    """In its first epoch's first step the weight is 0: weights that only the KL terms see stay where they are."""
    t = trainer(tmp_path, Recipe(epochs=1, batch_size=64, learning_rate=1e-3, kl_warmup=1), name="DBX")
    before = weights(t)
    t.run()
    moved = {n for n, v in weights(t).items() if not np.array_equal(v, before[n])}
    assert moved == {n for n in before if not n.startswith("p_z")}


def test_validation_is_kept_in_the_history(tmp_path):
    t = trainer(tmp_path, validate=lambda epoch: epoch / 10 if epoch == 2 else None)
    t.run()
    assert [r["accuracy"] for r in t.progress.history] == [None, 0.2, None]


def test_nan_stops_training_with_step_and_term_and_keeps_the_checkpoint(tmp_path):
    last = np.random.default_rng([4, 0]).permutation(64)[-1]  # of the first epoch's order: its eighth step
    x = X.copy()
    x[last] = np.nan
    with pytest.raises(TrainingDiverged, match=r"GFZ: log p\(x\|\.\).* NaN or infinite at step 8 \(epoch 1\)"):
        trainer(tmp_path, x=x).run()
    assert trainer(tmp_path, x=x).progress.step == 5


@pytest.mark.parametrize("cut", [0, 100, -1])
def test_a_truncated_checkpoint_is_named_and_never_loads(tmp_path, cut):
    trainer(tmp_path).run()
    file = tmp_path / "checkpoint.npz"
    file.write_bytes(file.read_bytes()[:cut])
    with pytest.raises(FileError, match=r"checkpoint\.npz is damaged"):
        trainer(tmp_path)


@pytest.mark.parametrize("change", [{"learning_rate": 0.1}, {"batch_size": 4}, {"initialiser": "independent"}])
def test_a_checkpoint_of_another_run_is_refused(tmp_path, change):
    trainer(tmp_path).run()
    with pytest.raises(FileError, match="other settings, data or seed"):
        trainer(tmp_path, replace(RECIPE, **change))


def test_a_checkpoint_of_another_seed_is_refused(tmp_path):
    trainer(tmp_path).run()
    with pytest.raises(FileError, match="other settings, data or seed"):
        trainer(tmp_path, seed=5)


def test_a_checkpoint_of_another_classifier_is_refused(tmp_path):
    trainer(tmp_path).run()
    with pytest.raises(FileError, match="other variables"):
        trainer(tmp_path, name="DFX")


def test_a_checkpoint_of_another_number_of_images_is_refused(tmp_path):
    trainer(tmp_path).run()
    with pytest.raises(FileError, match="other settings, data or seed"):
        trainer(tmp_path, x=X[:56])


def test_too_few_images_for_a_batch(tmp_path):
    with pytest.raises(ValueError, match="do not fill one batch of 65"):
        trainer(tmp_path, replace(RECIPE, batch_size=65))


def test_the_fused_adam_takes_kerass_steps():
    random, weights = np.random.default_rng(0), []
    gradients = [
        random.normal(size=(20, 5)).astype(np.float32) * 10.0 ** random.uniform(-6, 1, (20, 5)) for _ in range(2)
    ]
    for optimizer in (FusedAdam(1e-2, epsilon=1e-8), keras.optimizers.Adam(1e-2, epsilon=1e-8)):
        variables = [keras.Variable(np.ones(5, np.float32)) for _ in range(2)]
        optimizer.build(variables)
        for step in range(20):
            optimizer.apply([tf.constant(g[step], tf.float32) for g in gradients], variables)
        weights.append([v.numpy() for v in variables])
    np.testing.assert_allclose(weights[0], weights[1], rtol=1e-5)
