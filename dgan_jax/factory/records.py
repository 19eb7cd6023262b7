"""Samples as records of a TFDS dataset; all that knows `tfds.core`.

Nothing here imports TensorFlow: images are PNG bytes before TFDS sees them,
and TFDS brings its own protos.
"""

import dataclasses
import io
import os
import pathlib
import re
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import PIL.Image
import tensorflow_datasets as tfds
from tensorflow_datasets.core import (
  dataset_builder,
  dataset_info,
  example_serializer,
)

from dgan_jax import errors, storage
from dgan_jax.factory import record_files
from dgan_jax.tasks import task as task_lib

# 6, the default, takes three times as long for 8 % fewer bytes.
_PNG_LEVEL = 4


@dataclasses.dataclass(frozen=True)
class LabelledSample:
  """An image with its labels and where it came from, on the host."""

  index: int  # global; all that is random about it follows from that
  # What it was made from, by name. Of a generator: key uint32 [2], its key as
  # `jax.random.key_data` gives it, and latent float32 [latent_size], the z.
  origin: Mapping[str, np.ndarray]
  image: np.ndarray  # uint8 [height, width, 3], RGB
  labels: Mapping[str, np.ndarray]  # those of the task, by name
  uncertainty: np.ndarray  # uint8 [height, width]; see `tasks.task.to_uint8`
  score: float  # float32, the uncertainty of the whole sample


@dataclasses.dataclass(frozen=True)
class Layout:
  """The shapes and labels of a dataset's features."""

  height: int  # of images, masks and uncertainty maps, in pixels
  width: int
  latent_size: int  # length of z
  task: task_lib.Task
  members: int = 10  # of the ensemble, which bound the uncertainty

  @property
  def uncertainty_maximum(self) -> float:
    """The uncertainty that 255 stands for."""
    return self.task.uncertainty_maximum(self.members)

  def metadata(self) -> dict[str, Any]:
    """What the info's metadata say about the features; JSON values."""
    return {
      'task': self.task.kind,
      self.task.noun: list(self.task.names),
      'uncertainty_maximum': self.uncertainty_maximum,
    }

  def example(self, sample: LabelledSample) -> dict[str, Any]:
    """A sample as the features have it."""
    fields = dict(vars(sample))
    labels, origin = fields.pop('labels'), fields.pop('origin')
    return {**fields, **origin, **self.task.encode(labels)}

  def features(self) -> tfds.features.FeaturesDict:
    """The dataset's features, named as in `LabelledSample`."""
    size = (self.height, self.width)
    uncertainty = (
      f'Disagreement of the ensemble: {self.task.uncertainty_text}, times 255 '
      f'/ {self.uncertainty_maximum:.9g} and rounded; that divisor is the '
      "info's metadata 'uncertainty_maximum'."
    )
    return tfds.features.FeaturesDict(
      {
        'image': image_feature(size),
        **self.task.features(size),
        'uncertainty': image_feature(size, 1, uncertainty),
        'score': tfds.features.Scalar(
          np.float32,
          doc='Uncertainty of the whole sample; higher is less certain.',
        ),
        'latent': tfds.features.Tensor(
          shape=(self.latent_size,),
          dtype=np.float32,
          doc='The z that the image was made from.',
        ),
        'index': tfds.features.Scalar(
          np.int64, doc='The global number of the sample.'
        ),
        'key': tfds.features.Tensor(
          shape=(2,),
          dtype=np.uint32,
          doc='threefry2x32 key of all that is random about the sample.',
        ),
      }
    )


@dataclasses.dataclass(frozen=True)
class Card:
  """Name and texts of a dataset: `<name>/<config>/<version>`."""

  name: str
  config: str
  version: str = '1.0.0'
  description: str = ''
  config_description: str = ''
  citation: str = ''
  license: str = ''
  homepage: str = ''

  def __post_init__(self) -> None:
    if not re.fullmatch('[a-z][a-z0-9_]*', self.name):
      raise errors.UserError(
        f'{self.name!r} cannot name a dataset; expected a small letter, then '
        'small letters, digits and "_".'
      )
    if not re.fullmatch(r'\w[\w.-]*', self.config):
      raise errors.UserError(
        f'{self.config!r} cannot name a config; expected letters, digits, '
        '"_", "-" and ".".'
      )
    if not tfds.core.Version.is_valid(self.version):
      raise errors.UserError(
        f'{self.version!r} is no version; expected numbers as in 1.0.0.'
      )

  def directory(self, data_dir: str | os.PathLike[str]) -> pathlib.Path:
    """Where TFDS looks for the dataset."""
    return storage.path(data_dir) / self.name / self.config / self.version

  def workdir(self, data_dir: str | os.PathLike[str]) -> pathlib.Path:
    """Where it is made, if nobody says where: beside it, and hidden."""
    name = f'.{self.config}-{self.version}.work'
    return storage.path(data_dir) / self.name / name


