"""Arithmetic that gives the same bits on every machine.

IEEE 754 fixes the results of + - * / and sqrt. Sines, powers and exponentials
differ in the last bit between processors, and a last bit can move an edge by a
sample; of matrix products the order of summation is open. So the domains are
drawn with the former alone, in elementwise array operations.
"""

import functools
import zlib
from typing import Any

import numpy as np

Array = np.ndarray
Triple = tuple[float, float, float]
# A number or an array: what comes out has the shape of what goes in.
Value = Any

PI = 3.141592653589793


def cosine_sine(angle: float) -> tuple[float, float]:
  """Cosine and sine of an angle in radians, to about 15 digits."""
  quarter = round(angle / (PI / 2))
  rest = angle - quarter * (PI / 2)
  cosine, sine, term = 0.0, 0.0, 1.0
  for power in range(20):  # Taylor's series on [-pi/4, pi/4].
    sign = -1.0 if power % 4 in (2, 3) else 1.0
    if power % 2:
      sine += sign * term
    else:
      cosine += sign * term
    term *= rest / (power + 1)
  for _ in range(quarter % 4):
    cosine, sine = -sine, cosine
  return cosine, sine


@functools.cache
def circle(count: int) -> tuple[Array, Array]:
  """Cosines and sines [count] of evenly spaced angles, from 0 on."""
  pairs = np.array([cosine_sine(2 * PI * k / count) for k in range(count)])
  return pairs[:, 0].copy(), pairs[:, 1].copy()


def mix(first: Value, second: Value, share: Value) -> Value:
  """`first` where the share is 0, `second` where it is 1."""
  return first + (second - first) * share


def ramp(low: Value, high: Value, x: Value) -> Value:
  """0 below `low`, 1 above `high`, with soft ends in between."""
  t = np.clip((x - low) / (high - low), 0, 1)
  return t * t * (3 - 2 * t)


def soft_min(first: Value, second: Value, radius: float) -> Value:
  """The smaller one, rounded off where both are within about `radius`."""
  gap = first - second
  return 0.5 * (first + second - np.sqrt(gap * gap + radius * radius))


def soft_max(first: Value, second: Value, radius: float) -> Value:
  """The larger one, rounded off likewise."""
  return -soft_min(-first, -second, radius)


def dot(a: Value, b: Value) -> Value:
  """Products [...] of vectors [3, ...]."""
  return a[0] * b[0] + a[1] * b[1] + a[2] * b[2]


def unit(vectors: Array) -> Array:
  """Vectors [3, ...] at length 1."""
  return vectors / np.sqrt(np.maximum(dot(vectors, vectors), 1e-20))


def rounded_box(
  x: Array, y: Array, half_x: float, half_y: float, radius: float
) -> Array:
  """Signed distances, negative inside, of places (x, y) from its centre to a
  rectangle of these half sizes, with corners of a radius."""
  over_x = np.abs(x) - (half_x - radius)
  over_y = np.abs(y) - (half_y - radius)
  out_x, out_y = np.maximum(over_x, 0), np.maximum(over_y, 0)
  inside = np.minimum(np.maximum(over_x, over_y), 0)
  return np.sqrt(out_x * out_x + out_y * out_y) + inside - radius


def line(distance: Array, width: float, footprint: float) -> Array:
  """A line's share of samples of size `footprint`, `distance` from its middle:
  thin lines fade and don't break into dots."""
  shown = max(width, footprint)
  fall = np.clip(1.5 - np.abs(distance) / shown * 1.5, 0, 1)
  return fall * (width / shown)


@functools.cache
def _lattice() -> Array:
  """Random values [256, 256] in [0, 1), always the same."""
  generator = np.random.Philox(key=zlib.crc32(b'value noise'))
  raw = generator.random_raw(256 * 256) >> np.uint64(40)
  return (raw.astype(np.float32) / np.float32(2**24)).reshape(256, 256)


def value_noise(x: Array, y: Array, octaves: int, seed: int) -> Array:
  """Smooth noise, about 0.5 +- 0.2, with features of size 1 and finer."""
  table = _lattice()
  total, weight, amplitude = np.zeros_like(x), 0.0, 1.0
  for octave in range(octaves):
    scale = float(2**octave)
    shifted_x = x * scale + float(seed % 251 + 37 * octave)
    shifted_y = y * scale + float(seed % 241 + 11 * octave)
    floor_x, floor_y = np.floor(shifted_x), np.floor(shifted_y)
    u, v = shifted_x - floor_x, shifted_y - floor_y
    u, v = u * u * (3 - 2 * u), v * v * (3 - 2 * v)
    left, low = floor_x.astype(np.int32) & 255, floor_y.astype(np.int32) & 255
    right, high = (left + 1) & 255, (low + 1) & 255
    bottom = mix(table[low, left], table[low, right], u)
    top = mix(table[high, left], table[high, right], u)
    total = total + amplitude * mix(bottom, top, v)
    weight += amplitude
    amplitude *= 0.5
  return total / weight
