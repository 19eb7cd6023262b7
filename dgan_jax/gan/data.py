"""Real images, in any number, as one array on the disk.

Whatever they come from is read once and kept as a file of raw pixels that the
training maps into memory, so that no step waits for a decoder.
"""

import dataclasses
import functools
import os
import pathlib
from collections.abc import Callable, Iterable, Iterator, Mapping
from concurrent import futures
from typing import Any

import numpy as np
from absl import logging
from PIL import Image, ImageOps

from dgan_jax import errors, files, progress

_SUFFIXES = ('.png', '.jpg', '.jpeg')
_MAX_UNUSABLE = 0.05  # of the files of a folder
_NAMED = 5  # files in an error
_PIXELS = 'images.u8'


@dataclasses.dataclass(frozen=True)
class Images:
  """Real images and the order in which they are shown.

  Attributes:
    pixels: uint8 [n, size, size, 3], in memory or on the disk.
    source: what they were made from, as JSON values; part of what a training
      is recognised by.
  """

  pixels: np.ndarray
  source: Mapping[str, Any]

  def __post_init__(self) -> None:
    shape, kind = self.pixels.shape, self.pixels.dtype
    if kind != np.uint8 or len(shape) != 4 or shape[3] != 3 or not shape[0]:
      raise errors.UserError(
        f'The images are {kind} {list(shape)}; expected uint8 '
        '[images, height, width, 3].'
      )
    if shape[1] != shape[2]:
      raise errors.UserError(
        f'The images are {shape[1]} pixels high and {shape[2]} wide; expected '
        'squares.'
      )

  def __len__(self) -> int:
    return len(self.pixels)

  @property
  def resolution(self) -> int:
    return int(self.pixels.shape[1])

  def shown(self, start: int, end: int, *, seed: int) -> np.ndarray:
    """The images shown as number `start` to `end` of a training, uint8
    [end - start, size, size, 3]: all of them in every epoch, in its order."""
    epochs, places = np.divmod(np.arange(start, end), len(self))
    rows = np.empty(len(epochs), np.int64)
    for epoch in np.unique(epochs).tolist():
      here = epochs == epoch
      rows[here] = _order(seed, epoch, len(self))[places[here]]
    return self.pixels[rows]


@functools.lru_cache(maxsize=2)
def _order(seed: int, epoch: int, count: int) -> np.ndarray:
  """A permutation of [0, count), the same on every machine."""
  numbers = np.random.Philox(key=np.array([seed, epoch], np.uint64))
  return np.argsort(numbers.random_raw(count), kind='stable')


def from_array(array: np.ndarray | files.PathLike) -> Images:
  """Images that are an array, or a .npy file of one; it is not copied.

  Raises:
    errors.UserError: it is no array of square images.
  """
  if isinstance(array, np.ndarray):
    return Images(array, {'kind': 'array', 'shape': list(array.shape)})
  try:
    pixels = np.load(array, mmap_mode='r', allow_pickle=False)
  except (OSError, ValueError) as error:
    raise errors.UserError(f'{array} is no .npy file: {error}.') from None
  name = pathlib.Path(array).name
  return Images(
    pixels, {'kind': 'array', 'file': name, 'shape': list(pixels.shape)}
  )


def from_pictures(
  pictures: Callable[[int], Iterator[np.ndarray]],
  count: int,
  resolution: int,
  *,
  cache: files.PathLike,
  source: Mapping[str, Any],
  on_progress: progress.OnProgress | None = None,
) -> Images:
  """A number of pictures that a program makes.

  Args:
    pictures: (first number) -> the pictures from that one on, uint8
      [resolution, resolution, 3]; called to go on where a kill stopped it.
    count: how many are kept.
    resolution: of them.
    cache: folder that they are kept in.
    source: what they depend on, as JSON values.
    on_progress: told of pictures made.
  """
  return _cached(
    pictures,
    resolution,
    pathlib.Path(cache),
    {**source, 'count': count, 'resolution': resolution},
    count,
    on_progress,
  )


