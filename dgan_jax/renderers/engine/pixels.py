"""From samples to pixels."""

import itertools
from collections.abc import Iterator

import numpy as np

from dgan_jax.renderers.engine import random_draws
from dgan_jax.renderers.engine.arithmetic import Array


def majority(labels: Array, factor: int) -> Array:
  """The labels uint8 [height, width] that most of the pixels' samples have.

  Of labels as frequent it is the highest, so that small parts, which come late
  among the classes, survive. `labels` are uint8 [height * factor, ...].
  """
  samples = np.stack(list(_samples(labels, factor)))
  # A pixel whose samples agree, as nearly all do, needs no counting.
  result = samples[0].copy()
  mixed = (samples != samples[0]).any(axis=0)
  some = samples[:, mixed].astype(np.int64)
  votes = np.stack([(some == vote).sum(axis=0) for vote in some])
  result[mixed] = (votes * 256 + some).max(axis=0) % 256
  return result


def _samples(values: Array, factor: int) -> Iterator[Array]:
  """One sample of every pixel at a time, [..., height, width]."""
  for row, column in itertools.product(range(factor), repeat=2):
    yield values[..., row::factor, column::factor]


def mean(light: Array, factor: int, grain: Array) -> Array:
  """The mean colours uint8 [height, width, 3] of the pixels' samples, float32
  [3, height * factor, ...] in 0 to 1, plus grain [height, width] as a share of
  white."""
  # Sums of whole numbers don't depend on their order.
  levels = (light * np.float32(4080)).astype(np.int32)
  _, height, width = light.shape
  total = np.zeros((3, height // factor, width // factor), np.int32)
  for sample in _samples(levels, factor):
    total += sample
  shown = total.astype(np.float64) / (16.0 * factor * factor) + 255 * grain
  image = np.clip(np.floor(shown + 0.5), 0, 255).astype(np.uint8)
  return np.ascontiguousarray(image.transpose(1, 2, 0))


def grain(
  seed: str, index: int, size: tuple[int, int], strength: float
) -> Array:
  """Film grain float64 [height, width], at most `strength` either way."""
  if not strength:
    return np.zeros(size)
  height, width = size
  noise = random_draws.Draws(seed, index, 'grain').units(2 * height * width)
  first, second = noise.reshape(2, height, width)
  return strength * (first + second - 1)
