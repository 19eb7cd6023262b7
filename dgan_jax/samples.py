"""Samples of a generator: which ones, drawn, and shown."""

import dataclasses
import functools
import numbers
from collections.abc import Iterable, Iterator, Mapping, Sequence

import chex
import jax
import numpy as np
from PIL import Image

from dgan_jax import rng, validation
from dgan_jax.generators import generator as generators
from dgan_jax.tasks import task as task_lib
from dgan_jax.visualize import sheets

_SHOWN = 48


@dataclasses.dataclass(frozen=True, eq=False, repr=False)
class Samples:
  """Images, their labels if they have any, and what they were made from.

  A notebook draws it; `samples[3:5]` and `samples[samples.score < 0.1]` are
  some of them. Of unlabelled ones, what is about labels is None or empty.

  Attributes:
    image: uint8 [n, height, width, 3], RGB.
    latent: float32 [n, latent_size], z or w; or w of every layer, [n, num_ws,
      latent_size].
    key: uint32 [n, 2], as `jax.random.key_data` gives it.
    index: int64 [n] under the seed that was given; None if others were.
    labels: arrays [n, ...] by name; of parts, `mask` is all.
    uncertainty: float32 [n, height, width], the members' disagreement: of
      parts the Jensen-Shannon divergence in nats, 0 where all agree.
    score: float32 [n], the uncertainty of a whole sample: of parts, the mean
      of its most uncertain tenth of the pixels.
    task: what the labels are, with their `schema`.
  """

  image: np.ndarray
  latent: np.ndarray
  key: np.ndarray
  index: np.ndarray | None = None
  labels: Mapping[str, np.ndarray] = dataclasses.field(default_factory=dict)
  uncertainty: np.ndarray | None = None
  score: np.ndarray | None = None
  task: task_lib.Task | None = None

  @property
  def mask(self) -> np.ndarray:
    """uint8 [n, height, width], indices of `task.schema.classes`.

    Raises KeyError if the labels are others, or none.
    """
    return self.labels['mask']

  def __len__(self) -> int:
    return len(self.image)

  def __getitem__(self, rows: int | slice | np.ndarray) -> 'Samples':
    """Some of them; a single one too has a leading axis, of 1."""
    if isinstance(rows, numbers.Integral):
      rows = np.arange(len(self))[[rows]]
    fields = {**vars(self), 'task': None}
    some = jax.tree.map(lambda x: x[rows], fields)
    return Samples(**{**some, 'task': self.task})

  def sheet(
    self, captions: Sequence[str] | None = None, maximum: float | None = None
  ) -> Image.Image:
    """A picture of the first 48: each image, with labels and uncertainty.

    Args:
      captions: a line under each; None: the scores.
      maximum: where the scale of uncertainty ends; None: at a round number.

    Raises:
      ValueError: there are none.
    """
    some, task = self[:_SHOWN], self.task
    if task is None or some.uncertainty is None or some.score is None:
      return sheets.contact_sheet(some.image, captions=captions)
    top = maximum or sheets.uncertainty_maximum(some.uncertainty)
    strips, labels = [], []
    for row, image in enumerate(some.image):
      labels.append({name: x[row] for name, x in some.labels.items()})
      heat = sheets.uncertainty_image(some.uncertainty[row], top)
      strips.append([image, task.draw(image, labels[-1]), heat])
    return sheets.strip_sheet(
      strips,
      ['image', 'labels', 'uncertainty'],
      captions or [f'score {score:.4f}' for score in some.score],
      legend=task.legend(labels),
      maximum=top,
      uncertainty_text=task.uncertainty_text,
    )

  def show(self) -> None:
    """Opens `sheet` in a window, or draws it into the notebook."""
    self.sheet().show()

  def _repr_png_(self) -> bytes:
    return sheets.png(self.sheet())

  def __repr__(self) -> str:
    height, width = self.image.shape[1:3]
    labels = 'unlabelled'
    if self.task:
      labels = f'{self.task.noun} of {self.task.schema.name!r}'
    return f'<{len(self)} samples of {height} x {width} pixels, {labels}>'


