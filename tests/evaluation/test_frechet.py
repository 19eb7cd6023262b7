import jax
import numpy as np
import pytest

from dgan_jax import errors, rng
from dgan_jax.evaluation import frechet
from dgan_jax.gan import quality
from tests import small
from tests.segmentation import synthetic


def _gaussian(count, size=6, seed=0):
  return np.random.default_rng(seed).normal(size=(count, size)) * 2 + 1


def test_the_distance_of_shifted_gaussians_is_the_square_of_the_shift():
  features = _gaussian(500)
  shift = np.arange(6) / 3
  found = frechet.Moments.of(features).distance(
    frechet.Moments.of(features + shift)
  )
  assert found == pytest.approx((shift**2).sum(), rel=1e-9)


def test_the_distance_of_stretched_gaussians_is_that_of_their_deviations():
  """Axis by axis: |m1 - m2|^2 + (s1 - s2)^2."""
  features = np.linalg.qr(_gaussian(40) - _gaussian(40).mean(0))[0]
  features -= features.mean(0)
  features = np.linalg.qr(features)[0] * np.sqrt(39)  # covariance: identity
  stretch = np.array([0.5, 1, 1, 2, 3, 4])
  found = frechet.Moments.of(features).distance(
    frechet.Moments.of(features * stretch)
  )
  assert found == pytest.approx(((stretch - 1) ** 2).sum(), rel=1e-9)


def test_moments_of_parts_add_up_to_those_of_all():
  features = _gaussian(100) + 1000
  parts = [frechet.Moments.of(features[i:j]) for i, j in ((0, 1), (1, 40))]
  found = parts[0] + parts[1] + frechet.Moments.of(features[40:])
  assert found.count == 100
  np.testing.assert_allclose(found.mean, features.mean(0), rtol=1e-12)
  np.testing.assert_allclose(
    found.covariance, np.cov(features, rowvar=False), rtol=1e-9
  )


def test_features_depend_neither_on_other_images_nor_on_devices():
  images, _ = synthetic.pairs(21)
  annotator = synthetic.annotator()
  one = frechet.extractor(annotator, devices=jax.devices()[:1])
  eight = frechet.extractor(annotator)
  features = one(images)
  assert features.shape == (21, annotator.architecture.num_features)
  np.testing.assert_array_equal(eight(images), features)
  np.testing.assert_array_equal(eight(images[:2]), features[:2])
  np.testing.assert_array_equal(one(images[20:]), features[20:])


def test_other_pictures_are_further_away_than_more_of_the_same():
  extract = frechet.extractor(synthetic.annotator())
  first, again = (
    frechet.Moments.of(extract(synthetic.pairs(200, seed=seed)[0]))
    for seed in (0, 1)
  )
  images, _ = synthetic.pairs(200, seed=1)
  worse = images // 2 + images[:, ::-1] // 2
  other = frechet.Moments.of(extract(worse))
  assert first.distance(other) > 10 * first.distance(again)


def test_the_training_of_generators_measures_by_these_features():
  generator = small.generator(16)
  own = quality.Drawer(rng.root_key(0))(generator, 64)
  extract = frechet.extractor(synthetic.annotator())
  near, far = (
    quality.FrechetDistance(
      extract, reals, name='its', key=rng.root_key(1), count=64
    )
    for reals in (own, 255 - own)
  )
  assert near(generator) < 0.5 * far(generator)


def test_what_has_no_features_is_refused():
  extract = frechet.extractor(synthetic.annotator())
  with pytest.raises(errors.UserError, match='knows those of 16 x 16'):
    extract(np.zeros((1, 15, 16, 3), np.uint8))
