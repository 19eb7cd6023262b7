"""The commands: flags, a config, one call into the library, a terminal.

JAX reads these variables once, when it is imported, so they are set here:
before any command's own imports.
"""

import os
import pathlib


def _cache_folder() -> str:
  """Where compiled programs are kept from one run to the next."""
  base = os.environ.get('XDG_CACHE_HOME') or pathlib.Path.home() / '.cache'
  return str(pathlib.Path(base) / 'dgan_jax' / 'compiled')


os.environ.setdefault('JAX_COMPILATION_CACHE_DIR', _cache_folder())
os.environ.setdefault('TF_CPP_MIN_LOG_LEVEL', '2')  # errors only
