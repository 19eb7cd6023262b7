import json

import jax
import numpy as np
import pytest

from benchmarks import labelling, models, paper_dataflow
from dgan_jax import rng
from dgan_jax.factory import labeller as factory
from dgan_jax.factory import source
from dgan_jax.interpreter import labelling as labelling_lib
from dgan_jax.tasks import task


def test_the_paper_dataflow_gives_the_labels_of_the_factory(narrow):
  case = labelling.Case(16, 5, (2, 14), members=3)
  generator = models.random_generator(case.resolution)
  interpreter = models.random_interpreter(generator, 5, case.members)
  keys = rng.sample_keys(rng.root_key(0), np.arange(1))
  image, labels = paper_dataflow.label(
    generator, interpreter, case.sampling, keys
  )
  ours = factory.labelled_block(
    source.GeneratorSource(generator, case.sampling).draw,
    case.canvas,
    labelling_lib.TILE_PIXELS,
    (generator, interpreter),
    {'key': jax.random.key_data(keys)},
  )
  ours = jax.tree.map(np.asarray, ours)
  np.testing.assert_array_equal(image, ours['image'])
  assert (labels.mask == ours['labels']['mask'][0]).mean() > 0.99
  spec = interpreter.spec
  maximum = spec.task.uncertainty_maximum(spec.members)
  theirs = np.int32(task.to_uint8(labels.uncertainty, maximum))
  np.testing.assert_allclose(ours['uncertainty'][0], theirs, atol=1)
  np.testing.assert_allclose(
    labels.score, ours['score'][0], rtol=2e-3, atol=1e-5
  )


def test_all_variants_are_measured_in_blocks(quick, narrow, capsys):
  labelling.main(
    [
      '--sizes=16',
      '--paper_sizes=16',
      '--repeats=1',
      '--members=2',
      '--block=2',
      '--json',
    ]
  )
  result = json.loads(capsys.readouterr().out)
  (case,) = result['cases']
  assert result['compared'] == []
  assert set(case['variants']) == {'synthesis', 'ours', 'paper'}
  for numbers in case['variants'].values():
    assert 0 < numbers['seconds_per_sample'] < 60
    assert 0.05 < numbers['peak_gib'] < 8


def test_two_networks_are_compared_by_operation(
  quick, narrow, monkeypatch, capsys
):
  monkeypatch.setattr(labelling, '_DOMAINS', {8: (20, (2, 6))})
  labelling.main(
    [
      '--sizes=8',
      '--paper_sizes=',
      '--repeats=1',
      '--members=2',
      '--networks=StyleGAN1,StyleGAN2',
      '--json',
    ]
  )
  result = json.loads(capsys.readouterr().out)
  cases = {case['case']['network']: case for case in result['cases']}
  assert set(cases) == {'StyleGAN1', 'StyleGAN2'}
  assert all(case['case']['rows'] is None for case in cases.values())
  (comparison,) = result['compared']
  for variant, ratio in comparison['seconds_per_gflop'].items():
    first, second = (
      cases[name]['variants'][variant] for name in comparison['networks']
    )
    assert ratio == pytest.approx(
      second['seconds_per_sample']
      / second['gflop_per_sample']
      / (first['seconds_per_sample'] / first['gflop_per_sample'])
    )


def test_a_network_that_there_is_not_is_refused(capsys):
  with pytest.raises(SystemExit):
    labelling.main(['--networks=StyleGAN3'])
  assert "['StyleGAN3'] are none of" in capsys.readouterr().err
