"""A generator out of a file's arrays, whatever the file calls them.

How the files of one origin name things is a `Naming`; the rest is alike for
all: the architecture is read off the arrays, then every array is checked
against it.
"""

import dataclasses
import math
import re
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import jax.numpy as jnp
import numpy as np

from dgan_jax import errors
from dgan_jax.checkpoints.origins import architecture_hints, state_dict
from dgan_jax.generators import generator as generators

# Leaves of a layer of ours to (key, layout) within the layer of theirs.
Leaves = Mapping[state_dict.Path, tuple[str, str]]


@dataclasses.dataclass(frozen=True)
class Naming:
  """How files of one origin name a generator's arrays."""

  title: str  # the origin, for people
  marker: str  # a key that every such network has and no other
  # Reads it off (arrays, settings, source).
  architecture: Callable[
    [state_dict.StateDict, architecture_hints.Settings, str],
    generators.Architecture,
  ]
  # A path in our parameters to (key, layout).
  key_of: Callable[[state_dict.Path, Any], tuple[str, str]]
  # Entries of the constant noise maps, in our order; () if such files have
  # none.
  noise: Callable[[Any], Sequence[state_dict.Entry]] = lambda _: ()
  w_avg: str | None = None  # key of the mean w, None if such files have none
  # Arrays that repeat what the architecture implies, {key: value}; they may be
  # missing, but not differ.
  constants: Callable[[Any], state_dict.StateDict] = lambda _: {}
  # Matches the keys of arrays that the network does not use.
  unused: str = r'(?!)'  # matches nothing

  def entries(
    self, architecture: generators.Architecture
  ) -> list[state_dict.Entry]:
    """One for every parameter."""
    shapes = generators.shapes(architecture, has_noise=False)['params']
    return state_dict.entries_of(
      shapes, lambda path: self.key_of(path, architecture)
    )


@dataclasses.dataclass(frozen=True)
class Stored:
  """What a file holds of a generator."""

  architecture: generators.Architecture  # of the network
  params: Any  # its weights, as the architecture lays them out
  # Mean w [num_ws, latent_size], if the file has it.
  w_avg: np.ndarray | None = None
  # The constant maps [1, r, r, 1], if the file has them.
  noise: tuple[jnp.ndarray, ...] | None = None
  # Whether its images had one channel; now they have it three times.
  grey: bool = False


def read(
  naming: Naming,
  arrays: state_dict.StateDict,
  settings: architecture_hints.Settings | None = None,
  source: str = 'The state dict',
) -> Stored:
  """A network's arrays as our parameters.

  Args:
    naming: of the arrays.
    arrays: of this network and no other.
    settings: what else the file says about the network.
    source: what to call the arrays in errors, a file name.

  Raises:
    errors.UserError: a key is missing or not of this network, an array has
      another shape or values that are not finite, or the network does
      something that ours does not.
  """
  architecture = naming.architecture(arrays, settings or {}, source)
  constants = naming.constants(architecture)
  for key, value in constants.items():
    if key in arrays and not np.array_equal(
      state_dict.checked(arrays, key, value.shape, source), value
    ):
      raise errors.UserError(
        f'{source}: {key} is another blur than {_blur_name(value)}.'
      )
  noise = naming.noise(architecture)
  drop = {*constants, *(entry.key for entry in noise), naming.w_avg}
  weights = {
    key: value
    for key, value in arrays.items()
    if key not in drop and not re.fullmatch(naming.unused, key)
  }
  entries = naming.entries(architecture)
  coloured = _coloured(weights, entries, source)
  params = state_dict.to_params({**weights, **coloured}, entries, source)
  w_avg = None if naming.w_avg is None else arrays.get(naming.w_avg)
  return Stored(
    architecture=architecture,
    params=params,
    w_avg=None
    if w_avg is None
    else w_avg_rows(w_avg, architecture, f'{source}: {naming.w_avg}'),
    noise=tuple(entry.read(arrays, source) for entry in noise)
    if any(entry.key in arrays for entry in noise)
    else None,
    grey=bool(coloured),
  )


def write(
  naming: Naming,
  architecture: generators.Architecture,
  params: Mapping[str, Any],
) -> dict[str, np.ndarray]:
  """The arrays that `read` makes these parameters of; no w_avg, no noise."""
  return {
    **naming.constants(architecture),
    **state_dict.from_params(params, naming.entries(architecture)),
  }


