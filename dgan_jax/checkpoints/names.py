"""State dicts: flat, named as PyTorch names them, laid out as it lays out.

A network is described by one `Entry` per array; from that both directions
follow, and what to say about an array that is missing, surplus or of another
shape. Layout differs, values do not: PyTorch keeps dense weights [out, in] and
convolutions [out, in, height, width].
"""

import dataclasses
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from dgan_jax import errors
from dgan_jax.generators import stylegan1

StateDict = Mapping[str, np.ndarray]
_Transform = Callable[[np.ndarray], np.ndarray]

# PyTorch layout to ours, and back.
_LAYOUTS: Mapping[str, tuple[_Transform, _Transform]] = {
  'vector': (lambda x: x, lambda x: x),
  'dense': (np.transpose, np.transpose),
  'conv': (
    lambda x: x.transpose(2, 3, 1, 0),
    lambda x: x.transpose(3, 2, 0, 1),
  ),
  'conv1x1': (lambda x: x[:, :, 0, 0].T, lambda x: x.T[:, :, None, None]),
  'const': (
    lambda x: x[0].transpose(1, 2, 0),
    lambda x: x.transpose(2, 0, 1)[None],
  ),
}


@dataclasses.dataclass(frozen=True)
class Entry:
  """One array under its two names.

  Attributes:
    key: in the state dict.
    path: in our parameters.
    shape: in the state dict.
    layout: how it is turned.
  """

  key: str
  path: tuple[str, ...]
  shape: tuple[int, ...]
  layout: str = 'vector'


def dense(
  key: str, path: tuple[str, ...], fan_in: int, size: int
) -> Iterator[Entry]:
  """A dense layer's kernel and bias."""
  yield Entry(f'{key}.weight', (*path, 'kernel'), (size, fan_in), 'dense')
  yield Entry(f'{key}.bias', (*path, 'bias'), (size,))


def conv(
  key: str, path: tuple[str, ...], fan_in: int, size: int
) -> Iterator[Entry]:
  """A 3x3 convolution's kernel and bias."""
  yield Entry(f'{key}.weight', (*path, 'kernel'), (size, fan_in, 3, 3), 'conv')
  yield Entry(f'{key}.bias', (*path, 'bias'), (size,))


def generator_entries(
  architecture: stylegan1.StyleGAN1,
) -> Iterator[Entry]:
  """The generator of DatasetGAN's release, less its constant blur buffers."""
  latent = architecture.latent_size
  for i in range(architecture.mapping_layers):
    yield from dense(
      f'g_mapping.dense{i}', ('mapping', f'dense_{i}'), latent, latent
    )
  fan_in = architecture.channels[0]
  for r, size in zip(
    architecture.resolutions, architecture.channels, strict=True
  ):
    key, path = f'g_synthesis.blocks.{r}x{r}', ('synthesis', f'block_{r}')
    if r == 4:
      yield Entry(f'{key}.const', (*path, 'const'), (1, size, 4, 4), 'const')
      yield Entry(f'{key}.bias', (*path, 'bias'), (size,))
      second = f'{key}.conv'
    else:
      yield from conv(f'{key}.conv0_up', (*path, 'conv_up'), fan_in, size)
      second = f'{key}.conv1'
    yield from conv(second, (*path, 'conv'), size, size)
    for i in (1, 2):
      epilogue = (*path, f'epilogue_{i}')
      yield Entry(
        f'{key}.epi{i}.top_epi.noise.weight',
        (*epilogue, 'noise_strength'),
        (size,),
      )
      yield from dense(
        f'{key}.epi{i}.style_mod.lin', (*epilogue, 'style'), latent, 2 * size
      )
    fan_in = size
  key, path = 'g_synthesis.torgb', ('synthesis', 'to_rgb')
  yield Entry(f'{key}.weight', (*path, 'kernel'), (3, fan_in, 1, 1), 'conv1x1')
  yield Entry(f'{key}.bias', (*path, 'bias'), (3,))


