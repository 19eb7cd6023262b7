import io

import numpy as np
import PIL.Image
import pytest

from dgan_jax import errors
from dgan_jax.factory import records
from tests.factory import fake


def test_a_sample_comes_back_as_it_was():
  sample = fake.sample(7)
  features = fake.LAYOUT.features()
  example = features.deserialize_example_np(
    records.Encoder(features)(fake.LAYOUT.example(sample))
  )
  np.testing.assert_array_equal(example['image'], sample.image)
  np.testing.assert_array_equal(
    example['segmentation_mask'][..., 0], sample.labels['mask']
  )
  np.testing.assert_array_equal(
    example['uncertainty'][..., 0], sample.uncertainty
  )
  np.testing.assert_array_equal(example['latent'], sample.origin['latent'])
  np.testing.assert_array_equal(example['key'], sample.origin['key'])
  assert example['uncertainty'].dtype == np.uint8
  assert example['key'].dtype == np.uint32
  assert np.float32(example['score']) == sample.score
  assert example['index'] == 7


def test_a_sample_of_another_shape_is_refused():
  layout = records.Layout(8, 15, 4, fake.LAYOUT.task)
  with pytest.raises(ValueError, match='does not match'):
    records.Encoder(layout.features())(layout.example(fake.sample(0)))


def test_masks_are_plain_grey_images():
  png = records._png(fake.sample(0).labels['mask'], (8, 16, 1))
  assert PIL.Image.open(io.BytesIO(png)).mode == 'L'


@pytest.mark.parametrize(
  'names',
  [
    {'name': 'Cars'},
    {'name': '../cars'},
    {'config': 'a/b'},
    {'config': '.hidden'},
    {'config': ''},
    {'version': '1.0'},
  ],
)
def test_a_name_that_tfds_cannot_find_is_refused(names):
  with pytest.raises(errors.UserError, match='expected'):
    records.Card(**{'name': 'cars', 'config': 'small'} | names)
