"""The labelled handful, by keypoints.

Beside the manifest of a folder lies keypoints.json, an object by the names of
the entries:

  {"003": {"beak": [31.5, 12.0, 1], "tail": [4.0, 40.5, 1]}, ...}

x and y are pixels of the image from its top left corner, the third number is
1 where the keypoint is visible, else 0. Keypoints that are left out are not
visible. A list in the order of the schema's "keypoints" is read too.
"""

import dataclasses
import json
import pathlib
from collections.abc import Sequence
from typing import Any, ClassVar

import numpy as np
from absl import logging

from dgan_jax import errors, storage
from dgan_jax import schema as schema_lib
from dgan_jax.annotations import entries, manifest
from dgan_jax.annotations import folder as folder_lib
from dgan_jax.tasks import keypoints as keypoints_lib

FILENAME = 'keypoints.json'


@dataclasses.dataclass(frozen=True, kw_only=True)
class KeypointAnnotations(entries.Entries):
  """Keypoints, and where their images come from."""

  # Float32 [n, keypoints, 3]: x, y, and 1 where it is visible, else 0.
  keypoints: np.ndarray
  size: tuple[int, int]  # (height, width) of the images

  task: ClassVar[str] = 'keypoints'


# What an interpreter can learn from.
Annotated = folder_lib.Annotations | KeypointAnnotations


def load(
  folder: storage.PathLike,
  *,
  schema: schema_lib.Schema | None = None,
  size: tuple[int, int],
  latent_size: int | None = None,
  num_ws: int | None = None,
) -> KeypointAnnotations:
  """Reads a folder of annotated keypoints and checks all of it.

  A keypoint that is never visible is logged as a warning.

  Args:
    folder: with manifest.json and keypoints.json.
    size: (height, width) of the images.
    schema, latent_size, num_ws: see `folder.load`.

  Raises:
    errors.UserError: something does not fit.
  """
  folder = storage.path(folder)
  schema = entries.read_schema(folder, schema, 'keypoints')
  names = keypoints_lib.Keypoints(schema).names
  listed = manifest.read(folder)
  path = folder / FILENAME
  found = storage.read_json(path)
  for name in listed.names:
    if name not in found:
      raise errors.UserError(
        f'{path} says nothing of {name!r}; annotate it, or take the entry out '
        f'of {manifest.FILENAME}.'
      )
  for name in found:
    if name not in listed.names:
      raise errors.UserError(
        f'{path} has {name!r}, which is no entry of {manifest.FILENAME}: its '
        'image is unknown.'
      )
  places = [_image(found[n], schema, size, path, n) for n in listed.names]
  keypoints = np.array(places, np.float32)
  seen = keypoints[..., 2].any(0)
  if not seen.all():
    logging.warning(
      '%s: never visible are %s; these will never be found.',
      path,
      ', '.join(np.array(names)[~seen]),
    )
  return KeypointAnnotations(
    keypoints=keypoints,
    size=size,
    **entries.read(folder, listed, schema, (num_ws, latent_size)),
  )


def _image(
  value: Any,
  schema: schema_lib.Schema,
  size: tuple[int, int],
  path: pathlib.Path,
  name: str,
) -> list[Sequence[float]]:
  """The keypoints of one image, in the order of the schema."""
  names = schema.keypoints
  if isinstance(value, list) and len(value) == len(names):
    value = dict(zip(names, value, strict=True))
  if not isinstance(value, dict):
    raise errors.UserError(
      f'{path}: {name!r} is {_short(value)}; expected an object of keypoints '
      f'by name, or a list of {len(names)} as in the schema {schema.name!r}.'
    )
  if unknown := sorted(value.keys() - set(names)):
    raise errors.UserError(
      f'{path}: {name!r} has the keypoint {unknown[0]!r}; the schema '
      f'{schema.name!r} has {", ".join(names)}.'
    )
  for keypoint, place in value.items():
    if not _fits(place, size):
      raise errors.UserError(
        f'{path}: {name!r} has {keypoint!r} at {_short(place)}; expected '
        f'[x, y, visible] within 0 to {size[1]} and 0 to {size[0]}, visible '
        'being 0 or 1.'
      )
  return [value.get(keypoint, (0, 0, 0)) for keypoint in names]


def _fits(place: Any, size: tuple[int, int]) -> bool:
  if not (
    isinstance(place, list)
    and len(place) == 3
    and all(isinstance(x, int | float) and abs(x) < 1e9 for x in place)
    and place[2] in (0, 1)
  ):
    return False
  x, y, visible = place
  return not visible or (0 <= x <= size[1] and 0 <= y <= size[0])


def _short(value: Any) -> str:
  text = json.dumps(value)
  return text if len(text) <= 60 else f'{text[:57]}...'
