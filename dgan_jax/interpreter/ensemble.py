"""The ensemble of pixel networks, one parameter tree for all members.

Each member is the perceptron of DatasetGAN's release, dense -> ReLU ->
batch norm twice and a last dense layer, on the feature vector of one pixel.
"""

import dataclasses
import functools
import json
from typing import Any

import chex
import flax.linen as nn
import flax.struct
import jax
import jax.numpy as jnp

from dgan_jax import storage, validation
from dgan_jax.generators import layers
from dgan_jax.tasks import task as task_lib

BATCH_NORM_EPS = 1e-5
BATCH_NORM_MOMENTUM = 0.1


def hidden_sizes(num_outputs: int) -> tuple[int, int]:
  """The release's widths: (128, 32) below 32 outputs, else (256, 128)."""
  return (128, 32) if num_outputs < 32 else (256, 128)


@dataclasses.dataclass(frozen=True)
class InterpreterSpec:
  """What an interpreter was made for; static under jit.

  Attributes:
    feature_channels: of every level of the generator's pyramid.
    task: what its labels are.
    hidden: widths of the two hidden layers.
    members: size of the ensemble.
    generator_checksum: the generator it was trained on; '' if unknown.
    resolution: of that generator's image.
    rows: the crop its labels live in, None for whole images.
  """

  feature_channels: tuple[validation.Count, ...]
  task: task_lib.Task
  hidden: tuple[validation.Count, validation.Count]
  members: validation.Count
  generator_checksum: str = ''
  resolution: validation.Whole = 0
  rows: tuple[validation.Whole, validation.Whole] | None = None

  @property
  def num_outputs(self) -> int:
    """Width of the last layer."""
    return len(self.task.names)

  @property
  def num_features(self) -> int:
    """Length of a pixel's feature vector."""
    return sum(self.feature_channels)

  def to_json(self) -> dict[str, Any]:
    """JSON values, of which `checkpoints.store` makes it again."""
    fields = {x.name: getattr(self, x.name) for x in dataclasses.fields(self)}
    return {**fields, 'task': self.task.to_json()}


@flax.struct.dataclass
class Interpreter:
  """N pixel classifiers.

  Attributes:
    spec: what they were made for.
    params: arrays stacked over the members: dense_0, dense_1, dense_2
      {kernel [N, in, out], bias [N, out]} and norm_0, norm_1 {scale, bias,
      mean, var: [N, width]}.
  """

  spec: InterpreterSpec = flax.struct.field(pytree_node=False)
  params: Any


def checksum(interpreter: Interpreter) -> str:
  """sha256 of the spec and every array."""
  header = json.dumps(interpreter.spec.to_json(), sort_keys=True)
  return storage.tree_sha256(interpreter.params, header)


class BatchNorm(nn.Module):
  """Batch normalisation as PyTorch counts: unbiased running variance.

  The running `mean` and `var` live in the collection 'batch_stats'.
  """

  @nn.compact
  def __call__(self, x: chex.Array, train: bool) -> chex.Array:
    size = x.shape[-1]
    scale = self.param('scale', nn.initializers.ones, (size,))
    bias = self.param('bias', nn.initializers.zeros, (size,))
    mean = self.variable('batch_stats', 'mean', jnp.zeros, (size,))
    var = self.variable('batch_stats', 'var', jnp.ones, (size,))
    if not train:
      return normalize(x, mean.value, var.value, scale, bias)
    batch_mean = x.mean(0)
    batch_var = jnp.square(x - batch_mean[None]).mean(0)
    if not self.is_initializing():
      unbiased = batch_var * (x.shape[0] / max(x.shape[0] - 1, 1))
      mean.value += BATCH_NORM_MOMENTUM * (batch_mean - mean.value)
      var.value += BATCH_NORM_MOMENTUM * (unbiased - var.value)
    return normalize(x, batch_mean, batch_var, scale, bias)


def normalize(
  x: chex.Array,
  mean: chex.Array,
  var: chex.Array,
  scale: chex.Array,
  bias: chex.Array,
) -> chex.Array:
  """Batch norm of [..., width] with given statistics [width]."""
  scale = jax.lax.rsqrt(var + BATCH_NORM_EPS) * scale
  return layers.add_channels((x - mean[None]) * scale[None], bias)


class PixelClassifier(nn.Module):
  """One member: feature vectors [n, features] to outputs [n, names]."""

  hidden: tuple[int, int]  # widths of the two hidden layers
  num_outputs: int  # width of the last
  dropout: float = 0  # share of hidden units dropped in training

  @nn.compact
  def __call__(self, x: chex.Array, train: bool = False) -> chex.Array:
    dense = functools.partial(
      nn.Dense,
      kernel_init=nn.initializers.normal(0.02),
      precision=layers.precision(x.dtype),
    )
    for i, size in enumerate(self.hidden):
      x = nn.relu(dense(size, name=f'dense_{i}')(x))
      x = BatchNorm(name=f'norm_{i}')(x, train)
      x = nn.Dropout(self.dropout, deterministic=not train)(x)
    return dense(self.num_outputs, name='dense_2')(x)


def merge_batch_stats(params: Any, batch_stats: Any) -> Any:
  """Flax's two collections as the one tree that `Interpreter` holds."""
  return {
    key: {**own, **batch_stats.get(key, {})} for key, own in params.items()
  }


def split_batch_stats(params: Any) -> tuple[Any, Any]:
  """The inverse of `merge_batch_stats`: (params, batch_stats)."""
  trained, batch_stats = {}, {}
  for name, layer in params.items():
    trained[name] = dict(layer)
    if name.startswith('norm'):
      own = trained[name]
      batch_stats[name] = {key: own.pop(key) for key in ('mean', 'var')}
  return trained, batch_stats


def folded_heads(params: Any) -> Any:
  """The layers after the first as two dense layers between ReLUs.

  A batch norm is affine once trained; it is folded into the dense layer that
  follows it, so labelling never spends a pass over the pixels on it.

  Returns:
    {'dense_1', 'dense_2'}, each {kernel, bias}, stacked like `params`.
  """

  def fold(norm: Any, dense: Any) -> Any:
    scale = norm['scale'] * jax.lax.rsqrt(norm['var'] + BATCH_NORM_EPS)
    shift = norm['bias'] - norm['mean'] * scale
    kernel = dense['kernel']
    added = jnp.einsum('nh,nhk->nk', shift, kernel, precision='highest')
    return {'kernel': kernel * scale[:, :, None], 'bias': dense['bias'] + added}

  return {
    'dense_1': fold(params['norm_0'], params['dense_1']),
    'dense_2': fold(params['norm_1'], params['dense_2']),
  }
