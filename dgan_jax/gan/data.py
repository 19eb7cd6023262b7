"""Real images, in any number, as one array on the disk.

Whatever they come from is read once and kept as a file of raw pixels that the
training maps into memory, so that no step waits for a decoder.
"""

import dataclasses
import functools
import os
from collections.abc import Callable, Iterator, Mapping
from typing import Any

import numpy as np
from PIL import Image

from dgan_jax import errors, progress, storage
from dgan_jax.gan import image_cache as cache_lib
from dgan_jax.gan import photos
from dgan_jax.renderers.engine import batches
from dgan_jax.renderers.engine import renderer as domain_lib


@dataclasses.dataclass(frozen=True)
class Images:
  """Real images and the order in which they are shown.

  The first epochs may show only the first images, twice as many each time, so
  that a training can start while the others are made.
  """

  # n -> uint8 [n or more, size, size, 3], the first n; waits if need be.
  first: Callable[[int], np.ndarray]
  count: int  # how many there are, or will be
  resolution: int  # height and width
  # What they were made from, as JSON values; a training is recognised by it.
  source: Mapping[str, Any]
  at_first: int = 0  # images of the first epoch; 0: all
  close: Callable[[], None] = lambda: None  # stops what is making images

  def __len__(self) -> int:
    return self.count

  def shown(self, start: int, end: int, *, seed: int) -> np.ndarray:
    """The images shown as number `start` to `end` of a training, uint8
    [end - start, size, size, 3]: every one once in an epoch, in its order."""
    rows, largest = [], 0
    for number in range(start, end):
      epoch, place, size = self._epoch(number)
      rows.append(_order(seed, epoch, size)[place])
      largest = max(largest, size)
    return self.first(largest)[rows]

  def _epoch(self, number: int) -> tuple[int, int, int]:
    """(epoch, place in it, images of it) of what is shown as a number."""
    epoch, size = 0, self.at_first or self.count
    while size < self.count:
      if number < size:
        return epoch, number, size
      number -= size
      epoch, size = epoch + 1, min(2 * size, self.count)
    epochs, place = divmod(number, size)
    return epoch + epochs, place, size


@functools.lru_cache(maxsize=2)
def _order(seed: int, epoch: int, count: int) -> np.ndarray:
  """A permutation of [0, count), the same on every machine."""
  numbers = np.random.Philox(key=np.array([seed, epoch], np.uint64))
  return np.argsort(numbers.random_raw(count), kind='stable')


def from_array(array: np.ndarray | storage.PathLike) -> Images:
  """Images that are an array, or a .npy file of one; it is not copied.

  Raises:
    errors.UserError: it is no array of square images.
  """
  if isinstance(array, np.ndarray):
    return _of_array(array, {'kind': 'array', 'pixels': storage.sha256(array)})
  try:
    pixels = np.load(storage.path(array), mmap_mode='r', allow_pickle=False)
  except (OSError, ValueError) as error:
    raise errors.UserError(f'{array} is no .npy file: {error}.') from None
  return from_array(pixels)


def _of_array(pixels: np.ndarray, source: Mapping[str, Any]) -> Images:
  shape, kind = pixels.shape, pixels.dtype
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
  return Images(lambda n: pixels, shape[0], shape[1], source)


def from_pictures(
  pictures: cache_lib.Pictures,
  count: int,
  resolution: int,
  *,
  cache: storage.PathLike,
  source: Mapping[str, Any],
  version: int = 1,
  at_first: int = 0,
  on_progress: progress.OnProgress | None = None,
) -> Images:
  """A number of pictures that a program makes; a kill loses none.

  Args:
    pictures: makes them.
    count: how many are kept, in the folder `cache`.
    source: what they depend on, as JSON values.
    version: of what makes them: others in the cache are made again.
    at_first: how many are waited for, which `on_progress` is told of, and
      shown in the first epoch; the others are made meanwhile. 0: all.
  """
  at_first = min(at_first or count, count)
  kept = cache_lib.Cache(cache, resolution, source, version)
  growing = cache_lib.Growing(kept, pictures, count, at_first, on_progress)
  source = {**source, 'at_first': at_first}
  return Images(growing, count, resolution, source, at_first, growing.close)


