"""Measuring labels from the terminal, very small."""

import contextlib
import dataclasses
import io
import json
import pathlib

import numpy as np
import pytest
from PIL import Image

from dgan_jax import errors, storage
from dgan_jax.checkpoints import store
from dgan_jax.evaluation import annotated_samples, label_quality
from dgan_jax.evaluation import plan as plan_lib
from dgan_jax.interpreter import training
from dgan_jax.segmentation import annotator
from launch import config_file, evaluate_labels
from tests import small
from tests.segmentation import synthetic

_PATH = pathlib.Path(__file__).parents[2] / 'configs' / 'label_quality.py'
_RESULTS = ('label_quality.md', 'label_quality.json', 'label_quality.png')


@pytest.fixture(autouse=True, scope='module')
def trained_once():
  """Only the first training is one: to compile the others takes long."""
  train, made = label_quality.training.train, []

  def first(*args, **kwargs):
    if not made:
      made.append(train(*args, **kwargs))
    return made[0]

  with pytest.MonkeyPatch.context() as patch:
    patch.setattr(label_quality.training, 'train', first)
    yield


@pytest.fixture(scope='module')
def networks(tmp_path_factory):
  """A folder with a generator, an annotator and the schema of both."""
  folder = tmp_path_factory.mktemp('networks')
  store.save_generator(folder / 'generator', small.generator())
  annotator.save(folder / 'annotator', synthetic.annotator())
  storage.write_json(folder / 'schema.json', synthetic.SCHEMA.to_json())
  return folder


def _config(networks):
  config = config_file.load(str(_PATH))
  config.generator = str(networks / 'generator')
  config.annotator = str(networks / 'annotator')
  config.schema = str(networks / 'schema.json')
  config.num_samples = 5
  config.annotated = (1, 2)
  config.ceiling = 3
  config.reference = 2
  config.modes = ('default',)
  config.dropouts = (0.0, 0.5)
  config.candidates = 6
  config.sampling.noise = 'random'
  config.interpreter.members = 2
  config.interpreter.steps = 4
  config.interpreter.steps_per_evaluation = 2
  config.interpreter.batch_size = 32
  return config


@pytest.fixture
def config(networks):
  return _config(networks)


@pytest.fixture(scope='module')
def finished(networks, tmp_path_factory):
  """What an evaluation printed, and its folder."""
  workdir = tmp_path_factory.mktemp('labels')
  with contextlib.redirect_stdout(io.StringIO()) as output:
    evaluate_labels.main(_config(networks), workdir)
  return output.getvalue(), workdir


def _lines(workdir):
  return (workdir / 'rows.jsonl').read_text().splitlines()


def test_the_config_plans_as_the_library_does():
  config = config_file.load(str(_PATH))
  plan = plan_lib.Plan(training.TrainingOptions())
  for field in dataclasses.fields(plan):
    if field.name != 'options':
      assert config[field.name] == getattr(plan, field.name), field.name
  assert dict(config.interpreter) == dataclasses.asdict(plan.options)


def test_every_run_is_a_line(finished):
  output, workdir = finished
  found = [json.loads(line)['run'] for line in _lines(workdir)]
  assert [
    (run['annotated'], run['candidates'], run['options']['dropout'])
    for run in found
  ] == [(2, 6, 0), (1, 6, 0), (3, 6, 0), (2, 6, 0.5), (2, 0, 0)]
  words = '2 annotated samples (chosen of 6), default mode, dropout 0.5, seed 0'
  assert f'{words}:' in output
  assert '5/5 interpreters' in output


def test_tables_chart_and_samples_are_written(finished):
  output, workdir = finished
  text = (workdir / 'label_quality.md').read_text()
  assert text in output
  assert '5 fresh samples' in text
  everything = storage.read_json(workdir / 'label_quality.json')
  assert len(everything['runs']) == 5
  assert everything['setup']['num_samples'] == 5
  for name in ('label_quality.png', 'samples.png'):
    with Image.open(workdir / name) as picture:
      assert picture.width > 1000


def test_what_is_measured_on_was_not_annotated(finished, config):
  _, workdir = finished
  setup = annotated_samples.Setup(
    small.generator(),
    evaluate_labels.common.sampling(config, small.generator()),
    synthetic.annotator(),
  )
  annotated = annotated_samples.annotate(setup, 0, 2, 6).masks
  measured = np.load(workdir / 'truth.npy')
  same = (annotated[:, None] == measured).all((2, 3))
  assert len(measured) == 5
  assert not same.any()


def test_running_again_measures_nothing_anew(finished, config, monkeypatch):
  _, workdir = finished
  paths = [workdir / name for name in (*_RESULTS, 'rows.jsonl', 'truth.npy')]
  before = [path.read_bytes() for path in paths]
  monkeypatch.setattr(label_quality, 'train_and_measure', None)
  monkeypatch.setattr(annotated_samples, 'paint', None)
  evaluate_labels.main(config, workdir)
  assert [path.read_bytes() for path in paths] == before


def test_interrupted_and_started_again_it_goes_on(
  finished, tmp_path, config, monkeypatch
):
  measure = label_quality.train_and_measure
  measured = []

  def measure_and_break(setup, run, *rest):
    if len(measured) == 1:
      raise KeyboardInterrupt
    measured.append(run)
    return measure(setup, run, *rest)

  with monkeypatch.context() as patch:
    patch.setattr(label_quality, 'train_and_measure', measure_and_break)
    with pytest.raises(KeyboardInterrupt):
      evaluate_labels.main(config, tmp_path)
  assert len(_lines(tmp_path)) == 1
  assert not (tmp_path / 'label_quality.md').exists()
  evaluate_labels.main(config, tmp_path)
  whole, broken = (
    (workdir / 'label_quality.md').read_text()
    for workdir in (finished[1], tmp_path)
  )
  assert whole == broken


def test_other_samples_in_the_same_folder_are_refused(finished, config):
  config.num_samples = 6
  with pytest.raises(errors.UserError, match='num_samples is 5 there'):
    evaluate_labels.main(config, finished[1])


@pytest.mark.parametrize(
  ('field', 'value', 'words'),
  [
    ('num_samples', 0, r'config\.num_samples is 0; expected .* 1 or more'),
    ('modes', ('fast',), r"config\.modes is \('fast',\)"),
    ('annotated', (0,), r'config\.annotated is \(0,\)'),
    ('schema', 'car_20', "classes of 'box_3'; those of 'car_20' are asked for"),
    ('generator', 'bundled', 'the annotator knows those of 16 x 16'),
    ('annotator', 'nowhere', 'nowhere'),
  ],
)
def test_a_value_that_makes_no_sense_is_refused(
  tmp_path, config, field, value, words
):
  if field == 'generator':
    config.sampling.noise = 'auto'
  config[field] = value
  with pytest.raises(errors.UserError, match=words):
    evaluate_labels.main(config, tmp_path)
  assert not list(tmp_path.iterdir())
