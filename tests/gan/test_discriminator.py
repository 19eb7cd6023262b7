import chex
import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax import lax

from dgan_jax import rng
from dgan_jax.gan import discriminator as discriminators

_SMALL = discriminators.ResidualDiscriminator(16, (6, 5, 4), group_size=2)


def _images(count, size=16, seed=0):
  shape = (count, size, size, 3)
  return jnp.asarray(np.random.default_rng(seed).normal(size=shape), 'f')


def _init(architecture):
  return jax.jit(architecture.init)(rng.root_key(0))


@pytest.fixture(scope='module')
def params():
  return _init(_SMALL)


_score = jax.jit(_SMALL.score, static_argnames='dtype')


def _filtered(x):
  """[1, 3, 3, 1] / 8 along both axes by one depthwise convolution, padded by
  2 on every side."""
  taps = np.array([1, 3, 3, 1], 'f') / 8
  kernel = np.tile(np.outer(taps, taps)[..., None, None], (1, x.shape[-1]))
  return lax.conv_general_dilated(
    x,
    kernel,
    (1, 1),
    [(2, 2), (2, 2)],
    dimension_numbers=('NHWC', 'HWIO', 'NHWC'),
    feature_group_count=x.shape[-1],
  )


def _kernel():
  return jnp.asarray(np.random.default_rng(1).normal(size=(3, 3, 3, 5)), 'f')


def test_downsampling_filters_and_drops_every_second_pixel():
  x = _images(2, 8)
  np.testing.assert_allclose(
    discriminators.downsample(x), _filtered(x)[:, 1::2, 1::2], atol=1e-6
  )


def _slow_downsample(x):
  return _filtered(x)[:, 1::2, 1::2]


def _slow_downsampling_conv(x, kernel):
  return lax.conv_general_dilated(
    _filtered(x),
    kernel,
    (2, 2),
    'VALID',
    dimension_numbers=('NHWC', 'HWIO', 'NHWC'),
  )


