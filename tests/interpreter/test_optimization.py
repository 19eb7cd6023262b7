import jax
import jax.numpy as jnp
import numpy as np
import optax

from dgan_jax.interpreter import release
from dgan_jax.tasks import part_segmentation

_LOGITS = np.array([[2, 0, 1], [0, 1, 0], [1, 1, 3]], np.float32)
_LABELS = np.array([0, 1, 1])


def _losses():
  exponents = np.exp(_LOGITS.astype(np.float64))
  softmax = exponents / exponents.sum(-1, keepdims=True)
  return -np.log(softmax[np.arange(3), _LABELS])


def test_the_loss_is_the_mean_cross_entropy():
  loss = part_segmentation.cross_entropy(_LOGITS, _LABELS)
  np.testing.assert_allclose(loss, _losses().mean(), rtol=1e-6)


def test_class_weights_weigh_a_mean():
  weights = np.float32([1, 3, 100])
  loss = part_segmentation.cross_entropy(_LOGITS, _LABELS, jnp.asarray(weights))
  expected = np.average(_losses(), weights=weights[_LABELS])
  np.testing.assert_allclose(loss, expected, rtol=1e-6)


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
