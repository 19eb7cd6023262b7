"""Photos as people have them: of all sizes and kinds, some of them broken."""

import collections
import functools
import os
import pathlib
from collections.abc import Iterator, Sequence
from concurrent import futures

import numpy as np
from absl import logging
from PIL import Image, ImageOps

from dgan_jax import errors, progress

# What shows through transparent pixels: mid-grey, the middle of all colours.
BACKGROUND = (128, 128, 128)
# Of Pillow's: not those that start programs, hold no pixels, or have no
# signature that tells them from other files.
_FORMATS = (
  *('PNG', 'JPEG', 'WEBP', 'AVIF', 'GIF', 'BMP', 'DIB', 'TIFF'),
  *('JPEG2000', 'PPM', 'ICO', 'ICNS', 'DDS', 'PSD', 'QOI', 'SGI', 'SUN', 'TGA'),
  *('PCX', 'XBM', 'XPM'),
)
# What cameras and browsers write, whether Pillow reads it or not.
_KNOWN = (
  *('.png', '.jpg', '.jpeg', '.webp', '.avif', '.gif', '.bmp', '.tif', '.tiff'),
  *('.heic', '.heif', '.jxl', '.dng', '.cr2', '.cr3', '.nef', '.arw'),
)
_MAX_PIXELS = 100_000_000  # decoded, at once by every thread
_MAX_THREADS = 8
# Reason -> names of files.
_LeftOut = dict[str, list[str]]
_MAX_UNUSABLE = 0.05  # of the photos of a folder
_UNKNOWN, _TOO_LARGE = 'unknown to Pillow', 'with too many pixels'


def usable(
  folder: pathlib.Path,
  paths: Sequence[pathlib.Path],
  resolution: int,
  on_progress: progress.OnProgress | None,
) -> Iterator[np.ndarray]:
  """The photos of a folder that can be used, as `square` makes them; says in
  the end which were left out. Raises errors.UserError if too many cannot."""
  unusable: _LeftOut = collections.defaultdict(list)
  others: _LeftOut = collections.defaultdict(list)
  photos = sum(path.suffix.lower() in ('', *_KNOWN) for path in paths)
  read = 0
  results = zip(paths, _read_all(paths, resolution), strict=True)
  for done, (path, result) in enumerate(results, 1):
    name, kind = str(path.relative_to(folder)), path.suffix
    if isinstance(result, np.ndarray):
      read += 1
      yield result
    elif kind.lower() in _KNOWN or result != _UNKNOWN:
      unusable[result].append(name)
    else:
      others[f'of the kind {kind!r}'].append(name)
    bad = sum(map(len, unusable.values()))
    if bad > _MAX_UNUSABLE * max(photos, read):
      raise errors.UserError(
        f'More than {_MAX_UNUSABLE:.0%} of the {photos} photos in {folder} '
        f'cannot be used: {_in_words(unusable)}.'
      )
    if on_progress:
      on_progress(done, len(paths), {})
  left_out = _in_words({**unusable, **others})
  if not read:
    raise errors.UserError(f'{folder} has no photos; it has {left_out}.')
  if left_out:
    logging.warning('Left out of %s: %s.', folder, left_out)


def _in_words(left_out: _LeftOut) -> str:
  """Such as "2 damaged ('a.png', ...)"; names are escaped."""
  return ', '.join(
    f'{len(names)} {reason} ({names[0]!r}{", ..." if names[1:] else ""})'
    for reason, names in left_out.items()
  )


