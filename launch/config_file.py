"""Config files: found by their names, checked and loaded."""

import difflib
import os
import pathlib
import re
import runpy
from collections.abc import Iterator, Sequence

from flax import traverse_util
from ml_collections.config_dict import ConfigDict as Config

from dgan_jax import errors, storage

_CONFIGS = pathlib.Path(__file__).parents[1] / 'configs'


def with_files(argv: Sequence[str]) -> Iterator[str]:
  """The arguments, with the name of a config in one with its flag, and for a
  shipped one its file."""
  rest = iter(argv)
  for arg in rest:
    if re.fullmatch('--?config', arg):
      arg = f'{arg}={next(rest, "")}'
    flag, equals, value = arg.partition('=')
    if equals and re.fullmatch('--?config', flag):
      arg = f'{flag}={find(value)}'
    yield arg


def find(name: str) -> str:
  """The file of a shipped config: `tiny` and `configs/tiny.py` name one from
  wherever they are said. Anything else is a path already, whose ~ a shell
  leaves as it is."""
  shipped = _CONFIGS / f'{pathlib.PurePath(name).stem}.py'
  named = name in (shipped.stem, f'configs/{shipped.name}')
  if not named or storage.path(name).is_file() or not shipped.is_file():
    return os.path.expanduser(name)
  near = os.path.relpath(shipped)
  return str(shipped) if near.startswith('..') else near


def name_of(path: str) -> str:
  """What a reader types for a config file: `find` the other way."""
  name = pathlib.PurePath(path).stem
  return name if find(name) == path else path


def check_flags(argv: list[str], default: str) -> None:
  """Refuses a config file, or a field, that the command cannot use; names the
  default one where none is.

  Raises:
    errors.UserError: says what there is.
  """
  paths, names = [], []
  for arg in argv:
    if match := re.fullmatch('--?config=(.*)', arg):
      paths.append(match[1])
    elif match := re.match(r'--?(?:no)?config\.([^=]+)', arg):
      names.append(match[1])
  if not paths:
    # ml_collections would load one before the fields could be checked.
    argv.insert(1, f'--config={default}')
  path = paths[-1] if paths else default
  fields = _fields(path)
  if missing := [name for name in _fields(default) if name not in fields]:
    raise errors.UserError(
      f'{path} is for another command: it has no {missing[0]!r}; take one such '
      f'as {default}.'
    )
  for name in names:
    if name not in fields:
      near = difflib.get_close_matches(name, fields, n=1, cutoff=0.4)
      sections = sorted({field.split('.')[0] for field in fields})
      hint = f'did you mean {near[0]!r}?' if near else f'it has {sections}.'
      raise errors.UserError(f'{path} has no field {name!r}; {hint}')


def _fields(path: str) -> list[str]:
  """Dotted names of the fields that hold values."""
  values = load(path).to_dict()
  return sorted(traverse_util.flatten_dict(values, sep='.'))


def load(path: str) -> Config:
  """The config that a file's `get_config()` returns, locked.

  Raises:
    errors.UserError: no such file, or one that does not give a config.
  """
  path = find(path)
  if not storage.path(path).is_file():
    shipped = sorted(p.stem for p in _CONFIGS.glob('[!_]*.py'))
    raise errors.UserError(
      f'There is no config file {path}; there are {", ".join(shipped)}.'
    )
  try:
    config = runpy.run_path(path)['get_config']()
  except Exception as error:
    reason = ' '.join(str(error).split())
    raise errors.UserError(
      f'{path} does not load: {type(error).__name__}: {reason}'
    ) from error
  if not isinstance(config, Config):
    raise errors.UserError(
      f'get_config() of {path} returned a {type(config).__name__}; '
      'expected a ml_collections.ConfigDict.'
    )
  return config.lock()
