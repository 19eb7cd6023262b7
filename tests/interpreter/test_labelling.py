import functools

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from dgan_jax import pyramid as pyramid_lib
from dgan_jax.interpreter import ensemble, labelling
from dgan_jax.tasks import part_segmentation
from tests import small

_label = jax.jit(labelling.label, static_argnums=(2, 3))
_columns = jax.jit(pyramid_lib.hypercolumns, static_argnums=1)
_pixels = jax.jit(pyramid_lib.pixels, static_argnums=1)


def _pyramid(resolution, batch=1):
  random = np.random.default_rng(resolution)
  sizes = [r for r in pyramid_lib.resolutions_up_to(resolution) for _ in '12']
  return pyramid_lib.FeaturePyramid(
    tuple(
      random.normal(size=(batch, r, r, 2 + i % 3)).astype(np.float32)
      for i, r in enumerate(sizes)
    )
  )


@functools.partial(jax.jit, static_argnums=2)
def _slow(interpreter, pyramid, canvas):
  """Labels from the stacked features; and how sure the least sure member."""
  columns = pyramid_lib.hypercolumns(pyramid, canvas)

  def one(x):
    logits = ensemble.logits(interpreter, x.reshape(-1, x.shape[-1]))
    each = jax.vmap(part_segmentation.member_statistics)(logits)
    total = jax.tree.map(lambda leaf: leaf.sum(0, dtype=leaf.dtype), each)
    shape = x.shape[:2]
    doubt = part_segmentation.uncertainty(total, len(logits)).reshape(shape)
    mask = part_segmentation.votes_to_mask(
      total, interpreter.spec.task.soft_voting
    )
    top = jnp.sort(logits, -1)
    margin = (top[..., -1] - top[..., -2]).min(0)
    labels = part_segmentation.Labels(
      mask.reshape(shape), doubt, part_segmentation.score(doubt)
    )
    return labels, margin.reshape(shape)

  return jax.vmap(one)(columns)


@pytest.mark.parametrize(
  ('canvas', 'batch', 'tile_pixels'),
  [
    (pyramid_lib.Canvas.of(8), 3, 8192),
    (pyramid_lib.Canvas.of(16, (3, 12)), 2, 1),
    (pyramid_lib.Canvas.of(32, (4, 28)), 1, 256),
    (pyramid_lib.Canvas(64, 32, (5, 30)), 1, 100),
    (pyramid_lib.Canvas.of(128, (16, 112)), 1, 8192),
  ],
  ids=str,
)
def test_native_resolution_gives_the_labels_of_stacked_features(
  canvas, batch, tile_pixels
):
  pyramid = _pyramid(canvas.resolution, batch)
  interpreter = small.interpreter(pyramid.channels, members=3)
  fast = _label(interpreter, pyramid, canvas, tile_pixels)
  slow, margin = _slow(interpreter, pyramid, canvas)
  assert fast.mask.shape == (batch, canvas.height, canvas.width)
  assert fast.mask.dtype == jnp.uint8
  clear = margin > 1e-3
  assert clear.mean() > 0.9
  np.testing.assert_array_equal(fast.mask[clear], slow.mask[clear])
  np.testing.assert_allclose(fast.uncertainty, slow.uncertainty, atol=2e-5)
  np.testing.assert_allclose(fast.score, slow.score, atol=1e-5)
  assert len(np.unique(fast.mask)) > 1


@pytest.mark.parametrize(
  ('canvas', 'sizes', 'geometry'),
  [
    (pyramid_lib.Canvas.of(64, (8, 56)), [(48, 48), (64, 64)], None),
    (pyramid_lib.Canvas.of(64), [(8, 8), (16, 16)], None),  # only coarse ones
    (pyramid_lib.Canvas.of(16), [(1, 1)], None),
    (pyramid_lib.Canvas.of(16, (3, 11)), [(5, 7), (16, 4), (9, 32)], None),
    (pyramid_lib.Canvas(64, 32, (5, 30)), [(64, 64), (48, 96), (2, 2)], None),
    (
      # As strides 2, 4 and 8 of a network that pads an image of 30 pixels.
      pyramid_lib.Canvas(30, 30, (2, 27)),
      [(15, 15), (8, 8), (4, 4), (30, 30), (3, 30)],
      tuple(
        pyramid_lib.Geometry(
          pyramid_lib.Axis(scale, -shift), pyramid_lib.Axis(scale, shift)
        )
        for scale, shift in ((2, 0.5), (4, 1), (8, 2), (1, 3), (9, -1))
      ),
    ),
    (
      # On the corners, but not from edge to edge.
      pyramid_lib.Canvas.of(16),
      [(2, 3), (16, 16)],
      (
        pyramid_lib.Geometry(pyramid_lib.Axis(4, 4), pyramid_lib.Axis(6, -1)),
        pyramid_lib.Geometry(),
      ),
    ),
  ],
  ids=str,
)
def test_levels_of_any_size_and_place_are_read(canvas, sizes, geometry):
  random = np.random.default_rng(0)
  pyramid = pyramid_lib.FeaturePyramid(
    tuple(
      random.normal(size=(1, *size, 3)).astype(np.float32) for size in sizes
    ),
    geometry,
  )
  interpreter = small.interpreter(pyramid.channels, members=3)
  fast = _label(interpreter, pyramid, canvas, 100)
  slow, margin = _slow(interpreter, pyramid, canvas)
  clear = margin > 1e-3
  assert clear.mean() > 0.9
  np.testing.assert_array_equal(fast.mask[clear], slow.mask[clear])
  np.testing.assert_allclose(fast.uncertainty, slow.uncertainty, atol=2e-5)
  index = np.indices(fast.mask.shape).reshape(3, -1)
  columns = _columns(pyramid, canvas)
  found = _pixels(pyramid, canvas, *index)
  np.testing.assert_allclose(found, columns.reshape(found.shape), atol=1e-5)


def test_soft_voting_takes_the_largest_mean_softmax():
  canvas = pyramid_lib.Canvas.of(8)
  pyramid = _pyramid(8, 3)
  masks = {}
  for soft in (False, True):
    interpreter = small.interpreter(pyramid.channels, soft_voting=soft)
    masks[soft] = np.asarray(_label(interpreter, pyramid, canvas).mask)
    slow, margin = _slow(interpreter, pyramid, canvas)
    clear = margin > 1e-3
    assert (masks[soft] == slow.mask)[clear].mean() > 0.99
  assert (masks[False] != masks[True]).any()


def test_features_in_bfloat16_give_nearly_the_same_labels():
  canvas = pyramid_lib.Canvas.of(16)
  pyramid = _pyramid(16, 2)
  interpreter = small.interpreter(pyramid.channels)
  exact = _label(interpreter, pyramid, canvas)
  half = jax.tree.map(lambda leaf: leaf.astype(jnp.bfloat16), pyramid)
  labels = _label(interpreter, half, canvas)
  assert (labels.mask == exact.mask).mean() > 0.97
  assert labels.uncertainty.dtype == jnp.float32
  np.testing.assert_allclose(labels.score, exact.score, atol=0.02)


def test_features_of_another_generator_are_refused():
  pyramid = _pyramid(16)
  interpreter = small.interpreter((2, 2))
  with pytest.raises(ValueError, match=r'features of \(2, 2\) channels'):
    labelling.label(interpreter, pyramid, pyramid_lib.Canvas.of(16))
