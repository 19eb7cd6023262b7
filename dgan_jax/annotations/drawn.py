"""Whether masks belong to the images that the generator draws.

A mask that is one row off its latent trains an interpreter on another image,
and nothing shows it. Where a folder has the pictures that were painted on, they
are compared with what the generator draws from the latents.
"""

from collections.abc import Sequence

import numpy as np
from absl import logging
from PIL import Image

from dgan_jax import errors
from dgan_jax.annotations import files, keypoint_file
from dgan_jax.tasks import task as task_lib
from dgan_jax.visualize import sheets

# Other noise and JPEG leave a picture nearer to its image than this share of
# what lies between different images, and nearer than these of 255 levels. What
# is as near as the last number is the same, however alike all images are.
_SHARE = 0.8
_LEVELS = 40.0
_SAME = 1.0
# Pictures are reduced to this many pixels, or a little more.
_SIZE = 32


def mismatched(
  images: np.ndarray, annotations: keypoint_file.Annotated
) -> list[int]:
  """The entries whose picture is not the image of their latent.

  Args:
    images: uint8 [n, height, width, 3], drawn from the latents.
    annotations: of n entries; those without a picture of this shape are not
      compared.
  """
  pictures = _pictures(annotations, images.shape[1:3])
  compared = [n for n, found in enumerate(pictures) if found is not None]
  theirs = np.array([_reduced(pictures[place]) for place in compared])
  wrong = []
  for row, place in enumerate(compared):
    distances = np.abs(theirs - _reduced(images[place])).mean((1, 2, 3))
    own, others = distances[row], np.delete(distances, row)
    usual = np.median(others) if others.size else np.inf
    limit = min(others.min(initial=np.inf), _SHARE * usual, _LEVELS)
    if own > max(limit, _SAME):
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
    errors.UserError: with the entries that don't match.
  """
  if wrong := mismatched(images, annotations):
    names = ', '.join(annotations.names[place] for place in wrong[:8])
    raise errors.UserError(
      f'{annotations.images[wrong[0]]} is not the image that the generator '
      f'draws from its latent; {len(wrong)} of {len(annotations)} differ '
      f'({names}{", ..." if len(wrong) > 8 else ""}): masks and latents are in '
      'another order, or made with another generator or truncation.'
    )


def sheet(
  images: np.ndarray, annotations: keypoint_file.Annotated, task: task_lib.Task
) -> Image.Image:
  """What an interpreter learns from, to look at before it does.

  Args:
    images: uint8 [n, height, width, 3], drawn from the latents.
    annotations: of n entries.
    task: of them.

  Returns:
    Every image, its labels over it, and their names; where some are of other
    images, only these, with the picture that was painted on.
  """
  labels = [task.annotated(one) for one in task.truth(annotations)]
  pairs = zip(images, labels, strict=True)
  strips = [[image, task.draw(image, one)] for image, one in pairs]
  heads = ['image', 'labels']
  places: Sequence[int] = range(len(images))
  title = f'{len(annotations)} annotated images'
  if wrong := mismatched(images, annotations):
    pictures = _pictures(annotations, images.shape[1:3])
    for place in wrong:
      strips[place].append(np.asarray(pictures[place]))
    heads = ['drawn', 'labels', 'painted on']
    places, title = wrong, f'{len(wrong)} labels of other images'
  return sheets.strip_sheet(
    [strips[place] for place in places],
    heads,
    [annotations.names[place] for place in places],
    title=title,
    legend=task.legend(labels),
  )


def _pictures(
  annotations: keypoint_file.Annotated, size: tuple[int, ...]
) -> Sequence[np.ndarray | None]:
  """uint8 [height, width, 3] of every entry; None where there is none of that
  shape."""
  found: list[np.ndarray | None] = [None] * len(annotations)
  for place, path in enumerate(annotations.images):
    if path is None:
      continue
    picture = files.open_image(path)
    width, height = picture.size
    if abs(width * size[0] / (height * size[1]) - 1) < 0.02:
      resized = picture.convert('RGB').resize((size[1], size[0]))
      found[place] = np.asarray(resized)
    else:
      words = (
        '%s is %d x %d (height x width): pictures of another shape than the '
        "generator's are not compared with what it draws."
      )
      logging.log_first_n(logging.WARNING, words, 1, path, height, width)
  return found
