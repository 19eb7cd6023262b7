"""Adam in float64, as its papers have it."""

import numpy as np
import optax


def cosine(rate, steps):
  """From the rate to 0 in so many steps (Loshchilov and Hutter 2017a)."""
  return lambda t: rate * (1 + np.cos(np.pi * min(t / steps, 1))) / 2


def assert_is(optimizer, rate, betas, weight_decay=0.0, steps=12):
  """Steps of an optimizer are those of Kingma and Ba 2015, algorithm 1, with
  weight decay that is decoupled (Loshchilov and Hutter 2017b).

  Args:
    optimizer: from gradients to updates.
    rate: of step t, counted from 0.
    betas: of the two moments.
    weight_decay: share of the parameters, times the rate.
    steps: to compare.
  """
  start = np.array([0.5, -2.0, 1.0])
  found, x = {'x': np.float32(start)}, start
  state = optimizer.init(found)
  mean, square = np.zeros(3), np.zeros(3)
  for t in range(steps):
    gradient = np.array([1e-3, -2, 5]) * (1.2 + np.sin(t))
    updates, state = optimizer.update({'x': np.float32(gradient)}, state, found)
    found = optax.apply_updates(found, updates)
    mean = betas[0] * mean + (1 - betas[0]) * gradient
    square = betas[1] * square + (1 - betas[1]) * gradient**2
    step = mean / (1 - betas[0] ** (t + 1))
    step /= np.sqrt(square / (1 - betas[1] ** (t + 1))) + 1e-8
    x = x - rate(t) * (step + weight_decay * x)
    np.testing.assert_allclose(found['x'], x, rtol=2e-6, err_msg=t)
