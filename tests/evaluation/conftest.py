"""Programs are compiled for a few samples only."""

import jax
import pytest

from dgan_jax.evaluation import samples
from dgan_jax.generators import generator as generators
from tests import small
from tests.annotator import synthetic


@pytest.fixture(autouse=True, scope='package')
def compiled_in_a_hurry():
  jax.config.update('jax_disable_most_optimizations', True)
  yield
  jax.config.update('jax_disable_most_optimizations', False)


@pytest.fixture(scope='package')
def subject():
  """Untrained, all of it; random noise makes its images differ."""
  sampling = generators.Sampling(noise='random')
  return samples.Subject(small.generator(), sampling, synthetic.annotator())


@pytest.fixture(scope='package')
def truth(subject, tmp_path_factory):
  path = tmp_path_factory.mktemp('evaluation') / 'truth.npy'
  return samples.truth(subject, 0, 10, path)


@pytest.fixture(scope='package')
def interpreter(subject):
  channels = subject.generator.architecture.feature_channels
  return small.interpreter(channels, classes=3)
