"""What every shipped config is held to, whatever it is for."""

import re

from ml_collections import ConfigDict


def flatten(config, prefix=''):
  """(dotted name, value) of every field."""
  for name, value in config.items():
    if isinstance(value, ConfigDict):
      yield from flatten(value, f'{prefix}{name}.')
    else:
      yield f'{prefix}{name}', value


def check_fields(config, declared):
  """They are those declared, and a command line can set them."""
  declared = dict(flatten(declared))
  assert {name for name, _ in flatten(config)} == set(declared)
  for name, value in flatten(config):
    assert type(value) is type(declared[name]), name
    assert isinstance(value, (str, int, float, bool, tuple)), name


def check_docstring(path):
  """It says how to run it."""
  docstring = path.read_text().split('"""')[1]
  assert re.search(r'--(config=configs|workdir=out)/\w+', docstring)
