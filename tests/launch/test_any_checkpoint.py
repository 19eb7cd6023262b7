"""From a checkpoint of any format to a labelled dataset, by the commands."""

import json
import pathlib

import numpy as np
import pytest
import tensorflow_datasets as tfds
from absl import flags
from absl.testing import flagsaver
from PIL import Image

from dgan_jax import storage
from launch import config_file, generate, sample, train_interpreter
from tests.launch import terminal

_ROOT = pathlib.Path(__file__).parents[2]
_MINI = _ROOT / 'tests' / 'goldens' / 'mini_ckpt'
_SCHEMA = {
  'name': 'brightness',
  'classes': ['dark', 'bright'],
  'palette': [[0, 0, 0], [255, 255, 255]],
}
# What a network with random weights draws has no parts; this stands in.
_THRESHOLD = 128


def _paint(image):
  return (image.mean(-1) > _THRESHOLD).astype(np.uint8)


def _sampled(tmp_path, file):
  """The config of a checkpoint whose images wait to be painted."""
  done = terminal.run(
    *('launch.convert', f'--input={_MINI / file}', '--num_images=0'),
    f'--output={tmp_path / "generator"}',
  )
  assert done.returncode == 0, done.stderr
  (tmp_path / 'schema.json').write_text(json.dumps(_SCHEMA))
  config = config_file.load(str(_ROOT / 'configs' / 'tiny.py'))
  config.generator = str(tmp_path / 'generator')
  config.schema = str(tmp_path / 'schema.json')
  # The networks are random: truncated, their images hardly differ.
  config.sampling.truncation_psi = 1.0
  flags.FLAGS.mark_as_parsed()
  with flagsaver.flagsaver(num_samples=8, candidates=0):
    sample.main(config, tmp_path / 'paint')
  manifest = storage.read_json(tmp_path / 'paint' / 'manifest.json')
  own_noise = 'for_g_all' not in file
  assert manifest['sampling']['noise'] == ('const' if own_noise else 'random')
  return config


@pytest.mark.parametrize(
  'file',
  [
    'mini_stylegan1_tf_r32.pkl',
    'mini_stylegan2_tf_r32.pkl',
    'mini_stylegan2_editgan_r64.pt',
  ],
)
def test_a_file_becomes_images_to_paint(tmp_path, file):
  _sampled(tmp_path, file)
  pictures = [
    np.asarray(Image.open(path))
    for path in (tmp_path / 'paint' / 'images').iterdir()
  ]
  assert len(pictures) == 8
  assert np.std(pictures, axis=0).max() > 10


# One network of each kind: behind convert, they no longer are of a format.
@pytest.mark.parametrize(
  'file', ['mini_stylegan1_r32.for_g_all.pt', 'mini_stylegan2_ada_r32.pkl']
)
def test_a_file_becomes_a_labelled_dataset(tmp_path, file):
  paint, workdir = tmp_path / 'paint', tmp_path / 'out'
  config = _sampled(tmp_path, file)
  for picture in (paint / 'images').iterdir():
    mask = _paint(np.asarray(Image.open(picture)))
    Image.fromarray(mask).save(paint / 'masks' / picture.name)
  config.annotations = str(paint)
  train_interpreter.main(config, workdir)
  config.factory.num_samples = 12
  generate.main(config, workdir)

  assert (workdir / 'report' / 'contact_sheet.png').stat().st_size > 1000
  data = tfds.data_source(
    'datasetgan_car/tiny', data_dir=workdir / 'data', split='all'
  )
  assert len(data) == 12
  images = np.stack([s['image'] for s in data])
  labels = np.stack([s['segmentation_mask'][..., 0] for s in data])
  truth = np.stack([_paint(image) for image in images])
  # At most half the errors of a constant label.
  assert (labels != truth).mean() < min(truth.mean(), 1 - truth.mean()) / 2
