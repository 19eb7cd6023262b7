"""A generator, the truth about its samples and an interpreter, all small."""

import pytest

from dgan_jax.evaluation import annotated_samples
from dgan_jax.generators import generator as generators
from tests import small
from tests.segmentation import synthetic


@pytest.fixture(scope='package')
def subject():
  """Untrained, all of it; random noise makes its images differ."""
  sampling = generators.Sampling(noise='random')
  return annotated_samples.Subject(
    small.generator(), sampling, synthetic.annotator()
  )


@pytest.fixture(scope='package')
def truth(subject, tmp_path_factory):
  path = tmp_path_factory.mktemp('evaluation') / 'truth.npy'
  return annotated_samples.truth(subject, 0, 10, path)


@pytest.fixture(scope='package')
def interpreter(subject):
  channels = subject.generator.architecture.feature_channels
  return small.interpreter(channels, classes=3)
