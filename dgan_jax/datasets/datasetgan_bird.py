"""The dataset `datasetgan_bird`."""

from dgan_jax.datasets import base, official


class DatasetganBird(base.LabelledGanBuilder):
  """Birds in 11 parts, labelled by an interpreter of a bird generator."""

  BUILDER_CONFIGS = (
    official.config(
      'bird_11',
      'a StyleGAN1 of birds',
      height=512,
      width=512,
    ),
  )
