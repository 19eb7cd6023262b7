import json

import numpy as np

from benchmarks import interpreter_training, models, paper_dataflow
from dgan_jax import rng


def test_the_three_variants_are_compared(quick, capsys):
  options = {
    'members': 2,
    'max_epochs': 1,
    'steps': 6,
    'batch_size': 64,
    'steps_per_evaluation': 3,
  }
  interpreter_training.main(
    ['--release_members=1', f'--options={json.dumps(options)}', '--json']
  )
  result = json.loads(capsys.readouterr().out)
  rows = {row['variant']: row for row in result['rows']}
  assert set(rows) == {'paper', 'release', 'default'}
  figures = result['figures']
  seconds = figures["the paper's seconds for 2 members"]
  assert seconds == 2 * rows['paper']['seconds']
  assert sum('mean IoU of default' in name for name in figures) == 2
  assert rows['paper']['mean IoU'] > 0.1


def test_the_bundled_cars_are_sixteen_and_others_to_measure_by(monkeypatch):
  painted = np.zeros((3, 64, 64), np.uint8)
  monkeypatch.setattr(models.annotated_samples, 'paint', lambda *_: painted)
  cars = models.BundledCars.load()
  assert cars.annotated.masks.shape == (16, 64, 64)
  assert len(cars.truth.keys) == 256
  cars.setup.check(cars.annotated.schema)


def test_memory_is_measured_on_images_of_another_size(quick, narrow, capsys):
  interpreter_training.main(
    ['--memory', '--resolution=16', '--options={"members": 2}', '--json']
  )
  (row,) = json.loads(capsys.readouterr().out)['rows']
  assert 0.05 < row['peak_gib'] < 8


def test_the_time_to_a_mean_iou_is_that_of_the_first_to_reach_it():
  run = interpreter_training.Run(10, None, 0.7, ((1.0, 0.5), (2.0, 0.7)))
  assert run.seconds_to(0.6) == 2
  assert run.seconds_to(0.8) == np.inf


def test_a_member_stops_once_its_loss_no_longer_falls(cars, monkeypatch):
  monkeypatch.setattr(paper_dataflow.release, 'FULL_EPOCHS', 0)

  def bias(patience):
    monkeypatch.setattr(paper_dataflow.release, 'PATIENCE', patience)
    trained = paper_dataflow.train(
      cars.setup.generator,
      cars.annotated,
      cars.setup.sampling,
      members=1,
      max_epochs=20,
      key=rng.root_key(0),
    )
    return np.abs(trained.params['dense_0']['bias']).max()

  # Adam moves a parameter by 0.001 a step at most.
  assert bias(patience=1) < 0.02 < bias(patience=1000)
