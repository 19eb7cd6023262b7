"""Adaptive discriminator augmentation (Karras et al. 2020a, "Training
generative adversarial networks with limited data").

The discriminator sees reals and fakes only through random transforms of their
geometry and colour. Each happens with probability p, too seldom for the
generator to learn it, and p follows how much the discriminator knows by heart.
Transforms, their order and their ranges are those of the paper's appendix B.2;
images are read bilinearly where the paper filters at twice the resolution.
"""

import functools
import math
from typing import Any

import chex
import flax.struct
import jax
import jax.numpy as jnp
from jax import lax

from dgan_jax import rng

_EXACT = lax.Precision.HIGHEST

# p moves once in so many steps, by what it was told in all of them.
_STEPS_PER_MOVE = 4

# Standard deviations or largest values, the paper's.
_TRANSLATION = 0.125  # of the image's side
_SCALE = 0.2  # octaves
_BRIGHTNESS = 0.2  # of half the range of values
_CONTRAST = 0.5  # octaves
_SATURATION = 1.0  # octaves


@flax.struct.dataclass
class Ada:
  """How often images are augmented, and what that follows."""

  p: chex.Array  # probability of every augmentation, float32 in [0, 1]
  signs: chex.Array  # sum of the mean signs since p last moved
  steps: chex.Array  # how many that are, int32

  @classmethod
  def none(cls) -> 'Ada':
    """Where training starts."""
    # Buffers of their own, for a state that is given away.
    return cls(jnp.zeros(()), jnp.zeros(()), jnp.zeros((), jnp.int32))


def adapt(
  ada: Ada,
  sign: chex.Array,
  *,
  batch_size: int,
  target: float,
  images_to_one: int,
) -> Ada:
  """Moves p towards where the mean `sign` of reals (`gradients.overfitting`) is
  on target, 0.6 in the paper; after so many `images_to_one`, p can have come
  from 0 to 1."""
  signs, steps = ada.signs + sign, ada.steps + 1
  full = steps == _STEPS_PER_MOVE
  move = _STEPS_PER_MOVE * batch_size / images_to_one
  towards = jnp.sign(signs / _STEPS_PER_MOVE - target)
  p = jnp.clip(ada.p + jnp.where(full, towards * move, 0.0), 0, 1)
  return Ada(p, jnp.where(full, 0.0, signs), jnp.where(full, 0, steps))


def augment(
  images: chex.Array, p: chex.Array | float, *, keys: chex.PRNGKey
) -> chex.Array:
  """Transforms images [n, size, size, 3], about [-1, 1], as their keys [n] say;
  differentiable in the images. With p = 0 they stay as they are."""
  chex.assert_shape(images, (None, images.shape[2], None, 3))

  def one(image: chex.Array, key: chex.PRNGKey) -> chex.Array:
    moved = _read(image, _geometry(rng.stream(key, 'place'), p, image.shape[0]))
    matrix, offset = _color(rng.stream(key, 'color'), p)
    colored = jnp.einsum('yxi,oi->yxo', moved, matrix, precision=_EXACT)
    return colored + jnp.broadcast_to(offset, colored.shape)

  return jax.vmap(one)(images, keys)


def _uniform(
  key: chex.PRNGKey, name: str, low: float, high: float, shape: Any = ()
) -> chex.Array:
  return jax.random.uniform(rng.stream(key, name), shape, None, low, high)


def _normal(key: chex.PRNGKey, name: str, shape: Any = ()) -> chex.Array:
  return jax.random.normal(rng.stream(key, name), shape)