def joined(
  layer: str, leaf: Sequence[str], leaves: Leaves, separator: str = '.'
) -> tuple[str, str]:
  """(key, layout) of a leaf of a layer."""
  name, layout = leaves[tuple(leaf)]
  return f'{layer}{separator}{name}', layout


def w_avg_rows(
  w_avg: np.ndarray,
  architecture: generators.Architecture,
  source: str = 'The mean latent',
) -> np.ndarray:
  """w_avg [num_ws, latent_size] from any of the layouts in use.

  Args:
    w_avg: [rows, latent] or [1, rows, latent] with at least as many rows as
      the network uses (the release stores 18 for all), or [latent] or
      [1, latent] for all rows.
    architecture: of the network.
    source: what to call it in errors.

  Raises:
    errors.UserError: it has another shape or values that are not finite.
  """
  rows, latent = architecture.num_ws, architecture.latent_size
  value = np.asarray(w_avg)
  if value.ndim == 3 and value.shape[0] == 1:
    value = value[0]
  if value.size == latent:
    value = np.broadcast_to(value.reshape(1, latent), (rows, latent))
  if value.ndim != 2 or value.shape[0] < rows or value.shape[1] != latent:
    raise errors.UserError(
      f'{source} has shape {np.shape(w_avg)}; expected ({rows} or more, '
      f'{latent}) or ({latent},).'
    )
  return state_dict.checked(
    {'w_avg': value[:rows]}, 'w_avg', (rows, latent), source
  )


def noise_maps(
  noise: state_dict.StateDict,
  architecture: generators.Architecture,
  source: str = 'The noise',
) -> tuple[jnp.ndarray, ...]:
  """Maps [1, r, r, 1] of a generator from {'noise0': [1, 1, r, r], ...}.

  Raises:
    errors.UserError: they are of another generator.
  """
  entries = noise_entries(architecture, 'noise{}')
  extra = set(noise) - {entry.key for entry in entries}
  if extra:
    raise errors.UserError(
      f'{source} has maps that are not of a {architecture.resolution} px '
      f'network: {state_dict.listed(extra)}.'
    )
  return tuple(entry.read(noise, source) for entry in entries)


def noise_entries(
  architecture: generators.Architecture, key: str
) -> list[state_dict.Entry]:
  """Entries of maps [1, 1, r, r] that are numbered like ours.

  Args:
    architecture: of the network.
    key: with '{}' for the number.
  """
  return [
    state_dict.Entry(key.format(i), ('noise', str(i)), (1, r, r, 1), 'nchw')
    for i, r in enumerate(architecture.noise_resolutions)
  ]


def _coloured(
  weights: state_dict.StateDict,
  entries: Sequence[state_dict.Entry],
  source: str,
) -> dict[str, np.ndarray]:
  """The arrays that a network of grey images has to have for three channels.

  Raises:
    errors.UserError: it makes images of two or four channels, or such that
      are not square.
  """
  coloured = {}
  for entry in entries:
    value = weights.get(entry.key)
    if value is None or value.ndim != len(entry.stored_shape) or not value.size:
      continue  # which `to_params` says
    if entry.path[-1] == 'const' and entry.to_ours(value).shape[:2] != (4, 4):
      height, width = entry.to_ours(value).shape[:2]
      raise errors.UserError(
        f'{source} starts from {height} x {width} pixels; expected 4 x 4, as '
        'of networks whose images are square.'
      )
    if entry.path[-2] == 'to_rgb':
      channels = entry.to_ours(value).shape[-1]
      if channels not in (1, 3):
        raise errors.UserError(
          f'{source} makes images of {channels} channels; expected 3, or 1 of '
          'grey ones.'
        )
      if channels == 1 and value.size == math.prod(entry.stored_shape) // 3:
        coloured[entry.key] = np.broadcast_to(value, entry.stored_shape)
  return coloured


def _blur_name(kernel: np.ndarray) -> str:
  """[1, 2, 1] x [1, 2, 1] / 16, or what this outer product is."""
  row = kernel.reshape(kernel.shape[-2:])[0]
  taps = [round(float(value / row[0])) for value in row]
  return f'{taps} x {taps} / {round(float(1 / row[0]))}'
