"""Training and using the simulated annotator from the terminal, very small."""

import contextlib
import dataclasses
import functools
import io
import json
import pathlib

import numpy as np
import pytest

from dgan_jax import errors, storage
from dgan_jax.annotations import folder, manifest
from dgan_jax.renderers.cars import rendered_car
from dgan_jax.segmentation import annotator as annotator_lib
from dgan_jax.segmentation import augmentation, training
from dgan_jax.training import run_folder
from dgan_jax.visualize import sheets
from launch import config_file, train_annotator
from tests.launch import terminal

_ROOT = pathlib.Path(__file__).parents[2]
_PATH = _ROOT / 'configs' / 'annotator_rendered_car.py'


def _config():
  config = config_file.load(str(_PATH))
  config.num_pairs = 24
  config.num_held_out = 6
  config.domain.resolution = 16
  config.domain.supersampling = 1
  config.network.channels = (8, 8)
  config.training.steps = 30
  config.training.batch_size = 8
  config.training.steps_per_evaluation = 30
  return config


@pytest.fixture
def config():
  return _config()


@pytest.fixture(scope='module')
def finished(tmp_path_factory):
  """What a training printed, and its folder."""
  workdir = tmp_path_factory.mktemp('annotator')
  with contextlib.redirect_stdout(io.StringIO()) as output:
    train_annotator.main(_config(), workdir)
  return output.getvalue(), workdir


def test_the_config_trains_as_the_library_does_but_for_mirrors():
  config = config_file.load(str(_PATH))
  augment = augmentation.Ranges(flip=True)
  assert dict(config.augment) == dataclasses.asdict(augment)
  declared = training.Options(augment=augment)
  assert training.Options(augment=augment, **config.training) == declared


def test_it_is_trained_and_measured(finished):
  output, workdir = finished
  assert '30/30 steps' in output
  annotator = annotator_lib.load(workdir / 'annotator')
  assert annotator.schema == rendered_car.SCHEMA
  facts = annotator_lib.load_facts(workdir / 'annotator')
  assert facts['held_out']['pairs'] == 6
  table = (workdir / 'report' / 'held_out.txt').read_text()
  assert 'windshield' in table
  assert table in output
  lines = (workdir / 'training' / 'metrics.jsonl').read_text().splitlines()
  assert [json.loads(line)['step'] for line in lines] == [25, 30]
  assert 'mean_iou' in json.loads(lines[1])


def test_running_again_changes_nothing(finished, config, capsys):
  _, workdir = finished
  paths = [path for path in workdir.rglob('*') if path.is_file()]
  before = [path.read_bytes() for path in paths]
  train_annotator.main(config, workdir)
  assert 'is trained' in capsys.readouterr().out
  assert [path.read_bytes() for path in paths] == before


def test_another_training_in_the_same_folder_is_refused(finished, config):
  config.training.learning_rate = 0.1
  with pytest.raises(errors.UserError, match=r'learning_rate is 0\.002 there'):
    train_annotator.main(config, finished[1])


def test_interrupted_and_started_again_it_ends_with_the_same_bits(
  finished, tmp_path, config, monkeypatch
):
  save = run_folder.RunFolder.save

  def save_and_break(self, state, facts, *, now):
    save(self, state, facts, now=now)
    if state.step == 25:
      raise KeyboardInterrupt

  with monkeypatch.context() as patch:
    patch.setattr(run_folder.RunFolder, 'save', save_and_break)
    with pytest.raises(KeyboardInterrupt):
      train_annotator.main(config, tmp_path)
  assert (tmp_path / 'training' / 'state').is_dir()
  train_annotator.main(config, tmp_path)
  assert not (tmp_path / 'training' / 'state').exists()
  whole, broken = (
    annotator_lib.checksum(annotator_lib.load(workdir / 'annotator'))
    for workdir in (finished[1], tmp_path)
  )
  assert whole == broken


# In a process of its own, for its flags are its own.
_annotate = functools.partial(terminal.run, 'launch.annotate')


def test_samples_are_labelled_as_a_person_would(finished, tmp_path):
  names = ('000', '001')
  (tmp_path / 'images').mkdir()
  cars = rendered_car.Domain(resolution=16)
  for index, name in enumerate(names):
    image = sheets.png(cars.render(index).image)
    (tmp_path / 'images' / f'{name}.png').write_bytes(image)
  np.save(tmp_path / 'latents.npy', np.zeros((2, 8), np.float32))
  manifest.write(tmp_path, manifest.Manifest(names, latent_size=8))
  storage.write_json(tmp_path / 'schema.json', rendered_car.SCHEMA.to_json())
  done = _annotate(
    f'--annotator={finished[1] / "annotator"}', f'--folder={tmp_path}'
  )
  assert done.returncode == 0, done.stderr
  assert 'simulated' in done.stdout
  found = folder.load(tmp_path, size=(16, 16), latent_size=8)
  assert found.names == names
  note = storage.read_json(tmp_path / 'annotator.json')
  assert note['facts']['held_out']['pairs'] == 6
  assert (tmp_path / 'annotated.png').is_file()


def test_labelling_without_an_annotator_says_what_is_missing(tmp_path):
  done = _annotate(f'--folder={tmp_path}')
  assert done.returncode == 2
  assert done.stderr == 'Say --annotator=FOLDER and --folder=FOLDER.\n'


@pytest.mark.parametrize(
  ('field', 'value', 'words'),
  [
    ('num_pairs', 0, r'config\.num_pairs is 0; expected .* 1 or more'),
    ('stored_dtype', 'int8', "is 'int8'; expected 'float16' or 'float32'"),
    ('network.channels', (8, 9), r'config\.network\.channels is \(8, 9\)'),
    ('network.channels', (8,) * 6, 'Images of 16 x 16 .* multiples of 32'),
    ('training.balance', 2.0, r'config\.training\.balance is 2\.0'),
    ('domain.name', 'boats', r"config\.domain\.name is 'boats'"),
  ],
)
def test_a_value_that_makes_no_sense_is_refused(
  tmp_path, config, field, value, words
):
  *sections, name = field.split('.')
  section = config[sections[0]] if sections else config
  section[name] = value
  with pytest.raises(errors.UserError, match=words):
    train_annotator.main(config, tmp_path)
  assert not list(tmp_path.iterdir())
