"""The whole way with keypoints: annotate, train, generate, measure."""

import json
import pathlib

import jax
import numpy as np
import pytest
import tensorflow_datasets as tfds

from dgan_jax import errors, metrics, rng, storage
from dgan_jax.annotations import manifest
from launch import common, config_file, generate, train_interpreter
from tests.tasks import blobs

_ROOT = pathlib.Path(__file__).parents[2]
_ANNOTATED = 12


def _annotate(folder):
  """What launch.sample writes, and the true keypoints."""
  keys = rng.sample_keys(rng.root_key(7), np.arange(_ANNOTATED))
  names = tuple(f'{i:03}' for i in range(_ANNOTATED))
  manifest.write(
    folder, manifest.Manifest(names, np.asarray(jax.random.key_data(keys)))
  )
  truth = np.asarray(blobs.places(rng.latents(keys, 6))).tolist()
  (folder / 'keypoints.json').write_text(
    json.dumps(dict(zip(names, truth, strict=True)))
  )
  storage.write_json(folder / 'schema.json', blobs.SCHEMA.to_json())


@pytest.fixture(scope='module')
def config(tmp_path_factory):
  folder = tmp_path_factory.mktemp('blobs')
  _annotate(folder)
  config = config_file.load(str(_ROOT / 'configs' / 'tiny.py'))
  config.task = 'keypoints'
  config.annotations = str(folder)
  config.schema = str(folder / 'schema.json')
  config.dataset.name = 'two_blobs'
  config.sampling.noise = 'none'
  config.sampling.truncation_psi = 1.0
  config.interpreter.hidden = (16, 16)
  config.interpreter.steps = 150
  return config


@pytest.fixture(scope='module')
def made(config, tmp_path_factory):
  """The dataset's folder and its run's."""
  workdir = tmp_path_factory.mktemp('run')
  with pytest.MonkeyPatch.context() as patch:
    patch.setattr(common, 'load_generator', lambda config: blobs.GENERATOR)
    train_interpreter.main(config, workdir)
    return generate.main(config, workdir), workdir


def test_generated_images_get_their_keypoints(made):
  dataset, _ = made
  examples = [dataset.read(i) for i in range(24)]
  found, seen, latents = (
    np.stack([example[name] for example in examples])
    for name in ('keypoints', 'keypoints_visible', 'latent')
  )
  truth = np.asarray(blobs.places(latents))
  there = truth[..., 2] > 0
  sizes = np.full(24, float(blobs.SIZE))
  good = metrics.pck(found, truth[..., :2], sizes, 0.05, there)
  middle = np.full_like(found, blobs.SIZE / 2)
  chance = metrics.pck(middle, truth[..., :2], sizes, 0.05, there)
  assert good > 90
  assert chance < 20
  assert (seen == there).mean() > 0.9


def test_the_dataset_says_what_its_features_are(made):
  dataset, _ = made
  builder = tfds.builder_from_directory(dataset.directory)
  assert builder.info.metadata['keypoints'] == ['red', 'blue']
  assert builder.info.metadata['uncertainty_maximum'] == 0.5
  assert builder.info.supervised_keys == ('image', 'keypoints')
  counts = builder.info.metadata['visible_keypoints']
  assert counts['train']['red'] + counts['uncertain']['red'] > 20
  example = builder.as_data_source('train')[0]
  assert example['uncertainty'].shape == (32, 32, 1)
  assert example['keypoints'].dtype == np.float32
  assert 'segmentation_mask' not in example


def test_the_report_is_of_keypoints(made):
  _, workdir = made
  names = {path.name for path in (workdir / 'report').iterdir()}
  assert 'keypoint_frequencies.png' in names
  page = (workdir / 'report' / 'data_card.html').read_text()
  assert 'blue' in page
  assert 'largest standard deviation' in page


def test_parts_are_not_generated_with_an_interpreter_of_keypoints(
  made, config, monkeypatch
):
  monkeypatch.setattr(common, 'load_generator', lambda config: blobs.GENERATOR)
  parts = config.copy_and_resolve_references()
  parts.task = 'part_segmentation'
  with pytest.raises(errors.UserError, match="the task 'keypoints'"):
    generate.main(parts, made[1])


def test_a_schema_of_other_keypoints_is_refused(config, monkeypatch, tmp_path):
  monkeypatch.setattr(common, 'load_generator', lambda config: blobs.GENERATOR)
  other = config.copy_and_resolve_references()
  other.schema = 'car_20'
  with pytest.raises(
    errors.UserError, match="have other keypoints: label 0 is 'red'"
  ):
    train_interpreter.main(other, tmp_path)