def from_domain(
  domain: domain_lib.Domain,
  count: int,
  *,
  cache: storage.PathLike,
  at_first: int = 0,
  on_progress: progress.OnProgress | None = None,
) -> Images:
  """Pictures 0 to count - 1 of a domain; see `from_pictures`.

  Raises:
    errors.UserError: the pictures are not square.
  """
  height, width = domain.size
  if height != width:
    raise errors.UserError(
      f'The pictures of the domain are {height} pixels high and {width} wide; '
      'expected squares.'
    )

  def pictures(start: int) -> Iterator[np.ndarray]:
    for rendered in batches.render_range(domain, range(start, count)):
      yield rendered.image

  kind = type(domain)
  source = {
    'kind': f'{kind.__module__.rpartition(".")[2]}.{kind.__name__}',
    **dataclasses.asdict(domain),  # type: ignore[call-overload]
  }
  return from_pictures(
    pictures,
    count,
    width,
    cache=cache,
    source=source,
    version=domain.version,
    at_first=at_first,
    on_progress=on_progress,
  )


def from_tfds(
  name: str,
  split: str,
  resolution: int,
  *,
  cache: storage.PathLike,
  data_dir: storage.PathLike | None = None,
  on_progress: progress.OnProgress | None = None,
) -> Images:
  """The feature 'image' of a TensorFlow dataset, cropped and resized as
  photos are.

  Raises:
    errors.UserError: it has no images, or they are too small.
  """
  import tensorflow_datasets as tfds

  try:
    builder = tfds.builder(name, data_dir=data_dir)
    if 'image' not in (builder.info.features or {}):
      raise ValueError("it has no feature 'image'")
    builder.download_and_prepare()
    count = builder.info.splits[split].num_examples
  except Exception as error:  # no such dataset, no network, ...
    reason = str(error).partition('\n')[0] or type(error).__name__
    raise errors.UserError(
      f'TFDS gives no images of tfds:{name}/{split}: {reason}'
    ) from None

  def pictures(start: int) -> Iterator[np.ndarray]:
    if builder.info.file_format.value == 'array_record':
      examples = builder.as_data_source(split)
    else:
      examples = tfds.as_numpy(builder.as_dataset(split))
    for number, example in enumerate(examples):
      if number >= start:
        image = Image.fromarray(np.asarray(example['image']).squeeze())
        try:
          yield photos.square(image, resolution)
        except errors.UserError as error:
          message = f'Image {number} of {name}: {error}.'
          raise errors.UserError(message) from None

  source = {'kind': 'tfds', 'name': builder.info.full_name, 'split': split}
  return from_pictures(
    pictures,
    count,
    resolution,
    cache=cache,
    source=source,
    on_progress=on_progress,
  )


def from_folder(
  folder: storage.PathLike,
  resolution: int,
  *,
  cache: storage.PathLike,
  on_progress: progress.OnProgress | None = None,
) -> Images:
  """The photos in a folder and in those below it, links followed: their
  central squares, reduced as `photos.square` says, and kept in `cache`.

  Raises:
    errors.UserError: there are none, or more than 5 % cannot be read or are
      too small. Fewer are left out, counted and named in a warning, as are
      files that are no photos.
  """
  folder = storage.path(folder)
  paths = photos.find(folder)
  # Tells whether they must be read again; what was read is the identity.
  listing = []
  for path in paths:
    state = ''  # of a dead link
    if path.exists():
      status = path.stat()
      state = f'{status.st_size} {status.st_mtime_ns}'
    listing.append(os.fsencode(f'{path.relative_to(folder)} {state}'))
  digest = storage.sha256(*listing)
  source = {'kind': 'folder', 'photos': digest, 'resolution': resolution}
  kept = cache_lib.Cache(cache, resolution, source)
  usable = photos.usable(folder, paths, resolution, on_progress)
  for _ in kept.make(lambda _: usable):
    pass
  return _of_array(kept.pixels(), {'kind': 'folder', 'pixels': kept.content})
