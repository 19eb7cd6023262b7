import jax
import jax.numpy as jnp
import numpy as np
import optax

from dgan_jax.interpreter import release


def test_adam_corrects_its_bias_exactly():
  optimizer = release.adam()
  params = {'x': jnp.zeros(3)}
  state = optimizer.init(params)
  update = jax.jit(optimizer.update)
  mean, square, x = np.zeros(3), np.zeros(3), np.zeros(3)
  for t in range(1, 41):
    gradient = np.float32([1e-3, -2, 5]) * (1 + np.sin(t))
    updates, state = update({'x': jnp.asarray(gradient)}, state)
    params = optax.apply_updates(params, updates)
    mean += 0.1 * (gradient - mean)
    square += 0.001 * (gradient.astype(np.float64) ** 2 - square)
    root = np.sqrt(square / (1 - 0.999**t)) + 1e-8
    x -= 1e-3 * mean / (1 - 0.9**t) / root
    np.testing.assert_allclose(params['x'], x, rtol=1e-6)
