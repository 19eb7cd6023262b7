import dataclasses

import jax
import numpy as np
import pytest

from dgan_jax import datasets
from dgan_jax.datasets import base, bundled
from dgan_jax.generators import generator as generators
from dgan_jax.interpreter import ensemble, training
from dgan_jax.tasks import part_segmentation


@pytest.fixture
def trained(monkeypatch):
  """Notes the calls of training, which gives an untrained interpreter."""
  calls = []

  def train(generator, annotated, sampling, options, *, key, on_progress):
    calls.append((annotated, sampling, options))
    on_progress(1, 1, {})
    architecture = generator.architecture
    spec = ensemble.InterpreterSpec(
      feature_channels=architecture.feature_channels,
      task=part_segmentation.PartSegmentation(annotated.schema),
      hidden=(4, 4),
      members=1,
      generator_checksum=generators.checksum(generator),
      resolution=architecture.resolution,
    )
    classifier = ensemble.PixelClassifier(spec.hidden, spec.num_outputs)
    variables = classifier.init(key, np.zeros((1, spec.num_features)))
    params = ensemble.merge_batch_stats(
      variables['params'], variables['batch_stats']
    )
    return ensemble.Interpreter(
      spec=spec, params=jax.tree.map(lambda x: np.asarray(x)[None], params)
    )

  monkeypatch.setattr(training, 'train', train)
  return calls


def test_the_bundled_job_trains_once_and_fits_its_builder(trained, tmp_path):
  options = base.FactoryOptions(num_samples=2)
  job = bundled.job(tmp_path, options)
  again = bundled.job(tmp_path, options)
  assert len(trained) == 1
  assert ensemble.checksum(job.interpreter) == ensemble.checksum(
    again.interpreter
  )
  builder = datasets.DatasetganCar(data_dir=tmp_path)
  layout = dataclasses.replace(job.layout(), members=10)
  assert layout == builder.builder_config.layout
  assert job.source.sampling == generators.Sampling()


def test_the_car_builder_generates_from_the_bundled_job(trained, tmp_path):
  builder = datasets.DatasetganCar(data_dir=tmp_path)
  job = builder.job(tmp_path / 'work')
  assert job.options.num_samples == 1000
  assert trained[0][0].masks.shape == (16, 64, 64)
  job.source.check_fit(job.interpreter.spec)
