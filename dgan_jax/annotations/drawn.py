"""Whether masks belong to the images that the generator draws.

A mask that is one row off its latent trains an interpreter on another image,
and nothing shows it. Where a folder has the pictures that were painted on, they
are compared with what the generator draws from the latents.
"""

from collections.abc import Sequence

import numpy as np
from PIL import Image

from dgan_jax import errors
from dgan_jax.annotations import keypoint_file, masks
from dgan_jax.tasks import task as task_lib
from dgan_jax.visualize import sheets

# Other noise and JPEG leave a picture nearer to its image than this share of
# what lies between different images, and nearer than these of 255 levels.
_SHARE = 0.8
_LEVELS = 40.0
# Pictures are reduced to this many pixels, or a little more.
_SIZE = 32


def mismatched(
  images: np.ndarray, annotations: keypoint_file.Annotated
) -> list[int]:
  """The entries whose picture is not the image of their latent.

  Args:
    images: uint8 [n, height, width, 3], drawn from the latents.
    annotations: of n entries; those without a picture of this size are not
      compared.
  """
  pictures = _pictures(annotations, images.shape[1:3])
  compared = [
    place for place, found in enumerate(pictures) if found is not None
  ]
  theirs = np.array([_reduced(pictures[place]) for place in compared])
  wrong = []
  for row, place in enumerate(compared):
    distances = np.abs(theirs - _reduced(images[place])).mean((1, 2, 3))
    own, others = distances[row], np.delete(distances, row)
    usual = np.median(others) if others.size else np.inf
    if own > others.min(initial=np.inf) or own > min(_SHARE * usual, _LEVELS):
      wrong.append(place)
  return wrong


def _reduced(picture: np.ndarray | None) -> np.ndarray:
  """Float32 [h, w, 3], each pixel the mean of some: noise hardly shows."""
  assert picture is not None
  image = Image.fromarray(picture)
  return np.asarray(image.reduce(max(max(image.size) // _SIZE, 1)), np.float32)


def check(images: np.ndarray, annotations: keypoint_file.Annotated) -> None:
  """Refuses masks of other images; see `mismatched`.

  Raises:
    errors.UserError: with the first entry that doesn't match.
  """
  if wrong := mismatched(images, annotations):
    place = wrong[0]
    raise errors.UserError(
      f'{annotations.images[place]} is not the image that the generator draws '
      f'from the latent of {annotations.names[place]!r} ({len(wrong)} of '
      f'{len(annotations)} entries differ): masks and latents are in another '
      'order, or made with another generator or truncation.'
    )


def sheet(
  images: np.ndarray,
  annotations: keypoint_file.Annotated,
  task: task_lib.Task,
) -> Image.Image:
  """What an interpreter learns from, to look at before it does.

  Args:
    images: uint8 [n, height, width, 3], drawn from the latents.
    annotations: of n entries.
    task: of them.

  Returns:
    Every image, its labels over it, and their names.
  """
  labels = [task.annotated(one) for one in task.truth(annotations)]
  return sheets.strip_sheet(
    [
      [image, task.draw(image, one)]
      for image, one in zip(images, labels, strict=True)
    ],
    ['image', 'labels'],
    annotations.names,
    title=f'{len(annotations)} annotated images',
    legend=task.legend(labels),
  )


def _pictures(
  annotations: keypoint_file.Annotated, size: tuple[int, ...]
) -> Sequence[np.ndarray | None]:
  """uint8 [height, width, 3] of every entry; None where there is none of that
  size."""
  found: list[np.ndarray | None] = []
  for path in annotations.images:
    picture = None if path is None else masks.open_image(path, size)
    if picture is not None and picture.size == (size[1], size[0]):
      found.append(np.array(picture.convert('RGB')))
    else:
      found.append(None)
  return found or [None] * len(annotations)
