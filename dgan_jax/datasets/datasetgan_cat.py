"""The dataset `datasetgan_cat`."""

from dgan_jax.datasets import base, official


class DatasetganCat(base.LabelledGanBuilder):
  """Cats in 16 parts, labelled by an interpreter of a cat generator."""

  BUILDER_CONFIGS = (
    official.config(
      'cat_16',
      'karras2019stylegan-cats-256x256.for_g_all.pt',
      height=256,
      width=256,
    ),
  )
