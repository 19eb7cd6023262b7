"""The dataset `rendered_car`: pictures of a program, with their exact truth.

  import dgan_jax.datasets
  data = tfds.load('rendered_car/three_quarter_64')

Another setting, resolution or number of pictures takes a config of one's own:

  config = datasets.rendered_car.RenderedCarConfig(
    name='many',
    domain=domains.get('rendered_car', setting='all_views', resolution=128),
    unlabelled=50_000,
  )
  data = tfds.load('rendered_car', builder_kwargs={'config': config})
"""

import dataclasses
import itertools
from collections.abc import Sequence
from typing import Any, ClassVar

import numpy as np
import tensorflow_datasets as tfds
from tensorflow_datasets.core import dataset_builder

from dgan_jax import errors, storage
from dgan_jax.datasets import base
from dgan_jax.factory import record_files, records
from dgan_jax.renderers.cars import rendered_car
from dgan_jax.renderers.engine import batches, renderer

_PER_FILE = 5000


@dataclasses.dataclass(eq=False, kw_only=True)
class RenderedCarConfig(tfds.core.BuilderConfig):
  """One setting and size of the rendered cars."""

  domain: rendered_car.Domain  # setting, resolution and aspect
  unlabelled: int = 2000  # pictures for training a generator
  annotated: int = 16  # the handful that someone would paint
  test: int = 500  # pictures to measure with

  def indices(self) -> dict[str, range]:
    """The numbers of the pictures of each split.

    Raises:
      errors.UserError: a split would be empty or reach into the next.
    """
    ranges = {}
    for split, first in renderer.FIRST_INDEX.items():
      count = getattr(self, split)
      if not 1 <= count <= 10**9:
        raise errors.UserError(
          f'{self.name!r} has {count} pictures in {split!r}; it can have 1 to '
          '1,000,000,000.'
        )
      ranges[split] = range(first, first + count)
    return ranges


def _config(
  setting: str, resolution: int, aspect: str = 'square'
) -> RenderedCarConfig:
  suffix = '' if aspect == 'square' else '_4x3'
  return RenderedCarConfig(
    name=f'{setting}_{resolution}{suffix}',
    description=f'Setting {setting!r}, {resolution} pixels wide, {aspect}.',
    domain=rendered_car.Domain(setting, resolution, aspect),
  )


class RenderedCar(dataset_builder.FileReaderBuilder):
  """Rendered cars in 20 parts, with exact masks and 20 keypoints.

  All splits have their truth, also `unlabelled`: what is trained there looks
  at its images only. A picture is a function of the config's setting and of
  its index, the same on every machine.
  """

  VERSION = tfds.core.Version('2.0.0')
  BUILDER_CONFIGS: ClassVar[Sequence[RenderedCarConfig]] = (
    _config('three_quarter', 64),
    _config('three_quarter', 128),
    _config('frontal', 64),
    _config('all_views', 64),
    _config('all_views', 128),
    _config('all_views', 256, '4:3'),
  )

  def __init__(self, *, file_format: Any = None, **kwargs: Any):
    """See `tfds.core.DatasetBuilder`; `file_format` changes nothing, for both
    formats are always written."""
    del file_format
    super().__init__(**kwargs)

  def _info(self) -> tfds.core.DatasetInfo:
    cars = self.builder_config.domain
    size = cars.size
    features = tfds.features.FeaturesDict(
      {
        'image': records.image_feature(size),
        'segmentation_mask': tfds.features.LabeledImage(
          labels=list(cars.schema.classes),
          shape=(*size, 1),
          encoding_format='png',
          doc='The part at every pixel.',
        ),
        'keypoints': tfds.features.Tensor(
          shape=(len(cars.schema.keypoints), 3),
          dtype=np.float32,
          doc='x and y in pixels, and 1 where it is visible, else 0; the '
          "names are in the info's metadata.",
        ),
        'index': tfds.features.Scalar(
          np.int64, doc='The number of the picture.'
        ),
      }
    )
    return tfds.core.DatasetInfo(
      builder=self,
      description=type(self).__doc__,
      features=features,
      supervised_keys=('image', 'segmentation_mask'),
      license='Apache-2.0',
      metadata=tfds.core.MetadataDict(
        keypoints=list(cars.schema.keypoints),
        domain=dataclasses.asdict(cars),
      ),
      alternative_file_formats=record_files.FORMATS[1:],
    )

  def _download_and_prepare(self, **kwargs: Any) -> None:
    """Renders all splits; TFDS gives the folder its name when it's whole."""
    del kwargs
    ranges = self.builder_config.indices()
    total, before = sum(map(len, ranges.values())), 0
    card = records.Card(self.name, self.builder_config.name)
    folder = storage.path(self.data_dir)
    encode = records.Encoder(self.info.features)
    lengths = {}
    description = f'Rendering {self.info.full_name}'
    with base.progress_bar(description, 'pictures') as on_progress:
      for split, indices in ranges.items():

        def add(done: int, _: int, metrics: Any, before: int = before) -> None:
          on_progress(before + done, total, metrics)

        pictures = batches.render_range(
          self.builder_config.domain, indices, on_progress=add
        )
        payloads = map(encode, map(_example, indices, pictures))
        # Nearly as many to each file.
        parts = np.array_split(indices, -(-len(indices) // _PER_FILE))
        lengths[split] = list(map(len, parts))
        paths = records.file_paths(folder, card, split, len(parts))
        for path, length in zip(paths, lengths[split], strict=True):
          record_files.write(path, itertools.islice(payloads, length))
        before += len(indices)
    self.info.set_splits(
      records.split_infos(folder, card, lengths, record_files.FORMATS[0])
    )


def _example(index: int, rendered: renderer.Rendered) -> dict[str, Any]:
  visible = rendered.visible[:, None].astype(np.float32)
  return {
    'image': rendered.image,
    'segmentation_mask': rendered.mask,
    'keypoints': np.concatenate([rendered.keypoints, visible], axis=1),
    'index': index,
  }
