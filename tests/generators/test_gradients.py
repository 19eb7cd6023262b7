import jax
import jax.numpy as jnp
import numpy as np

from dgan_jax import parallel
from dgan_jax.generators import gradients, layers

_RNG = np.random.default_rng(0)
_X = jnp.asarray(_RNG.normal(size=(2, 5, 5, 3)), 'f')
_KERNEL = jnp.asarray(_RNG.normal(size=(3, 3, 3, 4)), 'f')


def _plain(x, kernel):
  return jnp.sin(layers.conv(jnp.cos(x), kernel)).sum()


def _fast(x, kernel):
  return jnp.sin(gradients.product(layers.conv, jnp.cos(x), kernel)).sum()


def _assert_near(found, expected):
  for a, b in zip(found, expected, strict=True):
    np.testing.assert_allclose(a, b, rtol=1e-4, atol=1e-4)


def test_gradients_are_those_of_the_plain_product():
  found, expected = (
    jax.jit(jax.grad(f, (0, 1)))(_X, _KERNEL) for f in (_fast, _plain)
  )
  _assert_near(found, expected)


def test_gradients_stay_so_where_barriers_are_kept():
  """As training steps are compiled on CPUs."""

  def step(state, batch, mean):
    return jax.grad(_fast, (0, 1))(*state), mean(batch)

  spread = parallel.spread_step(step, jax.devices()[:1])
  compiled = spread.lower((_X, _KERNEL), jnp.zeros(1)).compile()
  assert 'opt-barrier(' in compiled.as_text()
  found, _ = spread((_X + 0, _KERNEL + 0), jnp.zeros(1))
  _assert_near(found, jax.jit(jax.grad(_plain, (0, 1)))(_X, _KERNEL))


def test_gradients_have_gradients():
  """The penalty on a discriminator's slope needs them."""

  def slope(f):
    return lambda x, k: jnp.square(jax.grad(f)(x, k)).sum()

  found, expected = (
    jax.jit(jax.grad(slope(f), (0, 1)))(_X, _KERNEL) for f in (_fast, _plain)
  )
  _assert_near(found, expected)
