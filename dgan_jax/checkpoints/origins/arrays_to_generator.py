"""A generator out of a file's arrays, whatever the file calls them.

The architecture is read off the arrays, then every array is checked against it.
"""

import dataclasses
import math
import re
from collections.abc import Mapping, Sequence
from typing import Any

import jax.numpy as jnp
import numpy as np

from dgan_jax import errors
from dgan_jax.checkpoints.origins import naming as naming_lib
from dgan_jax.checkpoints.origins import state_dict
from dgan_jax.generators import generator as generators


@dataclasses.dataclass
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
  naming: naming_lib.Naming,
  arrays: state_dict.StateDict,
  settings: naming_lib.Settings | None = None,
  source: str = 'The state dict',
) -> Stored:
  """A network's arrays, and those of no other, as our parameters.

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
      # It is the outer product of a row with itself.
      row = value.reshape(value.shape[-2:])[0]
      taps = [round(float(tap / row[0])) for tap in row]
      raise errors.UserError(
        f'{source}: {key} is another blur than {taps} x {taps} / '
        f'{round(float(1 / row[0]))}.'
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
  stored = Stored(
    architecture=architecture,
    params=state_dict.to_params({**weights, **coloured}, entries, source),
    grey=bool(coloured),
  )
  if naming.w_avg and naming.w_avg in arrays:
    stored.w_avg = w_avg_rows(
      arrays[naming.w_avg], architecture, f'{source}: {naming.w_avg}'
    )
  if any(entry.key in arrays for entry in noise):
    stored.noise = tuple(entry.read(arrays, source) for entry in noise)
  return stored


def write(
  naming: naming_lib.Naming,
  architecture: generators.Architecture,
  params: Mapping[str, Any],
) -> dict[str, np.ndarray]:
  """The arrays that `read` makes these parameters of; no w_avg, no noise."""
  return {
    **naming.constants(architecture),
    **state_dict.from_params(params, naming.entries(architecture)),
  }


def w_avg_rows(
  w_avg: np.ndarray,
  architecture: generators.Architecture,
  source: str = 'The mean latent',
) -> np.ndarray:
  """w_avg [num_ws, latent_size] from any of the layouts in use.

  They are [rows, latent] or [1, rows, latent] with at least as many rows as the
  network uses (the release stores 18 for all), or [latent] or [1, latent].

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
  noise: state_dict.StateDict, architecture: generators.Architecture
) -> tuple[jnp.ndarray, ...]:
  """Maps [1, r, r, 1] of a generator from {'noise0': [1, 1, r, r], ...}.

  Raises:
    errors.UserError: they are of another generator.
  """
  entries = [
    state_dict.Entry(f'noise{i}', ('noise', str(i)), (1, r, r, 1), 'nchw')
    for i, r in enumerate(architecture.noise_resolutions)
  ]
  extra = set(noise) - {entry.key for entry in entries}
  if extra:
    raise errors.UserError(
      f'The noise has maps that are not of a {architecture.resolution} px '
      f'network: {state_dict.listed(extra)}.'
    )
  return tuple(entry.read(noise, 'The noise') for entry in entries)


def _coloured(
  weights: state_dict.StateDict,
  entries: Sequence[state_dict.Entry],
  source: str,
) -> dict[str, np.ndarray]:
  """The arrays that a network of grey images has to have for three channels;
  refuses those of two or four channels, and images that are not square."""
  coloured = {}
  for entry in entries:
    value = weights.get(entry.key)
    if value is None or value.ndim != len(entry.stored_shape) or not value.size:
      continue  # which `to_params` says
    shape = entry.to_ours(value).shape
    if entry.path[-1] == 'const' and shape[:2] != (4, 4):
      raise errors.UserError(
        f'{source} starts from {shape[0]} x {shape[1]} pixels; expected 4 x 4, '
        'as of networks whose images are square.'
      )
    if entry.path[-2] == 'to_rgb' and shape[-1] not in (1, 3):
      raise errors.UserError(
        f'{source} makes images of {shape[-1]} channels; expected 3, or 1 of '
        'grey ones.'
      )
    if entry.path[-2] == 'to_rgb' and value.size * 3 == math.prod(entry.shape):
      coloured[entry.key] = np.broadcast_to(value, entry.stored_shape)
  return coloured
