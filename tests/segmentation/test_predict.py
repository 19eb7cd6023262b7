import jax
import numpy as np
import pytest

from dgan_jax import errors, rng
from dgan_jax.gan import quality
from dgan_jax.segmentation import predict
from tests import small
from tests.segmentation import synthetic


def test_labels_depend_neither_on_other_images_nor_on_devices():
  images, _ = synthetic.pairs(21)
  one = predict.labeller(synthetic.annotator(), devices=jax.devices()[:1])
  eight = predict.labeller(synthetic.annotator())
  masks, confidence = one(images)
  for found in (eight(images), eight(images[:3]), one(images[:1])):
    count = len(found[0])
    np.testing.assert_array_equal(found[0], masks[:count])
    np.testing.assert_array_equal(found[1], confidence[:count])


def test_confidence_is_the_probability_of_the_label():
  images, _ = synthetic.pairs(4)
  annotator = synthetic.annotator()
  masks, confidence = predict.annotate(annotator, images)
  assert masks.dtype == np.uint8
  logits = annotator.architecture.label(annotator.params, images)
  softmax = np.asarray(jax.nn.softmax(logits))
  np.testing.assert_array_equal(masks, softmax.argmax(-1))
  np.testing.assert_allclose(confidence, softmax.max(-1), rtol=1e-4)


def test_pixels_that_the_schema_ignores_do_not_count():
  images, masks = synthetic.pairs(4)
  masks[:, :8] = 255
  counts = predict.confusion(synthetic.annotator(), images, masks)
  assert counts.sum() == (masks != 255).sum()
  np.testing.assert_array_equal(
    counts.sum(1), np.bincount(masks.ravel(), minlength=3)[:3]
  )


@pytest.mark.parametrize(
  ('images', 'words'),
  [
    (np.zeros((2, 16, 16), np.uint8), r'uint8 \[2, 16, 16\]; expected uint8'),
    (np.zeros((2, 16, 16, 3)), 'float64'),
    (np.zeros((0, 16, 16, 3), np.uint8), 'There are no images'),
    (
      np.zeros((2, 32, 16, 3), np.uint8),
      r'are 32 x 16 \(height x width\); the annotator knows those of 16 x 16',
    ),
  ],
)
def test_what_cannot_be_labelled_is_refused(images, words):
  with pytest.raises(errors.UserError, match=words):
    predict.annotate(synthetic.annotator(), images)


def test_features_depend_neither_on_other_images_nor_on_devices():
  images, _ = synthetic.pairs(21)
  annotator = synthetic.annotator()
  one = predict.extractor(annotator, devices=jax.devices()[:1])
  eight = predict.extractor(annotator)
  features = one(images)
  assert features.shape == (21, annotator.architecture.num_features)
  np.testing.assert_array_equal(eight(images), features)
  np.testing.assert_array_equal(eight(images[:2]), features[:2])
  np.testing.assert_array_equal(one(images[20:]), features[20:])


def test_the_training_of_generators_measures_by_these_features():
  generator = small.generator(16)
  own = quality.Drawer(rng.root_key(0))(generator, 64)
  extract = predict.extractor(synthetic.annotator())
  near, far = (
    quality.FrechetDistance(
      extract, reals, name='its', key=rng.root_key(1), count=64
    )
    for reals in (own, 255 - own)
  )
  assert near(generator) < 0.5 * far(generator)


def test_other_images_have_no_features():
  extract = predict.extractor(synthetic.annotator())
  with pytest.raises(errors.UserError, match='knows those of 16 x 16'):
    extract(np.zeros((1, 15, 16, 3), np.uint8))
