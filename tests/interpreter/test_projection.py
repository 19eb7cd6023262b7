import functools

import jax
import numpy as np
import pytest

from dgan_jax import pyramid as pyramid_lib
from dgan_jax.interpreter import projection

_RANDOM = np.random.default_rng(0)
_BIAS = _RANDOM.normal(size=5).astype('f')


def _pyramid(sizes, geometry=None):
  levels = tuple(
    _RANDOM.normal(size=(*size, 2 + i % 2)).astype('f')
    for i, size in enumerate(sizes)
  )
  return pyramid_lib.FeaturePyramid(levels, geometry)


@functools.partial(jax.jit, static_argnums=3)
def _run(pyramid, kernel, first, canvas):
  """Hidden rows from `first` on, and the features of all pixels in two ways."""
  ready = projection.Projection(pyramid, canvas)
  kernels = tuple(part[0] for part in ready.kernels(kernel))
  hidden = ready.hidden(kernels, _BIAS)(first, canvas.height - 2)
  batch = jax.tree.map(lambda level: level[None], pyramid)
  places = np.indices((1, canvas.height, canvas.width)).reshape(3, -1)
  columns = pyramid_lib.hypercolumns(batch, canvas)[0]
  return hidden, columns, pyramid_lib.pixels(batch, canvas, *places)


def _check(pyramid, canvas):
  """Returns the hidden rows, equal to those of the stacked features."""
  kernel = _RANDOM.normal(size=(1, sum(pyramid.channels), 5)).astype('f')
  hidden, columns, pixels = _run(pyramid, kernel, 2, canvas)
  assert columns.shape[:2] == (canvas.height, canvas.width)
  slow = np.asarray(columns)[2:] @ kernel[0] + _BIAS
  np.testing.assert_allclose(hidden, slow, atol=3e-5)
  np.testing.assert_allclose(pixels, columns.reshape(pixels.shape), atol=1e-5)
  return hidden


# Strides 2, 4 and 8 of a network that pads an image; a level on the labels and
# beyond them; one nearly as coarse as they are.
_STRIDES = tuple(
  pyramid_lib.Geometry(
    pyramid_lib.Axis(scale, -shift), pyramid_lib.Axis(scale, shift)
  )
  for scale, shift in ((2, 0.5), (4, 1), (8, 2), (1, 3), (9, -1))
)
# Far from where its rows are seen, and on every second corner only.
_FAR = (
  pyramid_lib.Geometry(pyramid_lib.Axis(2, 11), pyramid_lib.Axis(2, -12)),
  pyramid_lib.Geometry(pyramid_lib.Axis(2, -12.5)),
  pyramid_lib.Geometry(pyramid_lib.Axis(3, 0.5), pyramid_lib.Axis(3, 0.5)),
)
# On the corners, but not from edge to edge.
_INSIDE = (
  pyramid_lib.Geometry(pyramid_lib.Axis(4, 4), pyramid_lib.Axis(6, -1)),
  pyramid_lib.Geometry(),
)


@pytest.mark.parametrize(
  ('canvas', 'sizes', 'geometry'),
  [
    (((64, 64), (8, 56)), [(48, 48), (64, 64)], None),
    (((64, 64), (0, 64)), [(8, 8), (16, 16)], None),  # only coarse ones
    (((16, 16), (0, 16)), [(1, 1)], None),
    (((16, 16), (3, 11)), [(5, 7), (16, 4), (9, 32)], None),
    (((32, 32), (5, 30)), [(64, 64), (48, 96), (2, 2)], None),
    (((12, 20), (1, 11)), [(3, 5), (6, 10), (12, 20), (24, 40)], None),
    (((7, 9), (0, 7)), [(7, 9), (3, 4)], None),
    (((30, 29), (2, 27)), [(15, 15), (8, 8), (4, 4), (30, 30)], _STRIDES[:4]),
    (
      ((30, 30), (3, 30)),
      [(15, 15), (8, 8), (4, 4), (3, 30), (3, 4)],
      _STRIDES,
    ),
    (((16, 16), (0, 16)), [(2, 3), (16, 16)], _INSIDE),
    (((30, 16), (20, 28)), [(9, 15), (20, 16), (9, 5)], _FAR),
  ],
  ids=str,
)
def test_levels_of_any_size_and_place_are_read(canvas, sizes, geometry):
  _check(_pyramid(sizes, geometry), pyramid_lib.Canvas(*canvas))


def test_levels_meet_on_the_corners_as_if_interpolated_one_by_one(monkeypatch):
  canvas = pyramid_lib.Canvas((24, 40), (5, 22))
  pyramid = _pyramid([(3, 5), (3, 5), (6, 10), (12, 20), (24, 40)])
  taken = []
  on_corners = projection._on_corners
  monkeypatch.setattr(
    projection, '_on_corners', lambda *x: taken.append(x) or on_corners(*x)
  )
  _check(pyramid, canvas)
  assert len(taken) == 2  # groups of equal levels
  monkeypatch.setattr(projection, '_has_kinks_on_corners', lambda place: False)
  _run.clear_cache()
  _check(pyramid, canvas)
  assert len(taken) == 2


@pytest.mark.parametrize('count', [1, 3])
def test_no_level_is_left_out_where_its_place_is_not_said(count):
  pyramid = _pyramid([(8, 8)] * 2, (pyramid_lib.Geometry(),) * count)
  with pytest.raises(ValueError, match=f'{count} geometries for 2 levels'):
    projection.Projection(pyramid, pyramid_lib.Canvas.of(8))
