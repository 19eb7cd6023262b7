"""Images and their masks: what is asked of them, and how batches are drawn."""

import functools
import re
from collections.abc import Callable

import chex
import flax.struct
import jax
import numpy as np

from dgan_jax import errors, metrics, parallel, rng
from dgan_jax import schema as schema_lib
from dgan_jax.segmentation import annotator, unet

# Images uint8 [n, height, width, 3] and masks uint8 [n, height, width].
Pairs = tuple[np.ndarray, np.ndarray]


@flax.struct.dataclass
class Batch:
  """What a step is told."""

  images: chex.Array  # uint8 [n, height, width, 3]
  masks: chex.Array  # uint8 [n, height, width]
  positions: chex.Array  # int32 [n], in the batch of all devices


def class_weights(
  masks: np.ndarray, num_classes: int, balance: float
) -> tuple[float, ...]:
  """Weights of the classes in the loss, whose mean over pixels is 1; see
  `training.Options.balance`. Classes that don't occur weigh 0."""
  shares = metrics.ClassCounts.of(masks, num_classes).pixel_shares
  weights = np.zeros(num_classes)
  weights[shares > 0] = shares[shares > 0] ** -balance
  return tuple(float(x) for x in weights / max((weights * shares).sum(), 1e-9))


def check(
  architecture: unet.UNet, schema: schema_lib.Schema, pairs: Pairs
) -> None:
  """Raises errors.UserError for pairs that cannot be learnt from."""
  images, masks = pairs
  annotator.check_images(images)
  architecture.check_size(images.shape[1:3])
  if masks.dtype != np.uint8 or masks.shape != images.shape[:3]:
    raise errors.UserError(
      f'The masks are {masks.dtype} {list(masks.shape)}; expected uint8 '
      f'{list(images.shape[:3])}, one for each image.'
    )
  if unknown := schema_lib.unknown_labels(masks, schema):
    place = int(np.argwhere(masks == unknown[0])[0][0])
    raise errors.UserError(
      f'Mask {place} has label {unknown[0]}; the schema {schema.name!r} has '
      f'{schema.labels_in_words}.'
    )


def check_schema(
  architecture: unet.UNet, schema: schema_lib.Schema, flip: bool
) -> None:
  """Raises errors.UserError for a schema that the network is not made for, or
  whose parts are not the same in a mirror (`flip`)."""
  if architecture.num_classes != schema.num_classes:
    raise errors.UserError(
      f'The network tells {architecture.num_classes} classes apart; the schema '
      f'{schema.name!r} has {schema.num_classes}.'
    )
  if not flip:
    return
  for name in schema.classes:
    if re.search(r'(^|[_\W])(left|right)([_\W]|$)', name.lower()):
      raise errors.UserError(
        f'Mirrored images would have no {name!r} where its mask says: train '
        'without flip.'
      )


def drawing(
  pairs: Pairs, batch_size: int, key: chex.PRNGKey
) -> Callable[[int], Batch]:
  """This host's part of the batch of a step; every epoch has an order of its
  own."""
  images, masks = pairs
  part = parallel.local_rows(batch_size)
  positions = np.arange(part.start, part.stop, dtype=np.int32)
  stream = rng.stream(key, 'order')

  @functools.lru_cache(maxsize=2)
  def order(epoch: int) -> np.ndarray:
    epoch_key = jax.random.fold_in(stream, epoch)
    return np.asarray(jax.random.permutation(epoch_key, len(images)))

  def draw(step: int) -> Batch:
    numbers = (step * batch_size + positions).tolist()
    rows = [order(n // len(images))[n % len(images)] for n in numbers]
    return Batch(images[rows], masks[rows], positions)

  return draw