def member_entries(features: int, sizes: tuple[int, ...]) -> Iterator[Entry]:
  """One pixel classifier of DatasetGAN's release.

  Args:
    features: length of a pixel's feature vector.
    sizes: outputs of the three dense layers.
  """
  for i, (fan_in, size) in enumerate(
    zip((features, *sizes), sizes, strict=False)
  ):
    yield from dense(f'layers.{3 * i}', (f'dense_{i}',), fan_in, size)
    if i < 2:
      for theirs, ours in (
        ('weight', 'scale'),
        ('bias', 'bias'),
        ('running_mean', 'mean'),
        ('running_var', 'var'),
      ):
        yield Entry(
          f'layers.{3 * i + 2}.{theirs}', (f'norm_{i}', ours), (size,)
        )


def to_params(
  state_dict: StateDict, entries: Iterable[Entry], source: str
) -> dict[str, Any]:
  """Nested parameters from a state dict.

  Args:
    state_dict: it has to hold these arrays and no others.
    entries: of the network.
    source: what to call the state dict in errors, a file name.

  Raises:
    errors.UserError: a key is missing or surplus, or an array is not what it
      has to be; see `checked`.
  """
  params: dict[tuple[str, ...], jnp.ndarray] = {}
  unused = set(state_dict)
  for entry in entries:
    value = checked(state_dict, entry.key, entry.shape, source)
    unused.discard(entry.key)
    params[entry.path] = jnp.asarray(_LAYOUTS[entry.layout][0](value))
  if unused:
    raise errors.UserError(
      f'{source} has keys that are not of this network: {listed(unused)}.'
    )
  return _nested(params)


def param_shapes(entries: Iterable[Entry]) -> dict[str, Any]:
  """The `jax.ShapeDtypeStruct`s of what `to_params` makes."""
  shapes = {}
  for entry in entries:
    no_memory = np.broadcast_to(np.float32(0), entry.shape)
    turned = _LAYOUTS[entry.layout][0](no_memory)
    shapes[entry.path] = jax.ShapeDtypeStruct(turned.shape, jnp.float32)
  return _nested(shapes)


def _nested(leaves: Mapping[tuple[str, ...], Any]) -> dict[str, Any]:
  tree: dict[str, Any] = {}
  for (*outer, name), leaf in leaves.items():
    node = tree
    for part in outer:
      node = node.setdefault(part, {})
    node[name] = leaf
  return tree


def from_params(
  params: Mapping[str, Any], entries: Iterable[Entry]
) -> dict[str, np.ndarray]:
  """The inverse of `to_params`."""
  state_dict = {}
  for entry in entries:
    node: Any = params
    for part in entry.path:
      node = node[part]
    value = _LAYOUTS[entry.layout][1](np.asarray(node))
    state_dict[entry.key] = np.ascontiguousarray(value)
  return state_dict


def checked(
  state_dict: StateDict, key: str, shape: tuple[int, ...], source: str
) -> np.ndarray:
  """One array as float32.

  Raises:
    errors.UserError: it is missing, has another shape, or has values that are
      not finite.
  """
  if key not in state_dict:
    raise errors.UserError(
      f'{source} has no key {key}; expected an array of shape {shape}.'
    )
  value = state_dict[key]
  if value.shape != shape:
    raise errors.UserError(
      f'{source}: {key} has shape {value.shape}; expected {shape}.'
    )
  with np.errstate(over='ignore'):
    value = value.astype(np.float32)
  if not np.isfinite(value).all():
    raise errors.UserError(f'{source}: {key} has values that are not finite.')
  return value


def num_outputs(state_dict: StateDict, key: str, source: str) -> int:
  """Outputs of the layer whose weight this is.

  Raises:
    errors.UserError: there is no such weight.
  """
  if key not in state_dict:
    raise errors.UserError(
      f"{source} has no key {key}; expected a network of DatasetGAN's release."
    )
  if not state_dict[key].shape:
    raise errors.UserError(f'{source}: {key} is a scalar; expected a weight.')
  return state_dict[key].shape[0]


def without_prefix(state_dict: StateDict) -> dict[str, np.ndarray]:
  """Keys without the 'module.' that PyTorch's data parallelism prepends."""
  return {k.removeprefix('module.'): v for k, v in state_dict.items()}


def listed(values: set[Any]) -> str:
  """Some of these for an error message, with the last, which may be odd."""
  names = [ascii(str(value))[1:-1][:80] for value in sorted(values)]
  if len(names) > 4:
    names[3:-1] = ['...']
  return ', '.join(names) or 'none'