def find(folder: pathlib.Path) -> list[pathlib.Path]:
  """The files in a folder and in those below it, links followed, in order of
  their names; none whose name starts with a dot.

  Raises:
    errors.UserError: there are none.
  """
  if not folder.is_dir():
    raise errors.UserError(
      f'There is no folder {folder}'
      f'{", only such a file" if folder.exists() else ""}.'
    )
  paths: list[pathlib.Path] = []
  seen: set[tuple[int, int]] = set()

  def warn(error: OSError) -> None:
    logging.warning('Left out of %s: %s.', folder, error)

  for parent, folders, names in os.walk(folder, onerror=warn, followlinks=True):
    status = os.stat(parent)
    if (status.st_dev, status.st_ino) in seen:  # a link to what is read anyway
      folders.clear()
      continue
    seen.add((status.st_dev, status.st_ino))
    folders[:] = sorted(name for name in folders if not name.startswith('.'))
    paths += [
      pathlib.Path(parent, name) for name in names if not name.startswith('.')
    ]
  if not paths:
    raise errors.UserError(f'{folder} has no photos; it is empty.')
  return sorted(paths)


def _read_all(
  paths: Sequence[pathlib.Path], resolution: int
) -> Iterator[np.ndarray | str]:
  """Every photo, or what is wrong with it, in order."""
  workers = min(os.cpu_count() or 1, _MAX_THREADS)
  ahead = 8 * workers
  # Decoders release Python's lock, so threads do.
  with futures.ThreadPoolExecutor(workers) as pool:
    for start in range(0, len(paths), ahead):
      part = paths[start : start + ahead]
      yield from pool.map(lambda path: _read_photo(path, resolution), part)


@functools.cache
def _formats() -> tuple[str, ...]:
  Image.init()
  return tuple(name for name in _FORMATS if name in Image.OPEN)


def _read_photo(path: pathlib.Path, resolution: int) -> np.ndarray | str:
  try:
    if not path.exists():
      return 'dead links'
    if not path.is_file():  # a pipe would wait for ever
      return 'not files'
    with Image.open(path, formats=_formats()) as image:
      # A JPEG can be decoded at a fraction of its size, not below this one.
      image.draft('RGB', (2 * resolution, 2 * resolution))
      if image.width * image.height > _MAX_PIXELS:
        return _TOO_LARGE
      if min(image.size) < resolution:
        return f'smaller than {resolution} pixels'
      return square(ImageOps.exif_transpose(image), resolution)
  except Image.UnidentifiedImageError:
    return _UNKNOWN
  except Image.DecompressionBombError:
    return _TOO_LARGE
  except errors.UserError as error:
    return str(error)
  except Exception:  # whatever decoders raise
    return 'damaged'


def square(image: Image.Image, resolution: int) -> np.ndarray:
  """The central square, reduced to uint8 [resolution, resolution, 3].

  Transparent pixels show `BACKGROUND`.

  Raises:
    errors.UserError: it is smaller than that, or its range is unknown.
  """
  side = min(image.size)
  if side < resolution:
    raise errors.UserError(
      f'{image.width} x {image.height} pixels, smaller than {resolution}'
    )
  left, top = (image.width - side) // 2, (image.height - side) // 2
  box = (left, top, left + side, top + side)
  reduced = _colours(image).resize(
    (resolution, resolution), Image.Resampling.LANCZOS, box
  )
  return np.asarray(reduced)


def _colours(image: Image.Image) -> Image.Image:
  """Any picture as 8-bit RGB."""
  if image.mode.startswith(('I', 'F')):
    return _eight_bits(image).convert('RGB')
  if image.has_transparency_data:
    image = image.convert('RGBA')
    ground = Image.new('RGBA', image.size, (*BACKGROUND, 255))
    image = Image.alpha_composite(ground, image)
  return image.convert('RGB')


def _eight_bits(image: Image.Image) -> Image.Image:
  """Grey of 16 bits, or of numbers from 0 to 1, as 8 bits."""
  scale = 1 if image.mode == 'F' else 65535
  values = np.asarray(image, np.float32) / scale
  if not (values.min() >= 0 and values.max() <= 1):
    raise errors.UserError('with numbers of an unknown range')
  return Image.fromarray(np.rint(values * 255).astype(np.uint8))
