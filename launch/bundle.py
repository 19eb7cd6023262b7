"""Packs a trained generator with samples that the simulated annotator painted.

FOLDER gets what `dgan_jax/assets/rendered_cars_64` holds: generator/, half its
size as float16; annotated/, samples as launch.sample draws them and
launch.annotate paints them, the first ones that come; contact_sheet.png, of
fresh samples and their masks. Refuses where float16 changes more than a
thousandth of the labels.

Example:
  python -m launch.bundle --generator=out/cars/best --folder=out/bundle
"""

import pathlib

import numpy as np
from absl import flags

from dgan_jax import api, errors, rng, storage, workdir
from dgan_jax.annotations import entries
from dgan_jax.checkpoints import store
from dgan_jax.generators import generator as generators
from dgan_jax.segmentation import painting, predict
from dgan_jax.visualize import sheets
from launch import command, common, config_file, sample, terminal

_GENERATOR = flags.DEFINE_string(
  'generator', None, 'Folder of a generator, such as WORKDIR/best of train_gan.'
)
_ANNOTATOR = flags.DEFINE_string(
  'annotator', 'bundled', 'Folder of one of train_annotator, or the bundled.'
)
_FOLDER = flags.DEFINE_string('folder', None, 'Folder to write.')

_DTYPE = 'float16'
_COMPARED = 500  # samples
_MOST_CHANGED = 0.001  # of their labels
_SHOWN = 24  # samples on the sheet


def main() -> None:
  if not _GENERATOR.value or not _FOLDER.value:
    raise errors.UserError('Say --generator=FOLDER and --folder=FOLDER.')
  with workdir.use(_FOLDER.value):
    _bundle(_GENERATOR.value, storage.path(_FOLDER.value))


def _bundle(name: str, folder: pathlib.Path) -> None:
  generator = store.load_generator(name)
  annotator = common.load_annotator(_ANNOTATOR.value)
  before, after = (
    predict.annotate(annotator, _images(one, 'compare', _COMPARED))[0]
    for one in (generator, store.rounded(generator, _DTYPE))
  )
  changed = (before != after).mean()
  print(f'{_DTYPE} changes {changed:.3%} of the labels.')
  if changed > _MOST_CHANGED:
    raise errors.UserError(
      f'That is more than {_MOST_CHANGED:.1%}: nothing was written.'
    )
  store.save_generator(folder / 'generator', generator, _DTYPE)
  config = config_file.load('rendered_car')
  config.generator = str(folder / 'generator')
  (folder / 'annotated').mkdir(parents=True, exist_ok=True)
  schema = annotator.schema.to_json()
  storage.write_json(folder / 'annotated' / entries.SCHEMA, schema)
  sample.main(config, folder / 'annotated')
  painting.paint(folder / 'annotated', annotator)
  # How to paint them, and with paths of this machine.
  (folder / 'annotated' / 'README.txt').unlink()
  written = store.load_generator(folder / 'generator')
  images = _images(written, 'show', _SHOWN)
  masks, _ = predict.annotate(annotator, images)
  sheet = sheets.contact_sheet(images, masks, schema=annotator.schema)
  storage.write_bytes(folder / 'contact_sheet.png', sheets.png(sheet))
  print(f'{painting.WORDS}\nLook at {folder / "contact_sheet.png"}.')


def _images(generator: generators.Generator, name: str, n: int) -> np.ndarray:
  """n samples, uint8 [n, height, width, 3], of keys of their own."""
  keys = rng.sample_keys(rng.stream(rng.root_key(0), name), np.arange(n))
  with terminal.progress_line(f'images to {name}') as on_progress:
    return api.sample(generator, keys=keys, on_progress=on_progress).image


if __name__ == '__main__':
  command.run(main)
