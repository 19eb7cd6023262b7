"""Named places in an image, by heat-maps (DatasetGAN, section 3.2).

Members regress one Gaussian per keypoint with a squared loss. Places are
(x, y) in pixels of the labels from the top left corner of the image, so that
the centre of the first pixel is (0.5, 0.5).
"""

import dataclasses
from collections.abc import Mapping, Sequence
from typing import Any, ClassVar

import chex
import flax.struct
import jax
import jax.numpy as jnp
import numpy as np

from dgan_jax import errors, metrics
from dgan_jax import schema as schema_lib
from dgan_jax.pyramid import Canvas
from dgan_jax.tasks.task import Arrays
from dgan_jax.visualize import frequencies as frequencies_lib
from dgan_jax.visualize import sheets

# Standard deviation of a heat-map's Gaussian, a share of the image's width.
_SIGMA = 1 / 32
# Pixels so many standard deviations from a keypoint are seen as part of it.
_REACH = 2.5
# A keypoint whose mean heat-map rises to half of its Gaussian is visible.
_VISIBLE = 0.5
# Shares of the object's size: PCK@15, @10 and @5, as in the paper's table 3.
_THRESHOLDS = (0.15, 0.10, 0.05)


@flax.struct.dataclass
class Labels:
  """The keypoints of an image, or of a batch of images."""

  # Float32 [..., keypoints, 2], x and y in pixels; where the mean heat-map is
  # highest, also of those that are not visible.
  keypoints: chex.Array
  confidence: chex.Array  # float32 [..., keypoints], how high it is, 0 to 1
  visible: chex.Array  # bool [..., keypoints]
  # Float32 [..., height, width], standard deviation of the members' heat-maps,
  # of the keypoint that has most, 0 to 1/2.
  uncertainty: chex.Array
  # Float32 [...], mean over the keypoints of their largest standard deviation.
  score: chex.Array


@flax.struct.dataclass
class Statistics:
  """Sums over the members of their heat-maps, [..., keypoints], and of their
  squares; heat-maps are cut off at 0 and 1."""

  heat: chex.Array
  square: chex.Array


