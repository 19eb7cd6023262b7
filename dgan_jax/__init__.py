"""A labelled-data factory: a StyleGAN and a handful of painted masks in, a
segmentation dataset with an uncertainty for every label out.

`import dgan_jax as dg` gives the functions of `dgan_jax.api`, imported when one
is first used: importing this package starts no JAX backend and reads no file.
The rooms of the package import one way only; `README.md` has the list.
"""

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
  from dgan_jax.api import *

__version__ = '0.1.0'

__all__ = [
  'Samples',
  'UserError',
  'generate',
  'label',
  'load_annotations',
  'load_generator',
  'load_interpreter',
  'load_schema',
  'sample',
  'sampling',
  'save',
  'train_interpreter',
]


def __getattr__(name: str) -> Any:
  if name not in __all__:
    raise AttributeError(f'module {__name__!r} has no attribute {name!r}')
  import dgan_jax.api

  return getattr(dgan_jax.api, name)


def __dir__() -> list[str]:
  return sorted([*globals(), *__all__])