def from_tfds(
  name: str,
  split: str,
  resolution: int,
  *,
  cache: files.PathLike,
  data_dir: files.PathLike | None = None,
  on_progress: progress.OnProgress | None = None,
) -> Images:
  """The feature 'image' of a TensorFlow dataset, cropped and resized as
  photos are.

  Raises:
    errors.UserError: it has no images, or they are too small.
  """
  import tensorflow_datasets as tfds

  builder = tfds.builder(name, data_dir=data_dir)
  if 'image' not in (builder.info.features or {}):
    raise errors.UserError(f"The dataset {name} has no feature 'image'.")
  builder.download_and_prepare()
  count = builder.info.splits[split].num_examples

  def pictures(start: int) -> Iterator[np.ndarray]:
    for number, example in enumerate(_examples(builder, split)):
      if number >= start:
        image = Image.fromarray(np.asarray(example['image']).squeeze())
        try:
          yield _square(image, resolution)
        except errors.UserError as error:
          raise errors.UserError(
            f'Image {number} of {name}: {error}.'
          ) from None

  source = {'kind': 'tfds', 'name': builder.info.full_name, 'split': split}
  return from_pictures(
    pictures,
    count,
    resolution,
    cache=cache,
    source=source,
    on_progress=on_progress,
  )


def _examples(builder: Any, split: str) -> Iterable[Any]:
  """Of a dataset in either kind of file."""
  if builder.info.file_format.value == 'array_record':
    return builder.as_data_source(split)
  import tensorflow_datasets as tfds

  return tfds.as_numpy(builder.as_dataset(split))


def from_folder(
  folder: files.PathLike,
  resolution: int,
  *,
  cache: files.PathLike,
  on_progress: progress.OnProgress | None = None,
) -> Images:
  """The photos (PNG and JPEG) in a folder and in those below it: their
  central squares, reduced to the resolution.

  Args:
    folder: of the photos, of any sizes.
    resolution: height and width of the result.
    cache: folder that the pixels are kept in.
    on_progress: told of photos read.

  Raises:
    errors.UserError: there are none, or more than 5 % cannot be read or are
      too small. Fewer are left out and named in warnings.
  """
  folder, paths = pathlib.Path(folder), _photos(folder)
  listing = [f'{p.relative_to(folder)} {p.stat().st_size}' for p in paths]
  source = {
    'kind': 'folder',
    'photos': files.sha256(*listing),
    'resolution': resolution,
  }
  complaints: list[str] = []

  def pictures(start: int) -> Iterator[np.ndarray]:
    del start  # what a kill left is read again: it may lack photos
    for path, result in zip(paths, _read_all(paths, resolution), strict=True):
      if isinstance(result, str):
        complaints.append(f'{path.relative_to(folder)} ({result})')
        _check_complaints(folder, complaints, len(paths))
      else:
        yield result

  return _cached(
    pictures, resolution, pathlib.Path(cache), source, None, on_progress
  )


def _photos(folder: pathlib.Path) -> list[pathlib.Path]:
  if not folder.is_dir():
    raise errors.UserError(f'There is no folder {folder}.')
  paths = sorted(
    path
    for path in folder.rglob('*')
    if path.suffix.lower() in _SUFFIXES and not path.name.startswith('.')
  )
  if not paths:
    raise errors.UserError(
      f'{folder} has no photos; expected {", ".join(_SUFFIXES)} files.'
    )
  return paths


def _read_all(
  paths: list[pathlib.Path], resolution: int
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
      return _square(ImageOps.exif_transpose(image), resolution)
  except errors.UserError as error:
    return str(error)
  except (OSError, SyntaxError, ValueError, Image.DecompressionBombError):
    return 'not a readable image'


def _square(image: Image.Image, resolution: int) -> np.ndarray:
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


def _cached(
  pictures: Callable[[int], Iterator[np.ndarray]],
  resolution: int,
  cache: pathlib.Path,
  source: Mapping[str, Any],
  count: int | None,
  on_progress: progress.OnProgress | None,
) -> Images:
  """Pictures as a file of raw pixels; made once, and gone on with if it was
  being made from the same source."""
  cache.mkdir(parents=True, exist_ok=True)
  path, header = cache / _PIXELS, cache / 'images.json'
  size = resolution * resolution * 3
  found = files.read_json(header) if header.exists() else {}
  if found.get('source') != source:
    path.unlink(missing_ok=True)
    files.write_json(header, {'source': source})
    found = {}
  if 'images' not in found:
    done = path.stat().st_size // size if path.exists() and count else 0
    with open(path, 'r+b' if path.exists() else 'wb') as file:
      file.truncate(done * size)
      file.seek(done * size)
      wanted = pictures(done) if done != count else iter(())
      for picture in wanted:
        file.write(picture.tobytes())
        done += 1
        if on_progress and count:
          on_progress(done, count, {})
        if done == count:
          break
    found = {'source': source, 'images': done}
    files.write_json(header, found)
  shape = (found['images'], resolution, resolution, 3)
  return Images(np.memmap(path, np.uint8, 'r', shape=shape), source)
