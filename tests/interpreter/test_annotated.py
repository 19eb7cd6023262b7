import dataclasses
import itertools

import jax
import numpy as np
import pytest

from dgan_jax import errors
from dgan_jax import pyramid as pyramid_lib
from dgan_jax.generators import generator as generators
from dgan_jax.interpreter import annotated
from tests.interpreter import synthetic


@pytest.fixture(scope='module')
def annotations():
  return synthetic.annotations()


@pytest.fixture(scope='module')
def pixels(annotations):
  return synthetic.pixels(annotations)


def test_every_labelled_pixel_is_listed_once_and_no_other(annotations, pixels):
  listed = np.zeros(annotations.masks.shape, int)
  where = tuple(map(np.asarray, (pixels.image, pixels.row, pixels.column)))
  np.add.at(listed, where, 1)
  labelled = annotations.masks != synthetic.IGNORED
  np.testing.assert_array_equal(listed, labelled)
  assert pixels.num_pixels == labelled.sum()


def test_a_region_is_one_class_of_one_image(annotations, pixels):
  starts = np.asarray(pixels.region_start)
  assert starts[0] == 0
  assert starts[-1] == pixels.num_pixels
  image, label = (
    np.asarray(pixels.image),
    annotations.masks[pixels.image, pixels.row, pixels.column],
  )
  regions = [
    set((image * 10 + label)[a:b].tolist())
    for a, b in itertools.pairwise(starts)
  ]
  assert all(len(region) == 1 for region in regions)
  found = [region.pop() for region in regions]
  expected = {
    image * 10 + label
    for image, mask in enumerate(annotations.masks)
    for label in set(mask.ravel().tolist()) - {synthetic.IGNORED}
  }
  assert len(found) == pixels.num_regions == len(expected)
  assert set(found) == expected


def test_pixels_have_the_features_of_their_image(annotations, pixels):
  sample = jax.jit(generators.sample_latents, static_argnums=3)
  _, pyramid = sample(
    synthetic.GENERATOR, annotations.latents, None, synthetic.SAMPLING
  )
  columns = np.asarray(pyramid_lib.hypercolumns(pyramid, pixels.canvas))
  index = np.array([0, 5, 50, pixels.num_pixels - 1])
  x, labels = pixels.gather(index)
  where = tuple(
    np.asarray(a)[index] for a in (pixels.image, pixels.row, pixels.column)
  )
  np.testing.assert_allclose(x, columns[where], atol=1e-4)
  np.testing.assert_array_equal(labels, annotations.masks[where])


def test_masks_of_another_size_are_refused(annotations):
  cropped = dataclasses.replace(annotations, masks=annotations.masks[:, :5])
  with pytest.raises(errors.UserError, match=r'labels are 8x5; .* are 8x8'):
    annotated.draw(synthetic.GENERATOR, cropped, synthetic.SAMPLING)