class Encoder:
  """Turns examples into serialised tf.Examples; may be called by threads."""

  def __init__(self, features: tfds.features.FeaturesDict):
    self._features = features
    self._serializer = example_serializer.ExampleSerializer(
      features.get_serialized_info()
    )

  def __call__(self, example: Mapping[str, Any]) -> bytes:
    """Of images, `example` has the arrays: [h, w] as grey, [h, w, 3] as RGB."""
    images = {
      name: _png(example[name], feature.shape)
      for name, feature in self._features.items()
      if isinstance(feature, tfds.features.Image)
    }
    proto = self._serializer.get_tf_example(
      self._features.encode_example({**example, **images})
    )
    # A tf.Example is a map, whose order otherwise changes with the process.
    return proto.SerializeToString(deterministic=True)


def image_feature(
  size: tuple[int, int], channels: int = 3, doc: str = 'RGB, 0 to 255.'
) -> tfds.features.Image:
  """Of images uint8 (height, width), stored as PNG."""
  shape = (*size, channels)
  return tfds.features.Image(shape=shape, encoding_format='png', doc=doc)


def info(
  owner: dataset_info.DatasetIdentity | dataset_builder.DatasetBuilder,
  card: Card,
  layout: Layout,
  metadata: Mapping[str, Any] | None = None,
  formats: Sequence[str] = record_files.FORMATS,
) -> tfds.core.DatasetInfo:
  """What TFDS shows and stores about a dataset.

  Shuffling is not disabled, although the records lie in the order of their
  indices: TFDS would refuse `shuffle_files=True`. With several files,
  `tfds.load` interleaves them, always in the same way.
  """
  return tfds.core.DatasetInfo(
    builder=owner,
    description=card.description,
    features=layout.features(),
    supervised_keys=('image', layout.task.supervised_key),
    citation=card.citation,
    license=card.license,
    homepage=card.homepage,
    metadata=tfds.core.MetadataDict({**layout.metadata(), **(metadata or {})}),
    alternative_file_formats=formats[1:],
  )


def write_info(
  directory: str | os.PathLike[str],
  card: Card,
  layout: Layout,
  splits: Mapping[str, Sequence[int]],
  metadata: Mapping[str, Any],
  formats: Sequence[str],
) -> None:
  """Makes a folder of record files a dataset that TFDS reads.

  It holds the `file_paths` of the splits, name -> number of records in each
  file, in all formats, of which TFDS reads several since 4.9.7. Its
  `builder.info.metadata` shows the metadata, JSON values.
  """
  directory = storage.path(directory)
  identity = dataset_info.DatasetIdentity(
    name=card.name,
    version=tfds.core.Version(card.version),
    data_dir=os.fspath(directory),
    module_name='dgan_jax.datasets',
    config_name=card.config,
    config_description=card.config_description,
  )
  result = info(identity, card, layout, metadata, formats)
  result.set_file_format(formats[0])
  result.set_splits(split_infos(directory, card, splits, formats[0]))
  result.write_to_directory(directory)


def split_infos(
  directory: pathlib.Path,
  card: Card,
  splits: Mapping[str, Sequence[int]],
  file_format: str,
) -> tfds.core.splits.SplitDict:
  """What TFDS wants to know of splits: name -> records in each file."""
  infos = []
  for name, lengths in splits.items():
    paths = file_paths(directory, card, name, len(lengths))
    size = sum(path[file_format].stat().st_size for path in paths)
    infos.append(tfds.core.SplitInfo(name, list(lengths), size))
  return tfds.core.splits.SplitDict(infos)


def file_paths(
  directory: pathlib.Path,
  card: Card,
  split: str,
  count: int,
  formats: Sequence[str] = record_files.FORMATS,
) -> list[dict[str, pathlib.Path]]:
  """Format -> path of each of the `count` files of a split, as TFDS names
  them."""
  numbers = [f'{i:05}-of-{count:05}' for i in range(count)]
  return [
    {x: directory / f'{card.name}-{split}.{x}-{number}' for x in formats}
    for number in numbers
  ]


def _png(array: np.ndarray, shape: tuple[int | None, ...]) -> bytes:
  """uint8 [h, w] as grey, [h, w, 3] as RGB, for a feature of this shape."""
  # TFDS looks at arrays, but not at the sizes of encoded images.
  if np.atleast_3d(array).shape != shape:
    raise ValueError(f'{array.shape} does not match the shape {shape}.')
  buffer = io.BytesIO()
  PIL.Image.fromarray(array).save(buffer, 'PNG', compress_level=_PNG_LEVEL)
  return buffer.getvalue()
