import io

import numpy as np
import pytest
from PIL import Image

from dgan_jax import schema
from dgan_jax.visualize import sheets

CAR = schema.get_schema('car_20')


def samples(count, height=16, width=16):
  random = np.random.default_rng(0)
  shape = (count, height, width)
  return (
    random.integers(0, 256, (*shape, 3), np.uint8),
    random.integers(0, 20, shape, np.uint8),
    random.uniform(0, 0.7, shape).astype(np.float16),
  )


def colors(picture):
  """How often each colour occurs."""
  found = picture.convert('RGB').getcolors(picture.width * picture.height)
  return {color: count for count, color in found}


def test_an_overlay_mixes_image_and_labels():
  image = np.full((1, 2, 3), 100, np.uint8)
  mask = np.array([[3, 5]], np.uint8)
  mixed = sheets.overlay(image, mask, CAR, alpha=0.5)
  np.testing.assert_array_equal(mixed[0, 0], [112, 100, 67])
  np.testing.assert_array_equal(mixed[0, 1], [174, 156, 71])
  np.testing.assert_array_equal(sheets.overlay(image, mask, CAR, 0), image)


def test_background_is_not_painted_over():
  image = np.full((2, 2, 3), 100, np.uint8)
  mask = np.array([[0, 0], [0, 255]], np.uint8)
  mixed = sheets.overlay(image, mask, CAR, alpha=1)
  np.testing.assert_array_equal(mixed[mask == 0], image[mask == 0])
  np.testing.assert_array_equal(mixed[1, 1], schema.IGNORE_COLOR)


def test_where_two_masks_differ_there_is_colour_and_elsewhere_pale_grey():
  images, masks, _ = samples(1)
  other = masks[0].copy()
  other[2, 3] ^= 1
  picture = sheets.difference_image(images[0], masks[0], other)
  assert tuple(picture[2, 3]) == sheets.DIFFERENT
  grey = np.delete(picture.reshape(-1, 3), 2 * 16 + 3, axis=0).astype(int)
  assert (grey == grey[:, :1]).all()
  assert grey.min() >= 160


def test_the_heat_map_grows_lighter_and_clips():
  values = np.linspace(0, 2, 201)[None].astype(np.float16)
  heat = sheets.uncertainty_image(values, maximum=1.0)
  weights = np.array([0.2126, 0.7152, 0.0722])
  lightness = heat[0] @ weights
  assert (np.diff(lightness[:101]) > 0).all()
  assert (heat[0, 100:] == heat[0, 100]).all()
  assert heat.dtype == np.uint8


@pytest.mark.parametrize(
  ('high', 'expected'), [(0.3, 0.5), (0.5, 0.5), (0.011, 0.02), (0.69, 1)]
)
def test_the_scale_ends_at_a_round_number(high, expected):
  values = np.full((4, 4), high)
  assert sheets.uncertainty_maximum(values) == pytest.approx(expected)


def test_certain_samples_still_have_a_scale():
  assert sheets.uncertainty_maximum(np.zeros((4, 4), np.float16)) == 1


def test_extremes_are_sorted_and_ties_keep_their_order():
  least, most = sheets.extremes(np.array([0.2, 0.1, 0.3, 0.1]), 3)
  np.testing.assert_array_equal(least, [1, 3, 0])
  np.testing.assert_array_equal(most, [2, 0, 1])
  assert len(sheets.extremes(np.arange(2), 5)[0]) == 2


def test_a_sheet_shows_every_image_enlarged_without_smoothing():
  images, masks, _ = samples(3)
  images[1] = (1, 2, 3)
  sheet = sheets.contact_sheet(
    images, masks, CAR, ['a', 'b', 'c'], title='Samples'
  )
  assert colors(sheet)[1, 2, 3] >= 128 * 128
  legend = {color for color in CAR.palette if color in colors(sheet)}
  assert len(legend) == 20


def test_a_sheet_needs_neither_masks_nor_captions():
  images, masks, _ = samples(5)
  bare = sheets.contact_sheet(images, columns=2)
  labelled = sheets.contact_sheet(images, masks, schema=CAR, columns=2)
  assert labelled.width > bare.width > 2 * 128
  one = sheets.contact_sheet(images[:1], columns=9)
  assert one.width < bare.width


def test_large_images_are_reduced_and_may_be_oblong():
  images, masks, _ = samples(2, height=384, width=512)
  images[:] = (1, 2, 3)
  sheet = sheets.contact_sheet(images, masks, CAR, columns=1)
  area = 192 * 256
  assert 2 * area <= colors(sheet)[1, 2, 3] < 2.01 * area
  assert sheet.width < 900


def test_a_sheet_of_nothing_or_masks_without_a_schema_are_refused():
  images, masks, _ = samples(1)
  with pytest.raises(ValueError, match='at least one'):
    sheets.contact_sheet(images[:0])
  with pytest.raises(ValueError, match='schema'):
    sheets.contact_sheet(images, masks)


def test_equal_input_gives_equal_bytes():
  images, masks, _ = samples(2)
  first, second = (
    sheets.png(sheets.contact_sheet(images, masks, CAR)) for _ in range(2)
  )
  assert first == second
  assert Image.open(io.BytesIO(first)).mode == 'RGB'
