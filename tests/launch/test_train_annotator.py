"""Training and using the simulated annotator from the terminal, very small."""

import dataclasses
import json
import pathlib
import subprocess
import sys

import numpy as np
import pytest

from dgan_jax import annotations, errors, files, manifest, visualize
from dgan_jax.annotator import network, perturbation, training
from dgan_jax.domains import rendered_car
from launch import checkpoint, command, train_annotator

_ROOT = pathlib.Path(__file__).parents[2]
_PATH = _ROOT / 'configs' / 'annotator_rendered_car.py'


@pytest.fixture
def config():
  config = command.load_config(str(_PATH))
  config.num_pairs = 24
  config.num_held_out = 6
  config.domain.resolution = 16
  config.domain.supersampling = 1
  config.network.channels = (8, 8)
  config.training.steps = 60
  config.training.batch_size = 8
  config.training.steps_per_evaluation = 25
  return config


def test_the_config_trains_as_the_library_does_but_for_mirrors():
  config = command.load_config(str(_PATH))
  strengths = perturbation.Strengths(flip=True)
  assert dict(config.strengths) == dataclasses.asdict(strengths)
  declared = training.Options(strengths=strengths)
  assert training.Options(strengths=strengths, **config.training) == declared


def test_it_is_trained_measured_and_used(tmp_path, config, capsys):
  train_annotator.main(config, tmp_path)
  output = capsys.readouterr().out
  assert '60/60 steps' in output
  annotator = network.load(tmp_path / 'annotator')
  assert annotator.schema == rendered_car.SCHEMA
  facts = network.load_facts(tmp_path / 'annotator')
  assert facts['held_out']['pairs'] == 6
  table = (tmp_path / 'report' / 'held_out.txt').read_text()
  assert 'windshield' in table
  assert table in output
  lines = (tmp_path / 'training' / 'metrics.jsonl').read_text().splitlines()
  assert [json.loads(line)['step'] for line in lines] == [25, 50, 60]
  assert 'mean_iou' in json.loads(lines[0])

  before = files.sha256((tmp_path / 'report' / 'held_out.png').read_bytes())
  train_annotator.main(config, tmp_path)
  assert 'is trained' in capsys.readouterr().out
  after = files.sha256((tmp_path / 'report' / 'held_out.png').read_bytes())
  assert before == after

  _check_annotate(tmp_path)


def _check_annotate(workdir):
  """`launch.annotate`, whose flags are its own, in a process of its own."""
  folder = workdir / 'paint'
  (folder / 'images').mkdir(parents=True)
  names = ('000', '001')
  cars = rendered_car.Domain(resolution=16)
  for index, name in enumerate(names):
    image = visualize.png(cars.render(index).image)
    (folder / 'images' / f'{name}.png').write_bytes(image)
  np.save(folder / 'latents.npy', np.zeros((2, 8), np.float32))
  manifest.write(folder, manifest.Manifest(names, latent_size=8))
  files.write_json(folder / 'schema.json', rendered_car.SCHEMA.to_json())

  def run(*args):
    return subprocess.run(
      [sys.executable, '-m', 'launch.annotate', *args],
      cwd=_ROOT,
      capture_output=True,
      text=True,
    )

  done = run(f'--annotator={workdir / "annotator"}', f'--folder={folder}')
  assert done.returncode == 0, done.stderr
  assert 'simulated' in done.stdout
  found = annotations.load(folder, size=(16, 16), latent_size=8)
  assert found.names == names
  note = files.read_json(folder / 'annotator.json')
  assert note['facts']['held_out']['pairs'] == 6
  assert (folder / 'annotated.png').is_file()

  done = run(f'--folder={folder}')
  assert done.returncode == 2
  assert done.stderr == 'Say --annotator=FOLDER and --folder=FOLDER.\n'


def test_interrupted_and_started_again_it_ends_with_the_same_bits(
  tmp_path, config, monkeypatch
):
  train_annotator.main(config, tmp_path / 'whole')
  save = checkpoint.Checkpoint.save

  def save_and_break(self, state):
    save(self, state)
    if state.step == 25:
      raise KeyboardInterrupt

  with monkeypatch.context() as patch:
    patch.setattr(checkpoint.Checkpoint, 'save', save_and_break)
    with pytest.raises(KeyboardInterrupt):
      train_annotator.main(config, tmp_path / 'broken')
  assert (tmp_path / 'broken' / 'training' / 'state').is_dir()
  train_annotator.main(config, tmp_path / 'broken')
  assert not (tmp_path / 'broken' / 'training' / 'state').exists()
  whole, broken = (
    network.checksum(network.load(tmp_path / name / 'annotator'))
    for name in ('whole', 'broken')
  )
  assert whole == broken


def test_another_training_in_the_same_folder_is_refused(tmp_path, config):
  config.training.steps = 1
  train_annotator.main(config, tmp_path)
  config.training.learning_rate = 0.1
  with pytest.raises(errors.UserError, match=r'learning_rate is 0\.002 there'):
    train_annotator.main(config, tmp_path)


@pytest.mark.parametrize(
  ('field', 'value', 'words'),
  [
    ('num_pairs', 0, r'config\.num_pairs is 0; expected 1 or more'),
    ('stored_dtype', 'int8', "is 'int8'; expected one of float16, float32"),
    ('network.channels', (8, 9), '9 channels do not split into 8 groups'),
    ('network.channels', (8,) * 6, 'Images of 16 x 16 .* multiples of 32'),
    ('training.balance', 2.0, r'balance 2\.0 is not in \[0, 1\]'),
    ('domain.name', 'boats', "There is no domain 'boats'"),
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