@dataclasses.dataclass(frozen=True)
class Origin:
  """What samples are made from: keys, with their indices if they are those of a
  seed; and latents in the space 'z' or 'w', unless they are the z of the keys.
  """

  key: np.ndarray
  index: np.ndarray | None = None
  latents: np.ndarray | None = None
  space: str = 'z'


def origin(
  generator: generators.Generator,
  indices: int | Iterable[int] | None,
  seed: int,
  keys: chex.Array | None,
  z: chex.Array | None,
  ws: chex.Array | None,
) -> Origin:
  """Which samples are meant; see `api.label`.

  Raises:
    errors.UserError: not one way of saying it is used, or an array has another
      shape.
  """
  said = {'indices': indices, 'keys': keys, 'z': z, 'ws': ws}
  given = [name for name, value in said.items() if value is not None]
  if len(given) != 1 and given not in (['keys', 'z'], ['keys', 'ws']):
    expected = "one of 'indices', 'keys', 'z', 'ws'"
    validation.refuse('what is to be drawn', given, expected)
  latents, space = (z, 'z') if ws is None else (ws, 'w')
  if latents is not None:
    latents = _latents(generator.architecture, given[-1], latents)
    indices = len(latents)
  if keys is None:
    whole = range(indices) if isinstance(indices, int) else indices
    index = np.array([int(i) for i in whole or ()], np.int64)
    if not index.size or index.min() < 0 or index.max() >= 2**32:
      validation.refuse('indices', indices, 'whole numbers from 0, below 2^32')
    made = rng.sample_keys(rng.root_key(seed), index)
    data = np.asarray(jax.random.key_data(made))
    return Origin(data, index if latents is None else None, latents, space)
  if jax.dtypes.issubdtype(keys.dtype, jax.dtypes.prng_key):
    keys = jax.random.key_data(keys)
  data = np.asarray(keys)
  count = len(data) if latents is None else len(latents)
  if data.shape != (count, 2) or data.dtype != np.uint32 or not count:
    found = f'{data.dtype} {list(data.shape)}'
    validation.refuse('keys', found, 'random keys [n], or uint32 [n, 2]')
  return Origin(data, None, latents, space)


def _latents(
  architecture: generators.Architecture, name: str, values: chex.Array
) -> np.ndarray:
  """z or ws as float32, of a shape that the generator takes."""
  latents, size = np.asarray(values, np.float32), architecture.latent_size
  shapes: list[tuple[int, ...]] = [(size,)]
  if name == 'ws':
    shapes.append((architecture.num_ws, size))
  if latents.ndim < 2 or latents.shape[1:] not in shapes or not len(latents):
    shown = ' or '.join(f'[n, {", ".join(map(str, x))}]' for x in shapes)
    validation.refuse(f'the shape of {name}', list(latents.shape), shown)
  return latents


def draw(
  generator: generators.Generator,
  given: Origin,
  sampling: generators.Sampling,
) -> Iterator[tuple[np.ndarray, np.ndarray]]:
  """Latents, and images uint8 [height, width, 3], of samples in order.

  One at a time: what a batch computes may depend on its size in the last bit,
  and these images are to be reproduced.
  """
  for row in range(len(given.key)):
    latents = None if given.latents is None else given.latents[row : row + 1]
    key = given.key[row : row + 1]
    drawn = _draw_one(generator, key, latents, sampling, given.space)
    latent, image = (np.asarray(x[0]) for x in drawn)
    yield latent, image


@functools.partial(jax.jit, static_argnames=('sampling', 'space'))
def _draw_one(
  generator: generators.Generator,
  key: chex.Array,
  latents: chex.Array | None,
  sampling: generators.Sampling,
  space: str,
) -> tuple[chex.Array, chex.Array]:
  keys = rng.key_from_data(key)
  if latents is None:
    latents = rng.latents(keys, generator.architecture.latent_size)
  image, _ = generators.sample_latents(
    generator, latents, keys, sampling, space
  )
  return latents, image
