"""The datasets `datasetgan_car`, `_face`, `_cat`, `_bird` and `_bedroom`.

The weights of the published generators are for non-commercial use and not ours
to hand out: of their datasets there is a config to follow, but nothing that
could be generated on first use.
"""

import pathlib

from dgan_jax.datasets import base, bundled


def _official(
  name: str, height: int, width: int, published: str = ''
) -> base.GanConfig:
  """The dataset of `configs/<name>.py`, from a published generator or another
  of such images."""
  checkpoint = f'a StyleGAN1 of {name.partition("_")[0]}s'
  if published:
    checkpoint = f'karras2019stylegan-{published}.for_g_all.pt'
  return base.GanConfig(
    name=name,
    description=f'Made by launch.generate with configs/{name}.py.',
    license='For non-commercial use, as the generator and the annotations it '
    'was made with (DatasetGAN release, NVIDIA).',
    recipe=f'Get {checkpoint} and convert it as configs/{name}.py says, then: '
    f'python -m launch.generate --config=configs/{name}.py '
    f'--workdir=out/{name} --config.data_dir=DATA_DIR',
    layout=base.Layout(height, width, latent_size=512, task=base.parts(name)),
  )


class DatasetganCar(base.LabelledGanBuilder):
  """Cars in 20 parts, labelled by an interpreter of a car generator."""

  BUILDER_CONFIGS = (
    base.GanConfig(
      name='rendered_64',
      description='Samples of the generator that comes with dgan_jax, which '
      'was trained on rendered cars; the annotator of its 16 masks is '
      'simulated.',
      license='Apache-2.0',
      layout=base.Layout(64, 64, latent_size=128, task=base.parts('car_20')),
    ),
    _official('car_20', 384, 512, 'cars-512x384'),
  )

  def job(self, workdir: pathlib.Path) -> base.Job:
    """1,000 samples, in a minute or two on two cores."""
    if self.builder_config.name == 'rendered_64':
      return bundled.job(workdir, base.FactoryOptions(num_samples=1000))
    return super().job(workdir)


class DatasetganFace(base.LabelledGanBuilder):
  """Faces in 34 parts, labelled by an interpreter of a face generator."""

  BUILDER_CONFIGS = (_official('face_34', 512, 512, 'celebahq-1024x1024'),)


class DatasetganCat(base.LabelledGanBuilder):
  """Cats in 16 parts, labelled by an interpreter of a cat generator."""

  BUILDER_CONFIGS = (_official('cat_16', 256, 256, 'cats-256x256'),)


class DatasetganBird(base.LabelledGanBuilder):
  """Birds in 11 parts, labelled by an interpreter of a bird generator."""

  BUILDER_CONFIGS = (_official('bird_11', 512, 512),)


class DatasetganBedroom(base.LabelledGanBuilder):
  """Bedrooms in 19 parts, labelled by an interpreter of a bedroom generator."""

  BUILDER_CONFIGS = (_official('bedroom_19', 256, 256, 'bedrooms-256x256'),)
