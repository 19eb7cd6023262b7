"""The train config by values: step by step what the papers' formulas give, in
float64 and without a line of ours but for random draws."""

import dataclasses
import types

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from dgan_jax import rng
from dgan_jax.gan import augmentation, data, gradients, loop
from dgan_jax.gan import state as state_lib

_SIZE = 4  # of images
_BATCH = 8
_STEPS = 12
_KEY = rng.root_key(5)
_IMAGES = data.from_array(
  np.random.default_rng(0).integers(0, 256, (30, _SIZE, _SIZE, 3), np.uint8)
)


class _Generator:
  """Draws grey images; they all are the mean of one trained w."""

  latent_size, num_ws, noise_resolutions = 3, 4, ()

  def map(self, params, z):
    return jnp.broadcast_to(params['w'], z.shape)

  def synthesize(self, params, ws, noise, dtype):
    del params, noise, dtype
    grey = ws.mean((1, 2))[:, None, None, None]
    return jnp.broadcast_to(grey, (len(ws), _SIZE, _SIZE, 3)), None


class _Discriminator:
  """a times an image's mean, plus b."""

  def trunk(self, params, images, dtype=jnp.float32):
    return (params['a'] * images.mean((1, 2, 3), keepdims=True)).astype(dtype)

  def head(self, params, x, dtype=jnp.float32):
    return (x[:, 0, 0, 0] + params['b']).astype(dtype)

  def score(self, params, images, dtype=jnp.float32):
    return self.head(params, self.trunk(params, images, dtype), dtype)


def _config(**options):
  return state_lib.TrainConfig.of(
    types.SimpleNamespace(resolution=_SIZE, num_labels=0),
    types.SimpleNamespace(resolution=_SIZE),
    state_lib.Options(**{'batch_size': _BATCH, 'r1_batch': 4, **options}),
  )


def _start(config):
  """(config with toy networks, state of which nothing is zero)."""
  config = dataclasses.replace(
    config, generator=_Generator(), discriminator=_Discriminator()
  )
  generator = {'w': jnp.array([0.5, -0.2, 0.4])}
  discriminator = {'a': jnp.float32(1.5), 'b': jnp.float32(-0.3)}
  return config, state_lib.State(
    step=jnp.int32(0),
    generator=generator,
    discriminator=discriminator,
    generator_optimizer=config.generator_optimizer.init(generator),
    discriminator_optimizer=config.discriminator_optimizer.init(discriminator),
    g_ema=jax.tree.map(jnp.copy, generator),
    w_avg=jnp.zeros(3),
    ada=augmentation.Ada.none(),
  )


def _sigmoid(x):
  return 1 / (1 + np.exp(-x))


class _Adam:
  """Kingma and Ba 2015, algorithm 1."""

  def __init__(self, beta_2):
    self.beta_2, self.t, self.v = beta_2, 0, 0.0

  def __call__(self, gradient, rate):
    """What to add, with beta_1 = 0."""
    self.t += 1
    self.v = self.beta_2 * self.v + (1 - self.beta_2) * np.square(gradient)
    v = self.v / (1 - self.beta_2**self.t)
    return -rate * gradient / (np.sqrt(v) + 1e-8)


