"""Arrays and pictures as people hand them in: read, or refused in a line."""

import contextlib
import warnings
from collections.abc import Iterator

import numpy as np
from PIL import Image

from dgan_jax import errors, storage


def read_npy(path: storage.PathLike) -> np.ndarray:
  """Reads an array, never a pickle.

  Raises:
    errors.UserError: the file is missing, damaged or not one plain array.
  """
  # Headers are parsed as Python.
  with _explaining(path, 'a .npy array', 'save it again with numpy.save'):
    array = np.load(storage.path(path), allow_pickle=False)
  if not isinstance(array, np.ndarray):
    array.close()
    raise errors.UserError(
      f'{path} is an archive; expected an array, saved with numpy.save.'
    )
  return array


def open_image(
  path: storage.PathLike, size: tuple[int, ...] | None = None
) -> Image.Image:
  """Opens and decodes an image; of another (height, width) than `size`, if
  that is given, only opens it.

  Raises:
    errors.UserError: it is damaged, far too large, or no image.
  """
  with (
    _explaining(path, 'an image', 'save it again'),
    warnings.catch_warnings(),
  ):
    warnings.simplefilter('ignore')  # of what doesn't matter to pixels
    warnings.simplefilter('error', Image.DecompressionBombWarning)
    with Image.open(storage.path(path)) as image:
      if size is None or image.size == (size[1], size[0]):
        image.load()
      return image


@contextlib.contextmanager
def _explaining(
  path: storage.PathLike, what: str, remedy: str
) -> Iterator[None]:
  """Damage shows in many kinds; all become one line."""
  try:
    yield
  except FileNotFoundError:
    raise errors.UserError(f'{path} does not exist.') from None
  except (PermissionError, IsADirectoryError):
    raise
  except Exception as error:
    reason = str(error).splitlines()[0] if str(error) else 'no data'
    raise errors.UserError(
      f'{path} cannot be read as {what} ({reason}); {remedy}.'
    ) from None
