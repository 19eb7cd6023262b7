"""Labels the images of a launch.sample folder with the simulated annotator.

FOLDER/masks gets what a person would have painted, FOLDER/annotator.json says
that it was none, and FOLDER/annotated.png shows it. Masks that somebody else
painted are never written over.

Example:
  python -m launch.sample --workdir=paint --num_samples=16
  python -m launch.annotate --annotator=out/annotator/annotator --folder=paint
"""

from absl import flags

from dgan_jax import errors, storage, workdir
from dgan_jax.segmentation import annotator as annotator_lib
from dgan_jax.segmentation import painting
from dgan_jax.visualize import sheets
from launch import command

_ANNOTATOR = flags.DEFINE_string(
  'annotator', None, 'Folder of an annotator that launch.train_annotator wrote.'
)
_FOLDER = flags.DEFINE_string(
  'folder', None, 'Folder that launch.sample wrote.'
)


def main() -> None:
  if not _ANNOTATOR.value or not _FOLDER.value:
    raise errors.UserError('Say --annotator=FOLDER and --folder=FOLDER.')
  with workdir.use(_FOLDER.value):
    annotator = annotator_lib.load(_ANNOTATOR.value)
    facts = annotator_lib.load_facts(_ANNOTATOR.value)
    images, masks = painting.paint(_FOLDER.value, annotator, facts=facts)
    sheet = sheets.contact_sheet(images, masks, schema=annotator.schema)
    path = storage.path(_FOLDER.value) / 'annotated.png'
    storage.write_bytes(path, sheets.png(sheet))
  print(f'{painting.WORDS}\nLook at {path}.')


if __name__ == '__main__':
  command.run(main)
