"""Writes pictures of a rendered domain with their truth, to look at.

OUTPUT/sheet.png shows pictures with their keypoints (hollow where hidden) and
their labels. With --files there are also images/NNNNNN.png and
masks/NNNNNN.png, whose palette is that of the parts.

Example:
  python -m launch.render --setting=all_views --resolution=128 \\
    --num_images=24 --output=out/rendered
"""

import pathlib
from collections.abc import Sequence

import numpy as np
from absl import flags
from PIL import Image

from dgan_jax import errors, renderers, schema, storage, workdir
from dgan_jax.annotations import masks
from dgan_jax.renderers.cars import rendered_car
from dgan_jax.renderers.engine import batches, renderer
from dgan_jax.visualize import sheets
from launch import command, terminal

_SETTING = flags.DEFINE_enum(
  'setting', 'three_quarter', rendered_car.SETTINGS, 'How difficult.'
)
_RESOLUTION = flags.DEFINE_integer('resolution', 64, 'Width in pixels.')
_ASPECT = flags.DEFINE_enum(
  'aspect', 'square', tuple(rendered_car.ASPECTS), 'Width to height.'
)
_NUM_IMAGES = flags.DEFINE_integer(
  'num_images', 24, 'How many pictures.', lower_bound=1
)
_FIRST_INDEX = flags.DEFINE_integer(
  'first_index', 0, 'Index of the first.', lower_bound=0
)
_OUTPUT = flags.DEFINE_string('output', None, 'Folder to write to.')
_FILES = flags.DEFINE_bool('files', False, 'Also write images/ and masks/.')

_SHOWN = 48  # pictures on the sheet, at most
_POINT = (255, 40, 200)
_TILE = 256  # pixels, width of a picture on the sheet


def main() -> None:
  if not _OUTPUT.value:
    raise errors.UserError('Say where to write: --output=FOLDER.')
  with workdir.use(_OUTPUT.value):
    _render(storage.path(_OUTPUT.value))


def _render(folder: pathlib.Path) -> None:
  fields = {'setting': _SETTING.value, 'aspect': _ASPECT.value}
  cars = renderers.get('rendered_car', resolution=_RESOLUTION.value, **fields)
  indices = range(_FIRST_INDEX.value, _FIRST_INDEX.value + _NUM_IMAGES.value)
  for name in ('images', 'masks') if _FILES.value else ('',):
    (folder / name).mkdir(parents=True, exist_ok=True)
  shown: list[renderer.Rendered] = []
  with terminal.progress_line('images') as on_progress:
    pictures = batches.render_range(cars, indices, on_progress=on_progress)
    for index, rendered in zip(indices, pictures, strict=True):
      if len(shown) < _SHOWN:
        shown.append(rendered)
      if _FILES.value:
        name = f'{index:06}.png'
        image = sheets.png(rendered.image)
        mask = masks.encode(rendered.mask, cars.schema)
        storage.write_bytes(folder / 'images' / name, image)
        storage.write_bytes(folder / 'masks' / name, mask)
  path = folder / 'sheet.png'
  storage.write_bytes(path, sheets.png(sheet(shown, cars.schema)))
  print(f'{path}: {len(shown)} of {len(indices)} pictures')


def sheet(
  shown: Sequence[renderer.Rendered], classes: schema.Schema
) -> Image.Image:
  """Pictures with their keypoints, filled where they are visible, each beside
  its labels."""
  pictures = []
  for one in shown:
    there = one.keypoints.any(1)
    points, filled = one.keypoints[there], one.visible[there]
    colors = [_POINT] * len(points)
    pictures.append(
      sheets.keypoint_overlay(one.image, points, colors, filled, width=_TILE)
    )
  images = np.stack(pictures)
  factor = images.shape[2] // shown[0].image.shape[1]
  labels = np.stack([one.mask for one in shown])
  labels = labels.repeat(factor, 1).repeat(factor, 2)
  return sheets.contact_sheet(images, labels, schema=classes, columns=3)


if __name__ == '__main__':
  command.run(main)
