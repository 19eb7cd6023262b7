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
  interpreter = models.random_interpreter(
    generator.architecture, 5, case.members
  )
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
  assert result['figures'] == {}
  variants = [row['variant'] for row in result['rows']]
  assert variants == ['synthesis', 'ours', 'paper']
  for row in result['rows']:
    assert 0 < row['seconds'] < 60
    assert 0.05 < row['peak GiB'] < 8


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
  rows = {(row['network'], row['variant']): row for row in result['rows']}
  assert {row['size'] for row in rows.values()} == {'8x8'}
  for variant in ('synthesis', 'ours'):
    (ratio,) = (x for name, x in result['figures'].items() if variant in name)
    first, second = (rows[f'StyleGAN{i}', variant] for i in (1, 2))
    assert ratio == pytest.approx(
      second['seconds'] / second['GFLOP'] / (first['seconds'] / first['GFLOP'])
    )


def test_a_network_that_there_is_not_is_refused(capsys):
  with pytest.raises(SystemExit):
    labelling.main(['--networks=StyleGAN3'])
  assert "['StyleGAN3'] are none of" in capsys.readouterr().err
