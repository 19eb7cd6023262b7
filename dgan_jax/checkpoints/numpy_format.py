"""Arrays from `.npy` and `.npz` files of unknown origin."""

import pathlib
import zipfile
import zlib

import numpy as np

from dgan_jax import errors, files
from dgan_jax.checkpoints import unpickle

# Mean latents and noise maps of the largest networks take 12 MB.
MAX_BYTES = 2**30

# What numpy and zipfile raise, depending on where a file is wrong.
_DAMAGE = (
  EOFError,
  KeyError,
  MemoryError,
  NotImplementedError,
  OverflowError,
  RuntimeError,
  TypeError,
  ValueError,
  zipfile.BadZipFile,
  zlib.error,
)


def read_npy(path: files.PathLike) -> np.ndarray:
  """Reads one numeric array.

  Raises:
    errors.UserError: no such file, or not a whole `.npy` of numbers.
  """
  _check_file(path)
  try:
    # A memory map checks the size that the header claims against the file.
    array = np.array(np.load(path, mmap_mode='r', allow_pickle=False))
  except _DAMAGE as error:
    raise _damaged(path, '.npy', error) from None
  return _numeric(path, 'array', array)


def read_npz(path: files.PathLike) -> dict[str, np.ndarray]:
  """Reads an archive of numeric arrays.

  Raises:
    errors.UserError: no such file, or not a whole `.npz` of numbers.
  """
  _check_file(path)
  try:
    with zipfile.ZipFile(path) as archive:
      size = sum(entry.file_size for entry in archive.infolist())
    if size > MAX_BYTES:
      raise ValueError(f'{size:,} bytes unpacked; {MAX_BYTES:,} at most')
    with np.load(path, allow_pickle=False) as archive:
      arrays = dict(archive)
  except _DAMAGE as error:
    raise _damaged(path, '.npz', error) from None
  return {key: _numeric(path, key, value) for key, value in arrays.items()}


def _check_file(path: files.PathLike) -> None:
  if not pathlib.Path(path).is_file():
    raise errors.UserError(f'{path} does not exist or is not a file.')


def _damaged(
  path: files.PathLike, kind: str, error: BaseException
) -> errors.UserError:
  reason = unpickle.shown(error).rstrip('.')
  return errors.UserError(
    f'{path} is not a whole {kind} file of numbers ({reason}).'
  )


def _numeric(path: files.PathLike, key: str, value: object) -> np.ndarray:
  if not isinstance(value, np.ndarray) or value.dtype.kind not in 'fiu':
    raise errors.UserError(
      f'{path}: {unpickle.shown(key)} does not hold numbers.'
    )
  return value