class _Reference:
  """StyleGAN2's training (Karras et al. 2020, appendix B) of the two above."""

  rate, gamma, interval, half_life, rampup = 0.0025, 3.0, 4, 4.0, 0.05

  def __init__(self):
    self.w = np.array([0.5, -0.2, 0.4])
    self.ab = np.array([1.5, -0.3])
    self.g_ema, self.w_avg = self.w, np.zeros(3)
    # Lazy regularisation: c = k / (k + 1) of rate and, as a power, of betas.
    self.c = self.interval / (self.interval + 1)
    self.adam_g = _Adam(0.99)
    self.adam_d = _Adam(0.99**self.c)

  def step(self, t, reals, penalty):
    """The t-th step, counted from 0, on images in [-1, 1]."""
    a, b = self.ab
    means, grey = reals.mean((1, 2, 3)), self.w.mean()
    real, fake = a * means + b, a * grey + b
    towards = -_sigmoid(-real)
    gradient_d = np.array(
      [
        (towards * means).mean() + _sigmoid(fake) * grey,
        towards.mean() + _sigmoid(fake),
      ]
    )
    gradient_g = np.full(3, -_sigmoid(-fake) * a / 3)
    # It falls to zero in the second half of the training.
    rate = self.rate * min(1, (1 - t / _STEPS) / 0.5)
    # The mean of all so far, until it is a window of 200 steps.
    kept = min(0.995, t / (t + 1))
    self.w_avg = kept * self.w_avg + (1 - kept) * self.w
    self.w = self.w + self.adam_g(gradient_g, rate)
    self.ab = self.ab + self.adam_d(gradient_d, rate * self.c)
    half_life = min(self.half_life, self.rampup * _BATCH * (t + 1))
    kept = 0.5 ** (_BATCH / half_life)
    self.g_ema = kept * self.g_ema + (1 - kept) * self.w
    if penalty:
      # gamma / 2 |slope|^2, whose slope is a / n at each of n values.
      slope = np.array([2 * self.ab[0] / reals[0].size, 0])
      weight = self.interval * self.gamma / 2
      self.ab = self.ab + self.adam_d(weight * slope, rate * self.c)
    return (np.sign(real).mean(), np.square(a) / reals[0].size)


@pytest.fixture(scope='module')
def advance():
  """(config, its step)."""
  config, _ = _start(
    _config(
      images=_BATCH * _STEPS,
      decay=0.5,
      r1_gamma=_Reference.gamma,
      r1_interval=_Reference.interval,
      ema_images=int(_Reference.half_life),
    )
  )
  return config, loop._advance(config, _KEY, jax.devices()[:1])


def test_every_step_is_the_papers(advance):
  config, step = advance
  _, state = _start(config)
  expected, penalties = _Reference(), []
  for done, (batch, penalty) in loop._work(_IMAGES, config.options, 0, 0):
    state, metrics = step(state, (batch, penalty))
    reals = batch.images.astype(np.float64) / 127.5 - 1
    sign, r1 = expected.step(done - 1, reals, penalty)
    penalties.append(penalty)
    for name, value in (
      ('w', state.generator['w']),
      ('g_ema', state.g_ema['w']),
      ('w_avg', state.w_avg),
    ):
      np.testing.assert_allclose(
        value, getattr(expected, name), rtol=1e-5, err_msg=f'{name} {done}'
      )
    found = [state.discriminator[name] for name in 'ab']
    np.testing.assert_allclose(found, expected.ab, rtol=1e-5, err_msg=done)
    np.testing.assert_allclose(metrics['real_sign'], sign, atol=1e-6)
    if penalty and done == 1:
      # Of the discriminator after the step, which moved by a thousandth.
      np.testing.assert_allclose(metrics['r1'], r1, rtol=0.01)
  assert penalties == [True, False, False, False] * 3
  assert int(state.step) == _STEPS


def test_both_adams_have_the_betas_of_the_papers():
  config, slope = _config(r1_interval=4), jnp.float32(3)
  for optimizer, beta_2 in (
    (config.generator_optimizer, 0.99),
    (config.discriminator_optimizer, 0.99 ** (4 / 5)),
  ):
    _, state = optimizer.update(slope, optimizer.init(slope))
    np.testing.assert_allclose(state.mu, 3)
    np.testing.assert_allclose(state.nu, 9 * (1 - beta_2), rtol=1e-4)


def test_the_mean_w_is_that_of_the_last_steps(advance):
  config, step = advance
  _, state = _start(config)
  w = np.asarray(state.generator['w'])
  state = dataclasses.replace(state, step=jnp.int32(1000))
  _, (batch, _) = next(loop._work(_IMAGES, config.options, 0, 0))
  state, _ = step(state, (batch, False))
  np.testing.assert_allclose(state.w_avg, 0.005 * w, rtol=1e-4)


