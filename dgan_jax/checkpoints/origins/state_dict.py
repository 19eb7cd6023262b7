"""State dicts: flat, named and laid out as the code that wrote them does."""

import dataclasses
import itertools
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from flax import traverse_util

from dgan_jax import errors
from dgan_jax.checkpoints.formats import untrusted

StateDict = Mapping[str, np.ndarray]
Path = tuple[str, ...]
_Transform = Callable[[np.ndarray], np.ndarray]

# Their layout to ours, and back, where it is more than the order of axes.
_LAYOUTS: Mapping[str, tuple[_Transform, _Transform]] = {
  'same': (lambda x: x, lambda x: x),
  'hwio_mirrored': (lambda x: x[::-1, ::-1], lambda x: x[::-1, ::-1]),
  'less_one': (lambda x: x + 1, lambda x: x - 1),
  '1hw1': (lambda x: x[None, :, :, None], lambda x: x[0, :, :, 0]),
}
# Ours. PyTorch keeps dense weights 'oi' (outputs, inputs), convolutions 'oihw'
# and images 'nchw'; TensorFlow as we do. Axes of length 1 that we don't have
# are written as 1: 'oi11'.
_ORDER = 'nhwcio'
# Batch normalisation's arrays to ours.
_NORM = {
  'weight': 'scale',
  'bias': 'bias',
  'running_mean': 'mean',
  'running_var': 'var',
}


@dataclasses.dataclass(frozen=True)
class Entry:
  """One array under its two names."""

  key: str  # in the state dict
  path: Path  # in our tree
  shape: tuple[int, ...]  # in our tree
  layout: str = 'same'  # how the state dict's array is turned to become ours

  @property
  def stored_shape(self) -> tuple[int, ...]:
    """The shape in the state dict."""
    no_memory = np.broadcast_to(np.float32(0), self.shape)
    return self.to_stored(no_memory).shape

  def to_ours(self, value: np.ndarray) -> np.ndarray:
    if self.layout in _LAYOUTS:
      return _LAYOUTS[self.layout][0](value)
    kept = tuple(0 if axis == '1' else slice(None) for axis in self.layout)
    return value[kept].transpose(self._order)

  def to_stored(self, value: np.ndarray) -> np.ndarray:
    if self.layout in _LAYOUTS:
      return _LAYOUTS[self.layout][1](value)
    added = [i for i, axis in enumerate(self.layout) if axis == '1']
    return np.expand_dims(value.transpose(np.argsort(self._order)), added)

  @property
  def _order(self) -> list[int]:
    """Which of their axes, without those of length 1, our axes are."""
    axes = self.layout.replace('1', '')
    return sorted(range(len(axes)), key=lambda i: _ORDER.index(axes[i]))

  def read(self, state_dict: StateDict, source: str) -> jnp.ndarray:
    """The array as ours; see `checked` for what it raises."""
    value = checked(state_dict, self.key, self.stored_shape, source)
    return jnp.asarray(self.to_ours(value))


def member_entries(features: int, sizes: Sequence[int]) -> list[Entry]:
  """One pixel classifier of DatasetGAN's release: the length of a pixel's
  feature vector, the outputs of the three dense layers."""
  entries = []
  for i, shape in enumerate(itertools.pairwise((features, *sizes))):
    key, path = f'layers.{3 * i}', f'dense_{i}'
    entries.append(Entry(f'{key}.weight', (path, 'kernel'), shape, 'oi'))
    entries.append(Entry(f'{key}.bias', (path, 'bias'), shape[1:]))
    for theirs, ours in _NORM.items() if i < 2 else ():
      key, path = f'layers.{3 * i + 2}.{theirs}', f'norm_{i}'
      entries.append(Entry(key, (path, ours), shape[1:]))
  return entries


