import functools

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from dgan_jax import pyramid as pyramid_lib
from dgan_jax.interpreter import labelling
from dgan_jax.tasks import part_segmentation
from tests import small

_label = jax.jit(labelling.label, static_argnums=(2, 3))


def _pyramid(resolution, batch=1, sizes=None):
  """A generator's of this resolution, or levels of any sizes."""
  random = np.random.default_rng(resolution)
  sizes = sizes or [
    (r, r) for r in pyramid_lib.resolutions_up_to(resolution) for _ in '12'
  ]
  return pyramid_lib.FeaturePyramid(
    tuple(
      random.normal(size=(batch, *size, 2 + i % 3)).astype(np.float32)
      for i, size in enumerate(sizes)
    )
  )


@functools.partial(jax.jit, static_argnums=2)
def _slow(interpreter, pyramid, canvas):
  """Labels from the stacked features; and how sure the least sure member."""
  columns = pyramid_lib.hypercolumns(pyramid, canvas)

  def one(x):
    logits = small.logits(interpreter, x.reshape(-1, x.shape[-1]))
    each = jax.vmap(part_segmentation.member_statistics)(logits)
    total = jax.tree.map(lambda leaf: leaf.sum(0, dtype=leaf.dtype), each)
    shape = x.shape[:2]
    divergence = part_segmentation.uncertainty(total, len(logits)).reshape(
      shape
    )
    mask = part_segmentation.votes_to_mask(
      total, interpreter.spec.task.soft_voting
    )
    top = jnp.sort(logits, -1)
    margin = (top[..., -1] - top[..., -2]).min(0)
    labels = part_segmentation.Labels(
      mask.reshape(shape), divergence, part_segmentation.score(divergence)
    )
    return labels, margin.reshape(shape)

  return jax.vmap(one)(columns)


@pytest.mark.parametrize(
  ('canvas', 'pyramid', 'tile_pixels'),
  [
    (pyramid_lib.Canvas.of(8), _pyramid(8, 3), 8192),
    (pyramid_lib.Canvas.of(16, (3, 12)), _pyramid(16, 2), 1),
    (pyramid_lib.Canvas.of(32, (4, 28)), _pyramid(32), 256),
    (pyramid_lib.Canvas((32, 32), (5, 30)), _pyramid(64), 100),
    (pyramid_lib.Canvas.of(128, (16, 112)), _pyramid(128), 8192),
    (pyramid_lib.Canvas((12, 20), (1, 11)), _pyramid(0, 2, [(7, 9)] * 2), 40),
  ],
  ids=lambda value: '' if hasattr(value, 'levels') else str(value),
)
def test_native_resolution_gives_the_labels_of_stacked_features(
  canvas, pyramid, tile_pixels
):
  interpreter = small.interpreter(pyramid.channels, members=3)
  fast = _label(interpreter, pyramid, canvas, tile_pixels)
  slow, margin = _slow(interpreter, pyramid, canvas)
  assert fast.mask.shape[1:] == (canvas.height, canvas.width)
  assert fast.mask.shape[0] == len(pyramid.levels[0])
  assert fast.mask.dtype == jnp.uint8
  clear = margin > 1e-3
  assert clear.mean() > 0.9
  np.testing.assert_array_equal(fast.mask[clear], slow.mask[clear])
  np.testing.assert_allclose(fast.uncertainty, slow.uncertainty, atol=2e-5)
  np.testing.assert_allclose(fast.score, slow.score, atol=1e-5)
  assert len(np.unique(fast.mask)) > 1


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
