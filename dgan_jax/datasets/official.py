"""What is known in advance of datasets from the published generators.

Their weights are for non-commercial use and not ours to hand out, so there is
a config to follow but nothing that could be generated on first use.
"""

from dgan_jax.datasets import base

_LICENSE = (
  'For non-commercial use, as the generator and the annotations it was made '
  'with (DatasetGAN release, NVIDIA).'
)


def config(
  name: str, checkpoint: str, height: int, width: int
) -> base.GanConfig:
  """The dataset that `configs/<name>.py` describes.

  Args:
    name: of the shipped config and of the built-in schema.
    checkpoint: the generator's file.
    height: of the images, in pixels.
    width: likewise.
  """
  return base.GanConfig(
    name=name,
    description=f'Made by launch.generate with configs/{name}.py.',
    license=_LICENSE,
    recipe=(
      f'Get {checkpoint} and convert it as configs/{name}.py says, then: '
      f'python -m launch.generate --config=configs/{name}.py '
      f'--workdir=out/{name} --config.data_dir=DATA_DIR'
    ),
    layout=base.Layout(height, width, latent_size=512, task=base.parts(name)),
  )
