"""The trained annotator: in memory and in its folder."""

import dataclasses
from collections.abc import Mapping
from typing import Any

import flax.struct
import jax
import jax.numpy as jnp
import numpy as np

from dgan_jax import errors, storage
from dgan_jax import schema as schema_lib
from dgan_jax.checkpoints import pytrees
from dgan_jax.segmentation import unet

_KIND = 'simulated annotator'
# That annotators are stored in.
DTYPES = ('float16', 'float32')


@flax.struct.dataclass
class Annotator:
  """A network that paints parts, in place of a person: masks of the schema, on
  images of the size (height, width); weights are float32."""

  architecture: unet.UNet = flax.struct.field(pytree_node=False)
  schema: schema_lib.Schema = flax.struct.field(pytree_node=False)
  size: tuple[int, int] = flax.struct.field(pytree_node=False)
  params: Any

  def check(self, images: np.ndarray) -> None:
    """Raises errors.UserError for what is no uint8 [n, *size, 3], n > 0."""
    check_images(images)
    if images.shape[1:3] != self.size:
      height, width = images.shape[1:3]
      raise errors.UserError(
        f'The images are {height} x {width} (height x width); the annotator '
        f'knows those of {self.size[0]} x {self.size[1]}.'
      )


def check_images(images: np.ndarray) -> None:
  """Raises errors.UserError for what is no uint8 [n, height, width, 3] with
  n > 0."""
  if images.dtype != np.uint8 or images.ndim != 4 or images.shape[3] != 3:
    raise errors.UserError(
      f'The images are {images.dtype} {list(images.shape)}; expected uint8 '
      '[images, height, width, 3].'
    )
  if not len(images):
    raise errors.UserError('There are no images.')


def checksum(annotator: Annotator) -> str:
  """Tells annotators apart: over architecture, classes and weights."""
  network = repr((annotator.architecture, annotator.size))
  classes = repr(annotator.schema.classes)
  return storage.tree_sha256(annotator.params, network, classes)


def rounded(annotator: Annotator, dtype: str) -> Annotator:
  """The annotator as it will be read from a folder of that type; see `save`.
  Raises ValueError if annotators are not stored in it."""
  if dtype not in DTYPES:
    raise ValueError(f'Type {dtype!r} is none of {DTYPES}.')
  params = jax.tree.map(
    lambda x: np.asarray(x, dtype).astype(np.float32), annotator.params
  )
  return dataclasses.replace(annotator, params=params)


def save(
  directory: storage.PathLike,
  annotator: Annotator,
  *,
  facts: Mapping[str, Any] | None = None,
  dtype: str = 'float32',
) -> None:
  """Writes an annotator, and JSON values about where it comes from. In float16
  it is half the size, of nearly the same weights. See `pytrees.save`.

  Raises:
    ValueError: another type.
  """
  params = rounded(annotator, dtype).params
  pytrees.save(
    directory,
    jax.tree.map(lambda x: np.asarray(x, dtype), params),
    {
      'kind': _KIND,
      'architecture': dataclasses.asdict(annotator.architecture),
      'schema': annotator.schema.to_json(),
      'size': list(annotator.size),
      'dtype': dtype,
      'facts': dict(facts or {}),
    },
  )


def load(directory: storage.PathLike) -> Annotator:
  """Reads an annotator.

  Raises:
    errors.UserError: there is none, or it is damaged.
  """
  metadata = _metadata(directory)
  try:
    fields = dict(metadata['architecture'])
    fields['channels'] = tuple(fields['channels'])
    architecture = unet.UNet(**fields)
    schema = schema_lib.Schema.from_json(metadata['schema'])
    height, width = metadata['size']
    dtype = np.dtype(metadata['dtype'])
    shapes = jax.eval_shape(architecture.init, jax.random.key(0))
  except (KeyError, TypeError, ValueError) as error:
    raise errors.UserError(
      f'{directory} does not describe an annotator '
      f'({type(error).__name__}: {error}).'
    ) from None
  like = jax.tree.map(lambda x: jax.ShapeDtypeStruct(x.shape, dtype), shapes)
  params = jax.tree.map(
    lambda x: jnp.asarray(x, jnp.float32), pytrees.load(directory, like)
  )
  return Annotator(architecture, schema, (height, width), params)


def load_facts(directory: storage.PathLike) -> dict[str, Any]:
  """What `save` was told about where the annotator comes from; raises
  errors.UserError where the folder holds none."""
  return dict(_metadata(directory).get('facts', {}))


def _metadata(directory: storage.PathLike) -> dict[str, Any]:
  metadata = pytrees.load_metadata(directory)
  if metadata.get('kind') != _KIND:
    raise errors.UserError(
      f'{directory} holds a checkpoint of kind {metadata.get("kind")!r}; '
      'expected one that launch.train_annotator wrote.'
    )
  return metadata