@dataclasses.dataclass(frozen=True)
class Keypoints:
  """See `task.Task`.

  Raises:
    errors.UserError: the schema has no keypoints.
  """

  kind: ClassVar[str] = 'keypoints'
  noun: ClassVar[str] = 'keypoints'
  counted: ClassVar[str] = 'visible_keypoints'
  supervised_key: ClassVar[str] = 'keypoints'
  uncertainty_text: ClassVar[str] = 'standard deviation of the heat-maps'
  score_text: ClassVar[str] = (
    'A score is the mean over the keypoints of the largest standard deviation '
    'of their heat-maps.'
  )

  schema: schema_lib.Schema  # its keypoints are the names

  def __post_init__(self) -> None:
    if not self.schema.keypoints:
      raise errors.UserError(
        f'The schema {self.schema.name!r} names no keypoints; list them as '
        '"keypoints" in a schema.json.'
      )

  @property
  def names(self) -> tuple[str, ...]:
    return self.schema.keypoints

  def truth(self, annotations: Any) -> np.ndarray:
    """Float32 [n, keypoints, 3]: x, y, and 1 where it is visible, else 0."""
    return annotations.keypoints

  def annotated(self, truth: np.ndarray) -> dict[str, np.ndarray]:
    """Places [keypoints, 2] and which are visible, bool [keypoints]."""
    return {'keypoints': truth[:, :2], 'visible': truth[:, 2] > 0}

  def regions(self, truth: np.ndarray, canvas: Canvas) -> np.ndarray:
    """A region is what is around a keypoint, or all that is around none."""
    row, column = np.indices((canvas.height, canvas.width))
    reach = (_REACH * _SIGMA * canvas.width) ** 2
    regions = np.full((len(truth), *row.shape), len(self.names), np.int32)
    for region, points in zip(regions, truth, strict=True):
      nearest = np.full(row.shape, reach)
      for number, (x, y, visible) in enumerate(points):
        distance = (column + 0.5 - x) ** 2 + (row + 0.5 - y) ** 2
        nearer = bool(visible) & (distance < nearest)
        region[nearer], nearest = number, np.where(nearer, distance, nearest)
    return regions

  def targets(
    self,
    truth: chex.Array,
    canvas: Canvas,
    pixels: Sequence[chex.Array],
  ) -> chex.Array:
    """Gaussians of height 1, float32 [n, keypoints]; 0 for what is hidden."""
    image, row, column = pixels
    x, y, visible = jnp.moveaxis(truth[image], -1, 0)
    across, down = column[:, None] + 0.5 - x, row[:, None] + 0.5 - y
    variance = (_SIGMA * canvas.width) ** 2
    gaussian = jnp.exp(-(across**2 + down**2) / (2 * variance))
    return visible * gaussian

  def loss(
    self,
    outputs: chex.Array,
    targets: chex.Array,
    weights: chex.Array | None = None,
  ) -> chex.Array:
    """Mean square error over pixels and keypoints, weighted by keypoint."""
    losses = jnp.square(outputs - targets).mean(0)
    if weights is None:
      return losses.mean()
    return (losses * weights).sum() / weights.sum()

  def zeros(self, shape: tuple[int, ...]) -> Statistics:
    """Float32 [*shape, keypoints] each."""
    zeros = jnp.zeros((*shape, len(self.names)))
    return Statistics(zeros, zeros)

  def statistics(self, outputs: chex.Array) -> Statistics:
    """Of one member's heat-maps [..., keypoints], cut off at 0 and 1."""
    heat = jnp.clip(outputs, 0, 1)
    return Statistics(heat, jnp.square(heat))

  def decode(self, sums: Statistics, members: int) -> Labels:
    """Where the mean heat-maps are highest; see `Labels`."""
    heat = sums.heat / members
    variance = jnp.maximum(sums.square / members - jnp.square(heat), 0)
    spread = jnp.sqrt(variance)
    places, confidence = jax.vmap(peak, -1)(heat)
    visible, score = confidence >= _VISIBLE, spread.max((0, 1)).mean()
    return Labels(places, confidence, visible, spread.max(-1), score)

  def uncertainty_maximum(self, members: int) -> float:
    """Of numbers between 0 and 1 no standard deviation is above 1/2."""
    del members
    return 0.5

  def features(self, size: tuple[int, int]) -> dict[str, Any]:
    """Places [keypoints, 2], their confidence and visibility [keypoints]."""
    # Only a dataset needs it, and it takes long to import.
    import tensorflow_datasets as tfds

    del size
    count = len(self.names)
    return {
      'keypoints': tfds.features.Tensor(
        shape=(count, 2),
        dtype=np.float32,
        doc='x and y in pixels from the top left corner; the names are the '
        "info's metadata 'keypoints'.",
      ),
      'keypoints_confidence': tfds.features.Tensor(
        shape=(count,),
        dtype=np.float32,
        doc='Height of the mean heat-map at the keypoint, 0 to 1.',
      ),
      'keypoints_visible': tfds.features.Tensor(
        shape=(count,),
        dtype=np.bool_,
        doc=f'Whether the confidence is {_VISIBLE} or more.',
      ),
    }

  def encode(self, labels: Arrays) -> dict[str, np.ndarray]:
    """By the names of `features`."""
    return {
      'keypoints': labels['keypoints'],
      'keypoints_confidence': labels['confidence'],
      'keypoints_visible': labels['visible'],
    }

  def read(self, example: Mapping[str, Any]) -> dict[str, np.ndarray]:
    """By the names of `Labels`."""
    return {
      'keypoints': np.asarray(example['keypoints']),
      'confidence': np.asarray(example['keypoints_confidence']),
      'visible': np.asarray(example['keypoints_visible']),
    }

  def counts(self, labels: Arrays) -> np.ndarray:
    """1 for every keypoint that is visible."""
    return labels['visible'].astype(np.int64)

  def frequencies(self, counts: np.ndarray) -> frequencies_lib.Frequencies:
    return frequencies_lib.Frequencies(
      'keypoint',
      self.names,
      self._colors(),
      {'of images': counts.sum(0) / max(len(counts), 1)},
      'Share of images in which the keypoint is visible, logarithmic.',
    )

  def draw(self, image: np.ndarray, labels: Arrays) -> np.ndarray:
    """The visible ones, on an image enlarged as contact sheets do."""
    visible = labels['visible']
    colors = np.array(self._colors())[visible].tolist()
    places = labels['keypoints'][visible]
    return sheets.keypoint_overlay(image, places, [(*c,) for c in colors])

  def legend(self, labels: Sequence[Arrays]) -> list[sheets.LegendEntry]:
    visible = np.any([one['visible'] for one in labels], axis=0).tolist()
    return list(zip(self.names, self._colors(), visible, strict=True))

  def scores(self, truth: np.ndarray, labels: Arrays) -> dict[str, float]:
    """`pck@15`, `pck@10` and `pck@5` of the keypoints that the truth has as
    visible; the object's size is that of the box around these."""
    visible = truth[..., 2] > 0
    sizes = metrics.keypoint_sizes(truth[..., :2], visible)
    places = labels['keypoints'], truth[..., :2]
    return {
      f'pck@{100 * share:.0f}': metrics.pck(*places, sizes, share, visible)
      for share in _THRESHOLDS
    }

  def to_json(self) -> dict[str, Any]:
    return {'kind': self.kind, 'schema': self.schema.to_json()}

  def _colors(self) -> tuple[schema_lib.Color, ...]:
    # The first of a palette is white, for backgrounds.
    return schema_lib.generated_palette(len(self.names) + 1)[1:]


def peak(heat: chex.Array) -> tuple[chex.Array, chex.Array]:
  """Where a map [height, width] is highest: (x, y) float32 [2], and how high.

  Between pixels a Gaussian is assumed, as its logarithm is a parabola through
  three neighbours; at the edge of the map the pixel's centre is taken.
  """
  height, width = heat.shape
  row, column = jnp.divmod(heat.argmax(), width)
  logarithm = jnp.log(jnp.maximum(heat, 1e-6))

  def shift(before: chex.Array, after: chex.Array) -> chex.Array:
    bend = before - 2 * logarithm[row, column] + after
    top = (before - after) / jnp.minimum(2 * bend, -1e-6)
    return jnp.clip(jnp.where(bend < 0, top, 0), -0.5, 0.5)

  def at(down: int, across: int) -> chex.Array:
    return logarithm.at[row + down, column + across].get(mode='clip')

  inside_row = (row > 0) & (row < height - 1)
  inside_column = (column > 0) & (column < width - 1)
  x = column + 0.5 + inside_column * shift(at(0, -1), at(0, 1))
  y = row + 0.5 + inside_row * shift(at(-1, 0), at(1, 0))
  return jnp.stack([x, y]).astype(jnp.float32), heat[row, column]
