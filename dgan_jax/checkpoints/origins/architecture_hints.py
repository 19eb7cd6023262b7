"""What a file shows of its network's architecture: arrays and settings."""

import re
from collections.abc import Mapping
from typing import Any, TypeVar

from dgan_jax import errors
from dgan_jax.checkpoints.formats import untrusted
from dgan_jax.checkpoints.origins import state_dict
from dgan_jax.generators import generator as generators
from dgan_jax.generators import stylegan1, stylegan2

# What a file says about its network beside the arrays: plain values.
Settings = Mapping[str, Any]

_T = TypeVar('_T')


def resolutions(
  arrays: state_dict.StateDict, pattern: str, source: str, network: str
) -> list[int]:
  """Resolutions of the synthesis blocks, 4 first.

  Args:
    arrays: of the network.
    pattern: matches the keys of a block; its first group is the resolution.
    source: what to call the arrays in errors.
    network: what they should be of.

  Raises:
    errors.UserError: they are not 4, 8, 16, ...
  """
  found = {int(match[1]) for key in arrays if (match := re.match(pattern, key))}
  if (
    sorted(found) != [4 * 2**i for i in range(min(len(found), 16))] or not found
  ):
    raise errors.UserError(
      f'{source} has synthesis blocks of {state_dict.listed(found)} px; '
      f'expected 4, 8, 16, ... as in {network}.'
    )
  return sorted(found)


def count_layers(arrays: state_dict.StateDict, pattern: str) -> int:
  """How many layers the mapping network has.

  Args:
    arrays: of the network.
    pattern: matches the keys of a layer; its first group is the number.
  """
  return len({m[1] for key in arrays if (m := re.match(pattern, key))})


def check_latent(z_size: int, w_size: int, source: str) -> int:
  """The size of z and of w.

  Raises:
    errors.UserError: they differ.
  """
  if z_size != w_size:
    raise errors.UserError(
      f'{source} has latents z of {z_size} numbers and w of {w_size}; expected '
      'the same number.'
    )
  return w_size


def check_settings(
  settings: Settings, standard: Mapping[str, tuple[Any, ...]], source: str
) -> None:
  """Checks what a file says about its network, where it does.

  Args:
    settings: of the file.
    standard: the values that we can do, for every key that matches.
    source: what to call the file in errors.

  Raises:
    errors.UserError: a setting has another value.
  """
  for pattern, supported in standard.items():
    for key, value in settings.items():
      if re.fullmatch(pattern, key) and value not in supported:
        raise errors.UserError(
          f'{source} has a network with {untrusted.shown(key)} = '
          f'{untrusted.shown(value)}; expected '
          f'{" or ".join(map(repr, supported))}.'
        )


def only(settings: Settings, pattern: str, source: str) -> Any:
  """The one value of all settings that match; None if there are none.

  Raises:
    errors.UserError: they have several.
  """
  found = {
    value for key, value in settings.items() if re.fullmatch(pattern, key)
  }
  if len(found) > 1:
    shown = ', '.join(sorted(untrusted.shown(value) for value in found))
    raise errors.UserError(
      f'{source} has a network whose layers differ in '
      f'{pattern.rpartition(".")[2]} ({shown}); expected one for all.'
    )
  return found.pop() if found else None


def clamp(value: Any) -> Any:
  """A StyleGAN2's `conv_clamp` as a file states it: numbers as ours."""
  return float(value) if type(value) is int else value


def block(arrays: state_dict.StateDict, first_to_rgb: str, skip: str) -> str:
  """How a StyleGAN2 connects its blocks, by layers that only some kinds have.

  Args:
    arrays: of the network.
    first_to_rgb: a key of the 4x4 block's image, which 'skip' alone has.
    skip: a key of a residual branch.
  """
  if first_to_rgb in arrays:
    return 'skip'
  return 'resnet' if skip in arrays else 'orig'


def made(kind: type[_T], source: str, **fields: Any) -> _T:
  """An architecture of what a file says.

  Raises:
    errors.UserError: there is no such architecture.
  """
  try:
    return kind(**fields)
  except ValueError as error:
    shown = untrusted.shown(error, 200)
    raise errors.UserError(f'{source}: {shown}') from None


def from_json(fields: Any, source: str) -> generators.Architecture:
  """The architecture that `generators.architecture_to_json` described.

  Args:
    fields: what a file has in that place, anything.
    source: what to call the file in errors.

  Raises:
    errors.UserError: it describes none, or one larger than any real one.
  """
  kinds: dict[str, type[generators.Architecture]] = {
    'StyleGAN1': stylegan1.StyleGAN1,
    'StyleGAN2': stylegan2.StyleGAN2,
  }
  with untrusted.refusing(source, 'does not describe a generator: it '):
    kind, rest = 'StyleGAN1', fields
    if isinstance(fields, dict):
      rest = {k: v for k, v in fields.items() if k != 'kind'}
      kind = fields.get('kind', kind)
    if not isinstance(kind, str) or kind not in kinds:
      raise untrusted.FormatError(
        f'has the kind {untrusted.shown(kind)}; expected StyleGAN1 or '
        'StyleGAN2.'
      )
    return untrusted.record(kinds[kind], rest)