def _geometry(
  key: chex.PRNGKey, p: chex.Array | float, size: int
) -> chex.Array:
  """Where the pixels of a transformed image come from: [3, 3], from homogeneous
  (x, y, 1) in pixels from the centre of the result to those of the source."""

  def perhaps(name: str, transform: chex.Array, p: Any = p) -> chex.Array:
    happens = _uniform(key, f'{name}?', 0, 1) < p
    return jnp.where(happens, transform, jnp.eye(3))

  def translation(shift: chex.Array) -> chex.Array:
    return jnp.eye(3).at[:2, 2].set(-shift)

  def scaling(x: chex.Array, y: chex.Array) -> chex.Array:
    return jnp.diag(jnp.stack([1 / x, 1 / y, jnp.ones(())]))

  def angle(name: str) -> chex.Array:
    return _uniform(key, name, -math.pi, math.pi)

  def rotation(angle: chex.Array) -> chex.Array:
    cos, sin = jnp.cos(angle), jnp.sin(angle)
    turn = jnp.stack([jnp.stack([cos, sin]), jnp.stack([-sin, cos])])
    return jnp.eye(3).at[:2, :2].set(turn)

  reach = _TRANSLATION * size
  quarters = jnp.floor(_uniform(key, 'quarter turns', 0, 4))
  flips = jnp.floor(_uniform(key, 'x-flip', 0, 2))
  pixels = jnp.round(_uniform(key, 'pixels', -reach, reach, (2,)))
  scale = jnp.exp2(_SCALE * _normal(key, 'scale'))
  stretch = jnp.exp2(_SCALE * _normal(key, 'stretch'))
  # Either of two rotations happens with probability p.
  p_rotation = 1 - jnp.sqrt(1 - p)
  transforms = [
    perhaps('x-flip', scaling(1 - 2 * flips, jnp.ones(()))),
    perhaps('quarter turns', rotation(quarters * (math.pi / 2))),
    perhaps('pixels', translation(pixels)),
    perhaps('scale', scaling(scale, scale)),
    perhaps('turn', rotation(angle('turn')), p_rotation),
    perhaps('stretch', scaling(stretch, 1 / stretch)),
    perhaps('turn again', rotation(angle('turn again')), p_rotation),
    perhaps('shift', translation(reach * _normal(key, 'shift', (2,)))),
  ]
  return functools.reduce(_times, transforms)


def _read(image: chex.Array, geometry: chex.Array) -> chex.Array:
  """Reads an image [size, size, c] bilinearly where `_geometry` [3, 3] says;
  beyond its border it is reflected."""
  size = image.shape[0]
  axis = jnp.arange(size) - (size - 1) / 2
  y, x = jnp.meshgrid(axis, axis, indexing='ij')
  points = jnp.stack([x.ravel(), y.ravel(), jnp.ones(size * size)])
  source = _times(geometry, points)[:2] + (size - 1) / 2
  last = size - 1
  source = jnp.mod(source, 2 * last)
  source = jnp.minimum(source, 2 * last - source)
  low = jnp.clip(jnp.floor(source), 0, last - 1)
  (across, down), (left, top) = source - low, low.astype(jnp.int32)
  pixels = image.reshape(size * size, -1)

  def line(row: chex.Array) -> chex.Array:
    start = row * size + left
    west, east = pixels[start], pixels[start + 1]
    return west + across[:, None] * (east - west)

  above, below = line(top), line(top + 1)
  return (above + down[:, None] * (below - above)).reshape(image.shape)


def _color(
  key: chex.PRNGKey, p: chex.Array | float
) -> tuple[chex.Array, chex.Array]:
  """(matrix [3, 3], offset [3]) of new colours from old ones."""
  grey = jnp.full((3,), 1 / math.sqrt(3))
  along = jnp.outer(grey, grey)
  eye = jnp.eye(3)

  def perhaps(name: str, transform: chex.Array, neutral: Any) -> chex.Array:
    happens = _uniform(key, f'{name}?', 0, 1) < p
    return jnp.where(happens, transform, neutral)

  brightness = perhaps('bright', _BRIGHTNESS * _normal(key, 'bright'), 0.0)
  contrast = jnp.exp2(_CONTRAST * _normal(key, 'contrast'))
  inverts = jnp.floor(_uniform(key, 'luma', 0, 2))
  angle = _uniform(key, 'hue', -math.pi, math.pi)
  # Rodrigues' formula, about the grey axis.
  cross = jnp.cross(eye, grey[None])
  hue = jnp.cos(angle) * eye + jnp.sin(angle) * cross
  hue = hue + (1 - jnp.cos(angle)) * along
  saturation = jnp.exp2(_SATURATION * _normal(key, 'saturation'))
  transforms = [
    perhaps('contrast', contrast * eye, eye),
    perhaps('luma', eye - 2 * inverts * along, eye),
    perhaps('hue', hue, eye),
    perhaps('saturation', along + saturation * (eye - along), eye),
  ]
  matrix = functools.reduce(lambda a, b: _times(b, a), transforms)
  return matrix, brightness * matrix.sum(1)


def _times(a: chex.Array, b: chex.Array) -> chex.Array:
  return jnp.matmul(a, b, precision=_EXACT)
