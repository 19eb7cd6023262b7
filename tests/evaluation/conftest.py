"""A generator, the truth about its samples and an interpreter, all small."""

import pytest

from dgan_jax.evaluation import annotated_samples
from dgan_jax.generators import generator as generators
from tests import small
from tests.segmentation import synthetic


@pytest.fixture(scope='package')
def setup():
  """Untrained, all of it; random noise makes its images differ."""
  sampling = generators.Sampling(noise='random')
  return annotated_samples.Setup(
    small.generator(), sampling, synthetic.annotator()
  )


@pytest.fixture(scope='package')
def truth(setup, tmp_path_factory):
  path = tmp_path_factory.mktemp('evaluation') / 'truth.npy'
  return annotated_samples.truth(setup, 0, 10, path)


@pytest.fixture(scope='package')
def interpreter(setup):
  channels = setup.generator.architecture.feature_channels
  return small.interpreter(channels, classes=3)
