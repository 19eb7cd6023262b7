"""The dataset `datasetgan_car`."""

import pathlib

from dgan_jax.datasets import base, bundled, official


class DatasetganCar(base.LabelledGanBuilder):
  """Cars in 20 parts, labelled by an interpreter of a car generator."""

  BUILDER_CONFIGS = (
    base.GanConfig(
      name='rendered_64',
      description=(
        'Samples of the generator that comes with dgan_jax, which was '
        'trained on rendered cars; the annotator of its 16 masks is simulated.'
      ),
      license='Apache-2.0',
      layout=base.Layout(64, 64, latent_size=128, task=base.parts('car_20')),
    ),
    official.config(
      'car_20',
      'karras2019stylegan-cars-512x384.for_g_all.pt',
      height=384,
      width=512,
    ),
  )

  def job(self, workdir: pathlib.Path) -> base.Job:
    """1,000 samples, in a minute or two on two cores."""
    if self.builder_config.name == 'rendered_64':
      return bundled.job(workdir, base.FactoryOptions(num_samples=1000))
    return super().job(workdir)