def test_p_moves_by_the_signs_of_four_steps():
  """Karras et al. 2020a, section 3.1."""
  random, ada, p = np.random.default_rng(1), augmentation.Ada.none(), 0.0
  adapt = jax.jit(
    lambda ada, sign: augmentation.adapt(
      ada, sign, batch_size=_BATCH, target=0.6, images_to_one=320
    )
  )
  seen = []
  for high in (0.9, -0.2, 0.4, 0.95, 0.1):
    for _ in range(12):
      signs = random.uniform(high - 0.1, high + 0.1, 4)
      for sign in signs:
        assert ada.p == pytest.approx(p, abs=1e-6)
        ada = adapt(ada, jnp.float32(sign))
      p = np.clip(p + np.sign(signs.mean() - 0.6) * 4 * _BATCH / 320, 0, 1)
      seen.append(p)
  assert {round(p, 3) for p in seen} >= {0, 0.1, 0.5, 0.9, 1}


def test_p_follows_the_reals_of_the_training():
  config, state = _start(
    _config(augment=True, augment_images=320, r1_interval=0)
  )
  state.discriminator['b'] += 10.0  # All are taken for real.
  step = loop._advance(config, _KEY, jax.devices()[:1])
  for done, work in loop._work(_IMAGES, config.options, 0, 0):
    state, _ = step(state, work)
    if done == 4:
      break
  np.testing.assert_allclose(state.ada.p, 4 * _BATCH / 320, rtol=1e-6)


def test_half_of_the_reals_are_mirrored():
  config, _ = _start(_config(flip=True))
  batch = state_lib.Batch(_IMAGES.first(30)[:30], np.arange(30))
  batch = jax.tree.map(lambda x: np.tile(x, (20, *[1] * (x.ndim - 1))), batch)
  keys = rng.sample_keys(_KEY, np.arange(600))
  expected = batch.images / 127.5 - 1
  seen = np.asarray(gradients.reals(config, batch, keys))
  same, mirrored = (
    np.isclose(seen, images, atol=1e-6).all((1, 2, 3))
    for images in (expected, expected[:, :, ::-1])
  )
  assert (same ^ mirrored).all()
  assert 0.4 < mirrored.mean() < 0.6
  config, _ = _start(_config())
  np.testing.assert_allclose(
    gradients.reals(config, batch, keys), expected, atol=1e-6
  )


@pytest.mark.parametrize('mixing', [0.0, 0.5, 0.9])
def test_styles_of_some_samples_are_mixed_from_any_row_on(mixing):
  """Karras et al. 2019, section 3.1."""
  config, _ = _start(_config(mixing=mixing))
  config = dataclasses.replace(
    config,
    generator=types.SimpleNamespace(
      latent_size=3, num_ws=4, map=lambda params, z: z
    ),
  )
  keys = rng.sample_keys(_KEY, np.arange(600))
  ws, mean = jax.jit(lambda keys: gradients.mixed_ws(config, {}, keys))(keys)
  z = np.asarray(rng.latents(keys, 3))
  np.testing.assert_allclose(mean, z.mean(0), atol=1e-5)
  first = np.isclose(ws, z[:, None]).all(-1)  # [n, rows]
  ruled = first.sum(1)
  assert (first == (np.arange(4) < ruled[:, None])).all()
  assert (ruled < 4).mean() == pytest.approx(mixing, abs=0.06)
  # Rows that the second latent has, it has alone.
  ws = np.asarray(ws)
  assert (ws[ruled < 4][:, 3:] == ws[ruled < 4][:, -1:]).all()
  if mixing:
    for row in (1, 2, 3):
      assert (ruled == row).mean() == pytest.approx(mixing / 3, abs=0.06)


def _draws(name, kind, shape=(), **limits):
  """Ours, [n, ...]: the formulas below are not."""

  def one(key):
    key = rng.stream(key, name)
    if kind == 'normal':
      return jax.random.normal(key, shape)
    low, high = limits['low'], limits['high']
    return jax.random.uniform(key, shape, None, low, high)

  return lambda keys: np.asarray(jax.vmap(one)(keys), np.float64)


def _happens(keys, name, p):
  return _draws(f'{name}?', 'uniform', low=0, high=1)(keys) < p


_P = 0.5
_AUGMENTED = rng.sample_keys(rng.root_key(3), np.arange(200))


def _affine(a, b, c, d, x=0.0, y=0.0):
  return np.array([[a, b, x], [c, d, y], [0, 0, 1]], np.float64)


