import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from deepbayes.models.deep_bayes.noise import draw_noise


@settings(max_examples=15, deadline=None)
@given(st.lists(st.integers(0, 60_000), min_size=1, max_size=6), st.integers(0, 2**20))
def test_noise_of_an_image_does_not_depend_on_its_company(index, seed):
    together = draw_noise(seed, index, 2, 3, 4).numpy()
    assert together.shape == (2, 3, len(index), 4)
    for position, i in enumerate(index):
        alone = draw_noise(seed, [i], 2, 3, 4).numpy()
        np.testing.assert_array_equal(together[:, :, position], alone[:, :, 0])


def test_more_samples_keep_the_first_ones():
    few, many = draw_noise(3, [5, 9], 4, 10, 64).numpy(), draw_noise(3, [5, 9], 10, 10, 64).numpy()
    np.testing.assert_array_equal(many[:4], few)


def test_seeds_images_classes_and_samples_are_independent_standard_normals():
    noise = draw_noise(0, range(50), 5, 4, 16).numpy()
    assert abs(noise.mean()) < 0.02
    assert abs(noise.std() - 1) < 0.02
    assert len(np.unique(noise)) > 0.999 * noise.size
    other = draw_noise(1, range(50), 5, 4, 16).numpy()
    assert abs(np.corrcoef(noise.ravel(), other.ravel())[0, 1]) < 0.02
