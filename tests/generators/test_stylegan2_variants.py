"""Networks that there are no vectors of equal the papers' formulas."""

import jax
import numpy as np
import pytest

from dgan_jax.generators import stylegan2
from tests.generators import stylegan2_reference as reference

_BATCH = 3
_CHANNELS = (6, 5, 7)
# Values are up to about 30; float32 rounds to 6e-8 of them, layer by layer.
_TOLERANCE = 3e-5


def _architecture(**options):
  return stylegan2.StyleGAN2(16, _CHANNELS, 8, mapping_layers=3, **options)


def _params(architecture):
  """Weights that none of would go unnoticed."""
  rng = np.random.default_rng(0)

  def random(path, leaf):
    value = rng.normal(size=leaf.shape)
    is_style = len(path) > 1 and path[-2].key == 'style'
    if is_style and path[-1].key == 'bias':
      value = 1 + 0.5 * value
    elif path[0].key == 'mapping' and path[1].key != 'embed':
      value *= 100  # learnt at a hundredth the rate
    return value.astype(np.float32)

  shapes = jax.eval_shape(architecture.init, jax.random.key(0))
  return jax.tree_util.tree_map_with_path(random, shapes)


def _noise(architecture, batch):
  rng = np.random.default_rng(1)
  return tuple(
    rng.normal(size=(batch, r, r, 1)).astype(np.float32)
    for r in architecture.noise_resolutions
  )


def _ws(architecture):
  """Every row of every sample is another."""
  shape = (_BATCH, architecture.num_ws, architecture.latent_size)
  return np.random.default_rng(2).normal(size=shape).astype(np.float32)


def _synthesize(architecture, params, ws, noise):
  """What ours and the reference give."""
  ours = jax.jit(architecture.synthesize)(params, ws, noise)
  theirs = reference.synthesize(
    params['synthesis'], ws, noise, architecture.block, architecture.conv_clamp
  )
  return ours, theirs


def _assert_alike(ours, theirs):
  np.testing.assert_allclose(ours, theirs, rtol=0, atol=_TOLERANCE)


@pytest.mark.parametrize('clamp', [None, 1.5])
@pytest.mark.parametrize('block', stylegan2.BLOCKS)
def test_every_block_gives_the_image_and_features_of_the_papers(block, clamp):
  architecture = _architecture(block=block, conv_clamp=clamp)
  params, ws = _params(architecture), _ws(architecture)
  (rgb, pyramid), theirs = _synthesize(
    architecture, params, ws, _noise(architecture, 1)
  )
  _assert_alike(rgb, theirs.rgb)
  const = params['synthesis']['block_4']['const']
  levels = [np.stack([const] * _BATCH), theirs.layers['block_4']]
  for name in ('block_8', 'block_16'):
    levels += [theirs.layers[f'{name}/conv_0'], theirs.layers[name]]
  for level, expected in zip(pyramid.levels, levels, strict=True):
    _assert_alike(level, expected)
  assert tuple(x.shape[-1] for x in levels) == architecture.feature_channels
  if block == 'skip':
    largest = max(np.abs(x).max() for x in theirs.layers.values())
    assert largest > 1.5 + _TOLERANCE if clamp is None else largest == clamp


@pytest.mark.parametrize('block', stylegan2.BLOCKS)
def test_noise_is_of_every_sample_its_own_or_none(block):
  architecture = _architecture(block=block)
  params, ws = _params(architecture), _ws(architecture)
  images = []
  for noise in (_noise(architecture, _BATCH), None):
    (rgb, _), theirs = _synthesize(architecture, params, ws, noise)
    _assert_alike(rgb, theirs.rgb)
    images.append(rgb)
  assert np.abs(images[0] - images[1]).max() > 0.1


def test_layers_and_images_of_every_resolution_are_those_of_the_papers():
  architecture = _architecture()
  params, ws = _params(architecture), _ws(architecture)
  noise = _noise(architecture, 1)

  @jax.jit
  def run(params):
    _, state = stylegan2.Synthesis(architecture).apply(
      {'params': params}, ws, noise, capture_intermediates=True
    )
    return state['intermediates']

  ours = run(params['synthesis'])
  theirs = reference.synthesize(params['synthesis'], ws, noise)
  for path, expected in theirs.layers.items():
    if '/' in path:
      block, layer = path.split('/')
      _assert_alike(ours[block][layer]['__call__'][0], expected)
  for block, expected in theirs.images.items():
    _assert_alike(ours[block]['__call__'][0][-1], expected)


def test_a_class_changes_w_as_in_stylegan2_ada():
  architecture = _architecture(num_labels=5)
  params = _params(architecture)
  z = np.random.default_rng(3).normal(size=(4, 8)).astype(np.float32)
  labels = np.array([0, 4, 2, 2])
  w = jax.jit(architecture.map)(params, z, labels)
  theirs = reference.map_latents(params['mapping'], z, labels)
  np.testing.assert_allclose(w, theirs, rtol=1e-5, atol=1e-5)
  others = architecture.map(params, z, (labels + 1) % 5)
  assert all(np.abs(w - others).max(1) > 0.01)


def test_without_classes_w_is_that_of_the_papers():
  architecture = _architecture()
  params = _params(architecture)
  z = np.random.default_rng(3).normal(size=(4, 8)).astype(np.float32)
  w = jax.jit(architecture.map)(params, z)
  theirs = reference.map_latents(params['mapping'], z)
  np.testing.assert_allclose(w, theirs, rtol=1e-5, atol=1e-5)