@pytest.mark.parametrize('size', [4, 8])
def test_the_downsampling_convolution_is_a_filter_and_a_strided_one(size):
  x, kernel = _images(2, size), _kernel()
  fast = discriminators.downsampling_conv(x, kernel)
  assert fast.shape == (2, size // 2, size // 2, 5)
  np.testing.assert_allclose(
    fast, _slow_downsampling_conv(x, kernel), atol=1e-5
  )


@pytest.mark.parametrize('size', [4, 8])
def test_what_downsamples_has_the_gradients_that_jax_would_find(size):
  x, kernel = _images(2, size), _kernel()
  for fast, slow, inputs in (
    (discriminators.downsample, _slow_downsample, (x,)),
    (
      discriminators.downsampling_conv,
      _slow_downsampling_conv,
      (x, kernel),
    ),
  ):
    y, pull = jax.vjp(fast, *inputs)
    slope = jnp.asarray(np.random.default_rng(2).normal(size=y.shape), 'f')
    expected = jax.vjp(slow, *inputs)[1](slope)
    chex.assert_trees_all_close(pull(slope), expected, atol=1e-5)


def test_the_minibatch_deviation_is_the_mean_deviation_of_a_group():
  x = np.asarray(_images(4, 4))
  appended = np.asarray(discriminators.append_minibatch_deviation(x, 2))
  np.testing.assert_array_equal(appended[..., :-1], x)
  for first in (0, 2):
    expected = x[first : first + 2].std(0).mean()
    np.testing.assert_allclose(
      appended[first : first + 2, ..., -1], expected, rtol=1e-5
    )


def test_a_score_depends_on_its_group_and_on_no_other(params):
  images = _images(4)
  both = _score(params, images)
  np.testing.assert_allclose(both[:2], _score(params, images[:2]), atol=1e-5)
  changed = _score(params, images.at[1].set(0))
  assert abs(changed[0] - both[0]) > 1e-6
  np.testing.assert_allclose(changed[2:], both[2:], atol=1e-5)


def test_without_groups_every_image_is_scored_by_itself():
  single = discriminators.ResidualDiscriminator(8, (4, 4), group_size=1)
  params = _init(single)
  images = _images(3, 8)
  score = jax.jit(single.score)
  np.testing.assert_allclose(
    score(params, images)[:1], score(params, images[:1]), atol=1e-5
  )


def test_half_a_group_is_refused(params):
  with pytest.raises(ValueError, match='3 images holds no whole number'):
    _SMALL.score(params, _images(3))


def test_activations_start_at_unit_scale():
  """What the equalised learning rate is for."""
  wide = discriminators.ResidualDiscriminator(32, (64, 64, 64, 64))
  logits = jax.jit(wide.score)(_init(wide), _images(16, 32))
  assert 0.05 < float(jnp.abs(logits).mean()) < 5


def test_half_precision_is_near_and_its_logits_are_not_rounded(params):
  images = _images(4)
  exact = _score(params, images)
  half = _score(params, images, dtype=jnp.bfloat16)
  assert half.dtype == jnp.float32
  np.testing.assert_allclose(half, exact, atol=0.1)


def test_every_parameter_has_a_gradient(params):
  images = _images(4)

  @jax.jit
  @jax.grad
  def gradient(params):
    return jnp.square(_SMALL.score(params, images)).sum()

  grads = gradient(params)
  for path, leaf in jax.tree_util.tree_leaves_with_path(grads):
    assert jnp.abs(leaf).max() > 0, path


@pytest.mark.parametrize(
  ('resolution', 'channels', 'words'),
  [
    (48, (4, 4, 4), 'expected a power of two'),
    (16, (4, 4), r'channels is \(4, 4\)'),
  ],
)
def test_a_wrong_size_is_refused(resolution, channels, words):
  with pytest.raises(ValueError, match=words):
    discriminators.ResidualDiscriminator(resolution, channels)


class _Reference:
  """StyleGAN2's residual discriminator in float64, as the papers say it."""

  def __init__(self, params):
    self.params = jax.tree.map(lambda x: np.asarray(x, np.float64), params)

  def __call__(self, images, group_size):
    x = self.activate(self.conv(images, self.params['from_rgb']))
    for size in (16, 8):
      block = self.params[f'block_{size}']
      y = self.activate(self.conv(x, block['conv_0']))
      y = self.conv(self.blur(y), block['conv_1'], pad=0)[:, ::2, ::2]
      # The filter's taps are even in number: what is left is odd pixels.
      shortcut = self.conv(self.blur(x)[:, 1::2, 1::2], block['skip'])
      # Karras et al. 2020, section 4.1: paths that add up keep their variance.
      x = (shortcut + self.activate(y)) / np.sqrt(2)
    x = self.activate(
      self.conv(self.with_deviation(x, group_size), self.params['conv'])
    )
    x = x.reshape(len(x), -1)
    x = self.activate(self.dense(x, self.params['dense']))
    return self.dense(x, self.params['logit'])[:, 0]

  def with_deviation(self, x, group_size):
    """Karras et al. 2018, section 3."""
    groups = x.reshape(-1, group_size, *x.shape[1:])
    deviation = np.sqrt(groups.var(1) + 1e-8).mean((1, 2, 3))
    channel = np.repeat(deviation, group_size)[:, None, None, None]
    return np.concatenate([x, np.tile(channel, (1, 4, 4, 1))], -1)

  def activate(self, x):
    return np.sqrt(2) * np.where(x > 0, x, 0.2 * x)

  def dense(self, x, params):
    """Equalised learning rate (Karras et al. 2018, section 4.1)."""
    kernel = params['kernel']
    return x @ kernel / np.sqrt(len(kernel)) + params['bias']

  def conv(self, x, params, pad=None):
    kernel = params['kernel']
    width = kernel.shape[0]
    pad = width // 2 if pad is None else pad
    scale = 1 / np.sqrt(np.prod(kernel.shape[:3]))
    return self.correlate(x, kernel * scale, pad) + params.get('bias', 0)

  def blur(self, x):
    taps = np.outer([1, 3, 3, 1], [1, 3, 3, 1]) / 64
    return self.correlate(x, taps[..., None, None] * np.eye(x.shape[-1]), 2)

  def correlate(self, x, kernel, pad):
    width = kernel.shape[0]
    x = np.pad(x, [(0, 0), (pad, pad), (pad, pad), (0, 0)])
    windows = np.lib.stride_tricks.sliding_window_view(
      x, (width, width), (1, 2)
    )
    return np.einsum('nyxiab,abio->nyxo', windows, kernel)


def test_it_is_the_network_of_the_papers(params):
  random = np.random.default_rng(4)
  params = jax.tree.map(lambda x: x + 0.1 * random.normal(size=x.shape), params)
  images = np.asarray(_images(4), np.float64)
  expected = _Reference(params)(images, _SMALL.group_size)
  assert np.ptp(expected) > 0.1
  np.testing.assert_allclose(
    _score(params, jnp.asarray(images, 'f')), expected, atol=1e-4
  )
