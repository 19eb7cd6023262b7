"""The dataset `datasetgan_face`."""

from dgan_jax.datasets import base, official


class DatasetganFace(base.LabelledGanBuilder):
  """Faces in 34 parts, labelled by an interpreter of a face generator."""

  BUILDER_CONFIGS = (
    official.config(
      'face_34',
      'karras2019stylegan-celebahq-1024x1024.for_g_all.pt',
      height=512,
      width=512,
    ),
  )
