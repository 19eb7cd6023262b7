"""Photos as people have them: of all sizes, some of them broken."""

import os
import pathlib
from collections.abc import Iterator, Sequence
from concurrent import futures

import numpy as np
from absl import logging
from PIL import Image, ImageOps

from dgan_jax import errors, progress

SUFFIXES = ('.png', '.jpg', '.jpeg')
_MAX_UNUSABLE = 0.05  # of the files of a folder
_NAMED = 5  # files in an error


def usable(
  folder: pathlib.Path,
  paths: Sequence[pathlib.Path],
  resolution: int,
  on_progress: progress.OnProgress | None,
) -> Iterator[np.ndarray]:
  """The photos that can be used, as `square` makes them; warns of the others.

  Args:
    folder: that names are relative to.
    paths: of the photos.
    resolution: of the result.
    on_progress: told of photos read.

  Raises:
    errors.UserError: too many cannot.
  """
  complaints: list[str] = []
  results = zip(paths, _read_all(paths, resolution), strict=True)
  for done, (path, result) in enumerate(results, 1):
    if isinstance(result, str):
      complaints.append(f'{path.relative_to(folder)} ({result})')
      _check_complaints(folder, complaints, len(paths))
    else:
      yield result
    if on_progress:
      on_progress(done, len(paths), {})


def find(folder: pathlib.Path) -> list[pathlib.Path]:
  """The photos in a folder and in those below it, in order of their names.

  Raises:
    errors.UserError: there are none.
  """
  if not folder.is_dir():
    raise errors.UserError(f'There is no folder {folder}.')
  paths = sorted(
    path
    for path in folder.rglob('*')
    if path.suffix.lower() in SUFFIXES and not path.name.startswith('.')
  )
  if not paths:
    raise errors.UserError(
      f'{folder} has no photos; expected {", ".join(SUFFIXES)} files.'
    )
  return paths


def _read_all(
  paths: Sequence[pathlib.Path], resolution: int
) -> Iterator[np.ndarray | str]:
  """Every photo, or what is wrong with it, in order."""
  workers = os.cpu_count() or 1
  ahead = 8 * workers
  # Decoders release Python's lock, so threads do.
  with futures.ThreadPoolExecutor(workers) as pool:
    for start in range(0, len(paths), ahead):
      part = paths[start : start + ahead]
      yield from pool.map(lambda path: _read_photo(path, resolution), part)


def _read_photo(path: pathlib.Path, resolution: int) -> np.ndarray | str:
  try:
    with Image.open(path) as image:
      # A JPEG can be decoded at a fraction of its size, not below this one.
      image.draft('RGB', (2 * resolution, 2 * resolution))
      return square(ImageOps.exif_transpose(image), resolution)
  except errors.UserError as error:
    return str(error)
  except (OSError, SyntaxError, ValueError, Image.DecompressionBombError):
    return 'not a readable image'


def square(image: Image.Image, resolution: int) -> np.ndarray:
  """The central square, reduced to uint8 [resolution, resolution, 3].

  Raises:
    errors.UserError: it is smaller than that.
  """
  side = min(image.size)
  if side < resolution:
    raise errors.UserError(
      f'{image.width} x {image.height} pixels, smaller than {resolution}'
    )
  left, top = (image.width - side) // 2, (image.height - side) // 2
  box = (left, top, left + side, top + side)
  reduced = image.convert('RGB').resize(
    (resolution, resolution), Image.Resampling.LANCZOS, box
  )
  return np.asarray(reduced)


def _check_complaints(
  folder: pathlib.Path, complaints: list[str], count: int
) -> None:
  """Names the last complaint; too many are an error."""
  logging.warning('Left out of %s: %s.', folder, complaints[-1])
  if len(complaints) > _MAX_UNUSABLE * count:
    named = ', '.join(complaints[:_NAMED])
    more = ', ...' if len(complaints) > _NAMED else ''
    raise errors.UserError(
      f'More than {_MAX_UNUSABLE:.0%} of the {count} photos in {folder} cannot '
      f'be used: {named}{more}.'
    )
