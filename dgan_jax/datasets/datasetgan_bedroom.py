"""The dataset `datasetgan_bedroom`."""

from dgan_jax.datasets import base, official


class DatasetganBedroom(base.LabelledGanBuilder):
  """Bedrooms in 19 parts, labelled by an interpreter of a bedroom generator."""

  BUILDER_CONFIGS = (
    official.config(
      'bedroom_19',
      'karras2019stylegan-bedrooms-256x256.for_g_all.pt',
      height=256,
      width=256,
    ),
  )