def entries_of(
  shapes: Any, key_of: Callable[[str], tuple[str, str]]
) -> list[Entry]:
  """Entries of a whole tree of `jax.ShapeDtypeStruct`s, whose dotted paths
  `key_of` turns to (key in the state dict, layout)."""
  entries = []
  for keys, leaf in jax.tree_util.tree_leaves_with_path(shapes):
    path = jax.tree_util.keystr(keys, simple=True, separator='.')
    key, layout = key_of(path)
    entries.append(Entry(key, tuple(path.split('.')), leaf.shape, layout))
  return entries


def to_params(
  state_dict: StateDict, entries: Iterable[Entry], source: str
) -> dict[str, Any]:
  """Nested parameters from a state dict that holds these arrays and no others.

  Raises:
    errors.UserError: a key is missing or surplus, or an array is not what it
      has to be; see `checked`.
  """
  entries = list(entries)
  params = {entry.path: entry.read(state_dict, source) for entry in entries}
  unused = set(state_dict) - {entry.key for entry in entries}
  if unused:
    raise errors.UserError(
      f'{source} has keys that are not of this network: {listed(unused)}.'
    )
  return traverse_util.unflatten_dict(params)


def param_shapes(entries: Iterable[Entry]) -> dict[str, Any]:
  """The `jax.ShapeDtypeStruct`s of what `to_params` makes."""
  return traverse_util.unflatten_dict(
    {e.path: jax.ShapeDtypeStruct(e.shape, jnp.float32) for e in entries}
  )


def from_params(
  params: Mapping[str, Any], entries: Iterable[Entry]
) -> dict[str, np.ndarray]:
  """The inverse of `to_params`."""
  leaves = traverse_util.flatten_dict(params)
  stored = {e.key: e.to_stored(np.asarray(leaves[e.path])) for e in entries}
  return {key: np.asarray(value, order='C') for key, value in stored.items()}


def checked(
  state_dict: StateDict, key: str, shape: tuple[int, ...], source: str
) -> np.ndarray:
  """One array as float32, a copy.

  Raises:
    errors.UserError: it is missing, has another shape or type, or has values
      that are not finite.
  """
  if key not in state_dict:
    raise errors.UserError(
      f'{source} has no key {key}; expected an array of shape {shape}.'
    )
  value, what = state_dict[key], f'{source}: {key}'
  dtype = value.dtype
  if value.shape != shape:
    raise errors.UserError(f'{what} has shape {value.shape}; expected {shape}.')
  numeric = dtype.kind == 'b' or jnp.issubdtype(dtype, np.number)
  if not numeric or dtype.kind == 'c':
    raise errors.UserError(f'{what} is of type {dtype}; expected float32.')
  with np.errstate(over='ignore'):
    value = value.astype(np.float32)
  if not np.isfinite(value).all():
    raise errors.UserError(f'{what} has values that are not finite.')
  return value


def size_of(
  state_dict: StateDict,
  key: str,
  layout: str,
  axis: str,
  source: str,
  expected: str,
) -> int:
  """How many inputs ('i') or outputs ('o') a layer has, by a weight of it.

  Raises:
    errors.UserError: there is no such weight, as what was expected has.
  """
  if key not in state_dict:
    raise errors.UserError(f'{source} has no key {key}; expected {expected}.')
  shape = state_dict[key].shape
  place = layout.find(axis)
  if layout in _LAYOUTS:
    place = len(shape) + 'io'.index(axis) - 2
  if not 0 <= place < len(shape) or not shape[place]:
    found = f'has shape {shape}' if shape else 'is a scalar'
    raise errors.UserError(f'{source}: {key} {found}; expected a weight.')
  return shape[place]


def without_prefix(state_dict: StateDict) -> dict[str, np.ndarray]:
  """Without the 'module.' that PyTorch's data parallelism prepends to keys, and
  without counts of batches."""
  return {
    key.removeprefix('module.'): value
    for key, value in state_dict.items()
    if not key.endswith('.num_batches_tracked')
  }


def listed(values: Iterable[Any]) -> str:
  """Some of these for an error message, with the last, which may be odd."""
  names = [untrusted.shown(value) for value in sorted(values)]
  if len(names) > 4:
    names[3:-1] = ['...']
  return ', '.join(names) or 'none'
