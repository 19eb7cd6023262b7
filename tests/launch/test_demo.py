"""The commands end to end, on the tiny config."""

import json
import pathlib
import subprocess
import sys

import pytest
import tensorflow_datasets as tfds

from dgan_jax import errors, storage
from launch import config_file, demo, generate, train_interpreter
from tests.launch import terminal

_ROOT = pathlib.Path(__file__).parents[2]


@pytest.fixture
def config():
  return config_file.load(str(_ROOT / 'configs' / 'tiny.py'))


@pytest.fixture(scope='module')
def finished(tmp_path_factory):
  """What the demo printed, and its folder."""
  workdir = tmp_path_factory.mktemp('demo')
  done = terminal.run(
    'launch.demo', '--config=configs/tiny.py', f'--workdir={workdir}'
  )
  assert done.returncode == 0, done.stderr
  return done.stdout, workdir


def _digests(folder):
  return {
    path.relative_to(folder): storage.sha256(path.read_bytes())
    for path in folder.rglob('*')
    if path.is_file()
  }


def test_the_demo_tells_of_progress_classes_and_how_to_load(finished):
  output, workdir = finished
  assert '50/50 steps' in output
  assert '24/24 samples' in output
  assert 'windshield' in output
  line = f"tfds.load('datasetgan_car/tiny', data_dir='{workdir}/data')"
  assert line in output
  assert "22 samples in 'train': image (64, 64, 3)" in output


def test_what_reads_it_is_said(finished):
  output, workdir = finished
  card = (workdir / 'report' / 'data_card.html').read_text()
  for text in (output, card):
    assert 'tensorflow-datasets 4.9.7 or newer' in text


def test_nothing_but_the_dataset_holds_the_samples(finished):
  _, workdir = finished
  assert [path.name for path in (workdir / 'run').iterdir()] == ['.lock']


def test_a_dataset_of_one_format_is_for_any_tfds_and_grows(
  finished, config, tmp_path, capsys
):
  for name in ('interpreter', 'schema.json'):
    place = finished[1] / name
    if place.exists():
      (tmp_path / name).symlink_to(place)
  config.dataset.formats = ('tfrecord',)
  for config.factory.num_samples in (5, 7):
    dataset = generate.main(config, tmp_path)
    assert len(dataset.summary) == config.factory.num_samples
  output = capsys.readouterr().out
  assert '4.9.7' not in output
  assert 'tfds.load(' in output
  assert not list(tmp_path.rglob('*array_record*'))


def test_the_dataset_loads_and_holds_every_sample_once(finished):
  _, workdir = finished
  data = tfds.data_source('datasetgan_car/tiny', data_dir=workdir / 'data')
  indices = [int(s['index']) for part in data.values() for s in part]
  assert sorted(indices) == list(range(24))
  assert len(data['uncertain']) == 2
  least_certain = min(float(s['score']) for s in data['uncertain'])
  assert max(float(s['score']) for s in data['train']) <= least_certain


def test_the_check_reads_what_those_without_tensorflow_get(finished):
  _, workdir = finished
  place = f"'datasetgan_car/tiny', data_dir='{workdir}/data'"
  check = demo._CHECK.format(line=f'data = tfds.data_source({place})')
  done = subprocess.run(
    [sys.executable, '-c', check], capture_output=True, text=True
  )
  assert done.returncode == 0, done.stderr
  assert "22 samples in 'train': image (64, 64, 3), index ()" in done.stdout


def test_the_report_is_complete(finished):
  _, workdir = finished
  names = {path.name for path in (workdir / 'report').iterdir()}
  assert names == {
    'contact_sheet.png',
    'least_uncertain.png',
    'most_uncertain.png',
    'class_frequencies.png',
    'data_card.html',
  }
  page = (workdir / 'report' / 'data_card.html').read_text()
  assert 'rendered' in page
  assert 'simulated' in page
  assert 'float32 in blocks of 4, on cpu' in page
  assert 'python -m launch.demo --config=configs/tiny.py' in page


def test_metrics_of_both_parts_are_there(finished):
  _, workdir = finished
  for part, name in (('training', 'loss'), ('generation', 'score')):
    lines = (workdir / part / 'metrics.jsonl').read_text().splitlines()
    assert all(name in json.loads(line) for line in lines)
    assert list((workdir / part).glob('events.out.tfevents.*'))


def test_running_again_changes_nothing(finished, config, capsys):
  _, workdir = finished
  before = {part: _digests(workdir / part) for part in ('data', 'interpreter')}
  train_interpreter.main(config, workdir)
  generate.main(config, workdir)
  assert 'is trained' in capsys.readouterr().out
  for part, digests in before.items():
    assert _digests(workdir / part) == digests


def test_another_interpreter_in_the_same_folder_is_refused(finished, config):
  _, workdir = finished
  config.interpreter.members = 3
  with pytest.raises(
    errors.UserError, match=r'interpreter\.members is 2 there'
  ):
    train_interpreter.main(config, workdir)


def test_other_samples_in_the_same_folder_are_refused(finished, config):
  _, workdir = finished
  config.seed = 1
  with pytest.raises(errors.UserError, match='seed is 0 there and 1 now'):
    generate.main(config, workdir)


def test_an_interpreter_for_another_schema_is_refused(finished, config):
  _, workdir = finished
  config.schema = 'cat_16'
  with pytest.raises(errors.UserError, match="the schema 'cat_16' have other"):
    generate.main(config, workdir)


def test_generating_without_an_interpreter_says_what_is_missing(
  tmp_path, config
):
  with pytest.raises(errors.UserError, match=r'launch\.train_interpreter'):
    generate.main(config, tmp_path)


@pytest.mark.parametrize(
  ('section', 'field', 'value', 'complaint'),
  [
    ('interpreter', 'mode', 'fast', r"config\.interpreter\.mode is 'fast'"),
    ('sampling', 'noise', 'loud', r"config\.sampling\.noise is 'loud'"),
  ],
)
def test_a_value_that_makes_no_sense_is_refused(
  tmp_path, config, section, field, value, complaint
):
  config[section][field] = value
  with pytest.raises(errors.UserError, match=complaint):
    train_interpreter.main(config, tmp_path)


@pytest.mark.parametrize('name', ['demo', 'generate', 'train_interpreter'])
def test_help_ends_with_an_example(name):
  done = terminal.run(f'launch.{name}', '--help')
  assert done.returncode == 0
  assert f'python -m launch.{name}' in done.stdout.partition('Example:')[2]
