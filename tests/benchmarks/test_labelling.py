import json

import jax
import numpy as np

from benchmarks import labelling, models, paper_dataflow
from dgan_jax import rng
from dgan_jax.factory import sampling as factory


def test_the_paper_dataflow_gives_the_labels_of_the_factory():
  case = labelling.Case(16, 5, (2, 14), members=3)
  generator = models.random_generator(case.resolution)
  interpreter = models.random_interpreter(generator, 5, case.members)
  keys = rng.sample_keys(rng.root_key(0), np.arange(1))
  image, labels = paper_dataflow.label(
    generator, interpreter, case.sampling, keys
  )
  ours = factory.labelled_block(generator, interpreter, case.sampling, keys)
  ours = jax.tree.map(np.asarray, ours)
  np.testing.assert_array_equal(image, ours['image'])
  assert (labels.mask == ours['mask'][0]).mean() > 0.99
  np.testing.assert_allclose(
    labels.uncertainty, ours['uncertainty'][0], rtol=2e-3, atol=1e-5
  )
  np.testing.assert_allclose(labels.score, ours['score'][0], rtol=1e-3)


def test_all_variants_are_measured_in_blocks(quick, capsys):
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
  (case,) = json.loads(capsys.readouterr().out)['cases']
  assert set(case['variants']) == {'synthesis', 'ours', 'paper'}
  for numbers in case['variants'].values():
    assert 0 < numbers['seconds_per_sample'] < 60
    assert 0.05 < numbers['peak_gib'] < 8
