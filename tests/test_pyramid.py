import jax
import numpy as np
import pytest

from dgan_jax import pyramid as pyramid_lib


def _pyramid(resolution, batch=2):
  random = np.random.default_rng(resolution)
  sizes = [r for r in pyramid_lib.resolutions_up_to(resolution) for _ in '12']
  return pyramid_lib.FeaturePyramid(
    tuple(
      random.normal(size=(batch, r, r, 1 + i % 3)).astype(np.float32)
      for i, r in enumerate(sizes)
    )
  )


@pytest.mark.parametrize(
  ('resolution', 'canvas'),
  [
    (8, pyramid_lib.Canvas.of(8)),
    (32, pyramid_lib.Canvas.of(32, (5, 28))),
    (32, pyramid_lib.Canvas((16, 16), (1, 14))),
  ],
  ids=str,
)
def test_single_pixels_are_those_of_the_hypercolumns(resolution, canvas):
  pyramid = _pyramid(resolution)
  columns = jax.jit(pyramid_lib.hypercolumns, static_argnums=1)(pyramid, canvas)
  assert columns.shape == (
    2,
    canvas.height,
    canvas.width,
    sum(pyramid.channels),
  )
  index = np.indices(columns.shape[:3]).reshape(3, -1)
  pixels = jax.jit(pyramid_lib.pixels, static_argnums=1)(
    pyramid, canvas, *index
  )
  flat = columns.reshape(pixels.shape)
  np.testing.assert_allclose(pixels, flat, atol=2e-6)


def test_stacked_features_of_a_generator_are_resized_images():
  canvas = pyramid_lib.Canvas((8, 8), (1, 7))
  pyramid = _pyramid(16)
  expected = np.concatenate([canvas.image(x) for x in pyramid.levels], -1)
  columns = pyramid_lib.hypercolumns(pyramid, canvas)
  np.testing.assert_allclose(columns, expected, atol=2e-6)


def test_a_level_lies_where_its_geometry_says():
  level = np.arange(3, dtype=np.float32).reshape(1, 1, 3, 1)
  place = pyramid_lib.Geometry(columns=pyramid_lib.Axis(2, 1))
  pyramid = pyramid_lib.FeaturePyramid((level,), (place,))
  columns = pyramid_lib.hypercolumns(pyramid, pyramid_lib.Canvas.of(8))
  # Centres at 2, 4 and 6 of the labels, whose pixels have theirs at 0.5, 1.5 ..
  expected = [0, 0, 0.25, 0.75, 1.25, 1.75, 2, 2]
  np.testing.assert_allclose(columns[0, 5, :, 0], expected)


def test_halving_is_the_mean_of_2x2_pixels():
  maps = _pyramid(16).levels[-1]
  mean = maps.reshape(2, 8, 2, 8, 2, -1).mean((2, 4))
  np.testing.assert_allclose(pyramid_lib.resize(maps, (8, 8)), mean, atol=1e-6)


def test_upsampling_has_half_pixel_centres():
  ramp = np.arange(4, dtype=np.float32)
  maps = np.broadcast_to(ramp[None, None, :, None], (1, 4, 4, 1))
  row = pyramid_lib.resize(maps, (4, 8))[0, 0, :, 0]
  expected = [0, 0.25, 0.75, 1.25, 1.75, 2.25, 2.75, 3]
  np.testing.assert_allclose(row, expected)


def test_the_image_is_reduced_before_it_is_cropped():
  canvas = pyramid_lib.Canvas((8, 16), (2, 5))
  rgb = _pyramid(16).levels[-1]
  np.testing.assert_allclose(
    canvas.image(rgb), pyramid_lib.resize(rgb, (8, 16))[:, 2:5]
  )
  assert (canvas.height, canvas.width) == (3, 16)


@pytest.mark.parametrize(('resolution', 'size'), [(256, 256), (1024, 512)])
def test_labels_are_512_px_at_most(resolution, size):
  canvas = pyramid_lib.Canvas.of(resolution)
  assert (canvas.height, canvas.width) == (size, size)


@pytest.mark.parametrize(
  ('arguments', 'words'),
  [
    ((2048,), 'canvas of 512 px cannot hold a 2048 px image'),
    ((64, (0, 65)), r'\(0, 65\) do not lie within 0 to 64'),
    ((64, (9, 9)), r'\(9, 9\)'),
  ],
)
def test_an_impossible_canvas_is_refused(arguments, words):
  with pytest.raises(ValueError, match=words):
    pyramid_lib.Canvas.of(*arguments)


@pytest.mark.parametrize('numbers', [(0, 0), (-1, 0), (1, np.nan), (np.inf, 0)])
def test_an_impossible_place_is_refused(numbers):
  with pytest.raises(ValueError, match=r'expected finite .* above 0'):
    pyramid_lib.Axis(*numbers)


def test_eight_bits_round_down_and_clip():
  rgb = np.float32([-9, -1, -0.5 / 127.5, 0, 0.999 / 127.5, 1, 9])
  expected = [0, 0, 127, 128, 128, 255, 255]
  np.testing.assert_array_equal(pyramid_lib.to_uint8(rgb), expected)