def test_places_are_changed_as_in_the_paper():
  """Karras et al. 2020a, appendix B.2: pixel blitting, then geometry."""
  size = 16
  keys = jax.vmap(lambda key: rng.stream(key, 'place'))(_AUGMENTED)
  draw = {
    'x-flip': np.floor(_draws('x-flip', 'uniform', low=0, high=2)(keys)),
    'quarter turns': np.floor(
      _draws('quarter turns', 'uniform', low=0, high=4)(keys)
    ),
    'pixels': np.round(
      _draws('pixels', 'uniform', (2,), low=-size / 8, high=size / 8)(keys)
    ),
    'scale': 2 ** (0.2 * _draws('scale', 'normal')(keys)),
    'stretch': 2 ** (0.2 * _draws('stretch', 'normal')(keys)),
    'shift': size / 8 * _draws('shift', 'normal', (2,))(keys),
    **{
      name: _draws(name, 'uniform', low=-np.pi, high=np.pi)(keys)
      for name in ('turn', 'turn again')
    },
  }

  def turned(angle):
    cos, sin = np.cos(angle), np.sin(angle)
    return _affine(cos, sin, -sin, cos)

  either = 1 - np.sqrt(1 - _P)
  order = {
    'x-flip': (lambda i: _affine(1 - 2 * i, 0, 0, 1), _P),
    'quarter turns': (lambda i: turned(i * np.pi / 2), _P),
    'pixels': (lambda t: _affine(1, 0, 0, 1, -t[0], -t[1]), _P),
    'scale': (lambda s: _affine(1 / s, 0, 0, 1 / s), _P),
    'turn': (turned, either),
    'stretch': (lambda s: _affine(1 / s, 0, 0, s), _P),
    'turn again': (turned, either),
    'shift': (lambda t: _affine(1, 0, 0, 1, -t[0], -t[1]), _P),
  }
  happens = {n: _happens(keys, n, p) for n, (_, p) in order.items()}
  found = jax.jit(jax.vmap(lambda key: augmentation._geometry(key, _P, size)))(
    keys
  )
  for i, place in enumerate(found):
    expected = np.eye(3)
    for name, (matrix, _) in order.items():
      if happens[name][i]:
        expected = expected @ matrix(draw[name][i])
    np.testing.assert_allclose(place, expected, atol=1e-4)


def test_colours_are_changed_as_in_the_paper():
  """Karras et al. 2020a, appendix B.2: brightness, contrast, luma flip, hue,
  saturation, in this order."""
  keys = jax.vmap(lambda key: rng.stream(key, 'color'))(_AUGMENTED)
  v = np.full(3, 1 / np.sqrt(3))
  along, eye = np.outer(v, v), np.eye(3)
  cross = np.array([[0, -1, 1], [1, 0, -1], [-1, 1, 0]]) / np.sqrt(3)

  def hue(angle):
    return (
      np.cos(angle) * eye + np.sin(angle) * cross + (1 - np.cos(angle)) * along
    )

  order = {
    'contrast': ('normal', {}, lambda x: 2 ** (0.5 * x) * eye),
    'luma': (
      'uniform',
      {'low': 0, 'high': 2},
      lambda x: eye - 2 * np.floor(x) * along,
    ),
    'hue': ('uniform', {'low': -np.pi, 'high': np.pi}, hue),
    'saturation': (
      'normal',
      {},
      lambda x: along + 2**x * (eye - along),
    ),
  }
  drawn = {n: _draws(n, kind, **k)(keys) for n, (kind, k, _) in order.items()}
  happens = {n: _happens(keys, n, _P) for n in (*order, 'bright')}
  brightness = 0.2 * _draws('bright', 'normal')(keys) * happens['bright']
  matrices, offsets = jax.jit(
    jax.vmap(lambda key: augmentation._color(key, _P))
  )(keys)
  for i in range(len(keys)):
    expected = eye
    for name, (_, _, matrix) in order.items():
      if happens[name][i]:
        expected = matrix(drawn[name][i]) @ expected
    np.testing.assert_allclose(matrices[i], expected, atol=1e-4)
    np.testing.assert_allclose(
      offsets[i], expected @ np.full(3, brightness[i]), atol=1e-4
    )
