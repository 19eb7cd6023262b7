"""Labels, uncertainty and score of the pixels of a pyramid.

An image is labelled by one member after another, in tiles of rows that stay in
the processor's cache; the first layer is in `projection.py`.
"""

from typing import Any

import chex
import flax.struct
import jax
import jax.numpy as jnp
from jax import lax

from dgan_jax import pyramid as pyramid_lib
from dgan_jax.generators import layers
from dgan_jax.interpreter import ensemble
from dgan_jax.interpreter import projection as projection_lib

# About what fits in a CPU core's cache with 128 hidden channels. An
# accelerator wants whole images: pass a larger one.
TILE_PIXELS = 8192

# torch.finfo(float32).eps: how far the reference keeps probabilities from 0
# and 1 before it takes their logarithm.
_EPS = 1.1920929e-07


@flax.struct.dataclass
class Labels:
  """What is known about the pixels of a batch of images.

  Attributes:
    mask: uint8 [batch, height, width], the class of every pixel.
    uncertainty: float32 [batch, height, width], Jensen-Shannon divergence of
      the members in nats, 0 where all agree, at most log(classes).
    score: float32 [batch], mean of the tenth of the pixels that is most
      uncertain.
  """

  mask: chex.Array
  uncertainty: chex.Array
  score: chex.Array


@flax.struct.dataclass
class Statistics:
  """Sums over the members of an ensemble, per pixel.

  Attributes:
    softmax: [..., classes].
    votes: uint8 [..., classes], members whose argmax a class is.
    entropy: [...], in nats.
  """

  softmax: chex.Array
  votes: chex.Array
  entropy: chex.Array

  @classmethod
  def zeros(cls, shape: tuple[int, ...], classes: int) -> 'Statistics':
    return cls(
      jnp.zeros((*shape, classes)),
      jnp.zeros((*shape, classes), jnp.uint8),
      jnp.zeros(shape),
    )


def member_statistics(logits: chex.Array) -> Statistics:
  """The statistics of one member's logits [..., classes]."""
  centred = logits - logits.max(-1, keepdims=True)
  exponents = jnp.exp(centred)
  total = exponents.sum(-1, keepdims=True)
  softmax = exponents / total
  entropy = jnp.log(total[..., 0]) - (softmax * centred).sum(-1)
  vote = jax.nn.one_hot(logits.argmax(-1), logits.shape[-1], dtype=jnp.uint8)
  return Statistics(softmax, vote, entropy)


def uncertainty(statistics: Statistics, members: int) -> chex.Array:
  """Jensen-Shannon divergence [...]: H(mean softmax) - mean H(softmax).

  The mean is renormalised and its logarithm clamped, as in the release; what
  rounding leaves below zero is zero.
  """
  mean = statistics.softmax / statistics.softmax.sum(-1, keepdims=True)
  logarithm = jnp.log(jnp.clip(mean, _EPS, 1 - _EPS))
  entropy = -(mean * logarithm).sum(-1)
  return jnp.maximum(entropy - statistics.entropy / members, 0)


def score(uncertainty_map: chex.Array) -> chex.Array:
  """Mean of the int(n / 10) most uncertain pixels of a map [h, w]."""
  flat = uncertainty_map.ravel()
  top, _ = lax.top_k(flat, max(flat.size // 10, 1))
  return top.mean()


def votes_to_mask(statistics: Statistics, soft_voting: bool) -> chex.Array:
  """Classes uint8 [...]: the majority's choice, ties to the smallest class;
  or, with soft voting, the argmax of the mean softmax."""
  ballot = statistics.softmax if soft_voting else statistics.votes
  return ballot.argmax(-1).astype(jnp.uint8)


def label(
  interpreter: ensemble.Interpreter,
  pyramid: pyramid_lib.FeaturePyramid,
  canvas: pyramid_lib.Canvas,
  tile_pixels: int = TILE_PIXELS,
) -> Labels:
  """Labels every pixel of a batch, one image after another.

  Args:
    interpreter: the ensemble.
    pyramid: levels [batch, h, w, channels], float32 or bfloat16.
    canvas: the frame of the labels.
    tile_pixels: about how many pixels to hold at once.

  Raises:
    ValueError: the interpreter was made for other features.
  """
  spec = interpreter.spec
  if pyramid.channels != spec.feature_channels:
    raise ValueError(
      f'The interpreter reads features of {spec.feature_channels} channels; '
      f'this generator has {pyramid.channels}.'
    )

  def one(pyramid: pyramid_lib.FeaturePyramid) -> Labels:
    statistics = image_statistics(interpreter, pyramid, canvas, tile_pixels)
    doubt = uncertainty(statistics, spec.members)
    mask = votes_to_mask(statistics, spec.soft_voting)
    return Labels(mask, doubt, score(doubt))

  return lax.map(one, pyramid)


def image_statistics(
  interpreter: ensemble.Interpreter,
  pyramid: pyramid_lib.FeaturePyramid,
  canvas: pyramid_lib.Canvas,
  tile_pixels: int = TILE_PIXELS,
) -> Statistics:
  """Sums over the members for one image.

  Args:
    interpreter: the ensemble.
    pyramid: of one image, levels [h, w, channels].
    canvas: the frame of the labels.
    tile_pixels: about how many pixels to hold at once.

  Returns:
    Statistics of shape [height, width].
  """
  projection = projection_lib.Projection(pyramid, canvas)
  params = interpreter.params
  kernels = projection.kernels(params['dense_0']['kernel'])
  heads = ensemble.folded_heads(params)
  tile = _divisor(canvas.height, max(tile_pixels // canvas.width, 1))

  def member(total: Statistics, weights: Any) -> tuple[Statistics, None]:
    kernel, bias, head = weights
    hidden = projection.hidden(kernel, bias)

    def rows(total: Statistics, first: chex.Array) -> tuple[Statistics, None]:
      logits = _apply_heads(head, hidden(first, tile))
      one = member_statistics(logits)

      def add(whole: chex.Array, part: chex.Array) -> chex.Array:
        old = lax.dynamic_slice_in_dim(whole, first, tile)
        return lax.dynamic_update_slice_in_dim(whole, old + part, first, 0)

      return jax.tree.map(add, total, one), None

    starts = jnp.arange(0, canvas.height, tile)
    # Two at a time: one's small operations fill the gaps of the other's.
    return lax.scan(rows, total, starts, unroll=2)[0], None

  zeros = Statistics.zeros(
    (canvas.height, canvas.width), interpreter.spec.num_classes
  )
  weights = (kernels, params['dense_0']['bias'], heads)
  return lax.scan(member, zeros, weights)[0]


def _apply_heads(heads: Any, hidden: chex.Array) -> chex.Array:
  """Hidden maps before their ReLU to logits [rows, width, classes]."""
  x = jax.nn.relu(hidden)
  x = jax.nn.relu(_dense(heads['dense_1'], x))
  return _dense(heads['dense_2'], x)


def _dense(layer: Any, x: chex.Array) -> chex.Array:
  return layers.add_channels(layers.dense(x, layer['kernel']), layer['bias'])


def _divisor(number: int, limit: int) -> int:
  """The largest divisor of `number` that is at most `limit`."""
  return next(d for d in range(min(limit, number), 0, -1) if not number % d)
