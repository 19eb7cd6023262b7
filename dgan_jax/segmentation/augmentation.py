"""What images go through in training, so that an annotator of rendered images
also knows its way about generated ones: those are softer, noisier, of other
colours, and never quite in place."""

import dataclasses

import chex
import jax
import jax.numpy as jnp

from dgan_jax import rng, validation
from dgan_jax.generators import layers

# Luma of red, green and blue (Rec. 601).
_LUMA = (0.299, 0.587, 0.114)
_BINOMIAL = (0.25, 0.5, 0.25)


@dataclasses.dataclass(frozen=True)
class Ranges:
  """How far images are changed, at most; 0: not at all."""

  brightness: validation.Share = 0.2  # added, share of the range
  contrast: validation.Share = 0.3  # factor 1 +- this about the image's mean
  saturation: validation.Share = 0.5  # the same about each pixel's grey
  blur: validation.Share = 1.0  # of a 3x3 binomial filter applied twice
  noise: validation.Share = 0.06  # standard deviation, share of the range
  # Pixels along each axis; what comes in repeats the edge and has no label.
  shift: validation.Whole = 4
  flip: bool = False  # whether half of the images are mirrored

  def __post_init__(self) -> None:
    validation.check(self)


def perturb(
  ranges: Ranges,
  images: chex.Array,
  masks: chex.Array,
  *,
  keys: chex.PRNGKey,
  unlabelled: int,
) -> tuple[chex.Array, chex.Array]:
  """Changes images uint8 [n, height, width, 3] and masks, ints [n, height,
  width], each by its own key; `unlabelled` is the label of what comes in from
  outside.

  Returns:
    Images float32 [n, height, width, 3] in 0 to 255, and masks of the type
    given.
  """
  chex.assert_shape(images, (*masks.shape, 3))

  def one(
    key: chex.PRNGKey, image: chex.Array, mask: chex.Array
  ) -> tuple[chex.Array, chex.Array]:
    if ranges.flip:
      flip = jax.random.bernoulli(rng.stream(key, 'flip'))
      image = jnp.where(flip, image[:, ::-1], image)
      mask = jnp.where(flip, mask[:, ::-1], mask)
    if ranges.shift:
      image, mask = _shift(ranges.shift, key, image, mask, unlabelled)
    x = _colours(ranges, key, image.astype(jnp.float32) / 255)
    return 255 * jnp.clip(_grain(ranges, key, x), 0, 1), mask

  return jax.vmap(one)(keys, images, masks)


def _shift(
  most: int,
  key: chex.PRNGKey,
  image: chex.Array,
  mask: chex.Array,
  unlabelled: int,
) -> tuple[chex.Array, chex.Array]:
  height, width = mask.shape
  down, across = jax.random.randint(
    rng.stream(key, 'shift'), (2,), -most, most + 1
  )
  rows, columns = jnp.arange(height) + down, jnp.arange(width) + across
  near_rows = jnp.clip(rows, 0, height - 1)
  near_columns = jnp.clip(columns, 0, width - 1)
  inside = (rows == near_rows)[:, None] & (columns == near_columns)[None]
  mask = mask[near_rows][:, near_columns]
  return (
    image[near_rows][:, near_columns],
    jnp.where(inside, mask, jnp.asarray(unlabelled, mask.dtype)),
  )


def _colours(ranges: Ranges, key: chex.PRNGKey, x: chex.Array) -> chex.Array:
  """Brightness, contrast, saturation of [height, width, 3] in 0 to 1."""

  def draw(name: str, most: float) -> chex.Array:
    return jax.random.uniform(
      rng.stream(key, name), (), minval=-most, maxval=most
    )

  grey = (x * jnp.asarray(_LUMA)[None, None]).sum(-1, keepdims=True)
  x = grey + (x - grey) * (1 + draw('saturation', ranges.saturation))
  mean = grey.mean()
  x = mean + (x - mean) * (1 + draw('contrast', ranges.contrast))
  return x + draw('brightness', ranges.brightness)


def _grain(ranges: Ranges, key: chex.PRNGKey, x: chex.Array) -> chex.Array:
  """Blur and noise of [height, width, 3] in 0 to 1."""
  share = ranges.blur * jax.random.uniform(rng.stream(key, 'blur'))
  x = x + share * (_smooth(_smooth(x)) - x)
  deviation = ranges.noise * jax.random.uniform(rng.stream(key, 'grain'))
  return x + deviation * jax.random.normal(rng.stream(key, 'noise'), x.shape)


def _smooth(x: chex.Array) -> chex.Array:
  """A 3x3 binomial filter; the edge repeats."""
  for axis in (0, 1):
    taps = layers.neighbours(x, axis, 3, mode='edge')
    x = sum(a * tap for a, tap in zip(_BINOMIAL, taps, strict=True))
  return x
