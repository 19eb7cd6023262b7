"""What a generator knows about every pixel.

A `FeaturePyramid` keeps the feature maps of one forward pass at their native
resolutions. The feature vector of a pixel is what DatasetGAN (section 3.1)
gets by upsampling all of them bilinearly to image size and stacking them; the
stack of a 512 px image takes 5 GB and is never needed: labelling and training
read the pyramid. `hypercolumns` builds it all the same, as the reference that
the fast paths are tested against.
"""

import dataclasses
import math

import chex
import flax.struct
import jax
import jax.numpy as jnp
import numpy as np

# The reference labels at 512 px at most: larger maps are averaged 2x2.
MAX_LABEL_SIZE = 512


@dataclasses.dataclass(frozen=True)
class Axis:
  """Where the pixels of a level lie along one axis of the labels.

  Positions on the labels are counted in their pixels, from the edge of the
  first, before any crop.
  """

  scale: float = 1.0  # length of a level's pixel
  offset: float = 0.0  # where its first pixel begins

  def __post_init__(self) -> None:
    if not (0 < self.scale < math.inf and math.isfinite(self.offset)):
      raise ValueError(
        f'A scale of {self.scale} and an offset of {self.offset}; expected '
        'finite numbers, and a scale above 0.'
      )

  def position(self, pixels: chex.Array) -> chex.Array:
    """Where the centres of label pixels lie, in pixels of the level, whose
    pixel i has its centre at i."""
    return (pixels + 0.5 - self.offset) / self.scale - 0.5


@dataclasses.dataclass(frozen=True)
class Geometry:
  """Where the pixels of a level lie on the labels: on them, unless said."""

  rows: Axis = Axis()
  columns: Axis = Axis()


@flax.struct.dataclass
class FeaturePyramid:
  """Feature maps at native resolution."""

  # [batch, h, w, channels] of any sizes, in the order of the feature vector.
  levels: tuple[chex.Array, ...]
  # Where each lies on the labels; None: all cover all of it, as the levels of a
  # generator do.
  geometry: tuple[Geometry, ...] | None = flax.struct.field(
    pytree_node=False, default=None
  )

  @property
  def channels(self) -> tuple[int, ...]:
    """Channels of every level; their sum is the feature vector's length."""
    return tuple(level.shape[-1] for level in self.levels)

  def places(self, canvas: 'Canvas') -> tuple[Geometry, ...]:
    """Where each level lies on the canvas before its crop.

    Raises:
      ValueError: it is not said of each.
    """
    if self.geometry is None:
      return tuple(
        Geometry(Axis(canvas.size[0] / height), Axis(canvas.size[1] / width))
        for height, width in (level.shape[-3:-1] for level in self.levels)
      )
    if len(self.geometry) != len(self.levels):
      raise ValueError(
        f'{len(self.geometry)} geometries for {len(self.levels)} levels; '
        'expected one for each.'
      )
    return self.geometry


@dataclasses.dataclass(frozen=True)
class Canvas:
  """Where labels live: an image, reduced and cropped."""

  size: tuple[int, int]  # (height, width) before the crop
  rows: tuple[int, int]  # (first, end) of those kept

  @classmethod
  def of(cls, resolution: int, rows: tuple[int, int] | None = None) -> 'Canvas':
    """The release's canvas of a square image: min(resolution, 512), all rows
    unless told.

    Raises:
      ValueError: the image has neither that size nor twice that, or no such
        rows.
    """
    size = min(resolution, MAX_LABEL_SIZE)
    if resolution not in (size, 2 * size):
      raise ValueError(
        f'A canvas of {size} px cannot hold a {resolution} px image; expected '
        'the same size or half of it.'
      )
    return cls((size, size), rows or (0, size))

  def __post_init__(self) -> None:
    if not 0 <= self.rows[0] < self.rows[1] <= self.size[0]:
      raise ValueError(
        f'Crop rows {self.rows} do not lie within 0 to {self.size[0]}.'
      )

  @property
  def height(self) -> int:
    return self.rows[1] - self.rows[0]

  @property
  def width(self) -> int:
    return self.size[1]

  def image(self, rgb: chex.Array) -> chex.Array:
    """Reduces and crops [batch, h, w, c] to [batch, height, width, c]."""
    return resize(rgb, self.size)[:, slice(*self.rows)]


def to_uint8(rgb: chex.Array) -> chex.Array:
  """Image in [-1, 1] to uint8: clip(floor(x * 127.5 + 128), 0, 255)."""
  scaled = jnp.floor(rgb.astype(jnp.float32) * 127.5 + 128)
  return jnp.clip(scaled, 0, 255).astype(jnp.uint8)


def resize(maps: chex.Array, size: tuple[int, int]) -> chex.Array:
  """Bilinear, half-pixel centres, [batch, h, w, c] to [batch, *size, c].

  Also the exact 2x2 mean when `size` is (h / 2, w / 2).
  """
  chex.assert_rank(maps, 4)
  shape = (maps.shape[0], *size, maps.shape[-1])
  return jax.image.resize(maps, shape, 'bilinear', antialias=False)


def hypercolumns(pyramid: FeaturePyramid, canvas: Canvas) -> chex.Array:
  """The stacked feature vectors [batch, height, width, features].

  The slow reference, by matrices of interpolation weights: 4 bytes x height x
  width x features per image.
  """
  places = zip(pyramid.levels, pyramid.places(canvas), strict=True)
  return jnp.concatenate(
    [
      jnp.einsum(
        'yh,bhwc,xw->byxc',
        _weights(level.shape[1], place.rows, np.arange(*canvas.rows)),
        level,
        _weights(level.shape[2], place.columns, np.arange(canvas.width)),
        precision='highest',
      )
      for level, place in places
    ],
    axis=-1,
  )


def _weights(size: int, axis: Axis, pixels: np.ndarray) -> np.ndarray:
  """Of linear interpolation, float32 [pixels, size]."""
  exact = np.clip(axis.position(pixels), 0, size - 1)
  distance = np.abs(exact[:, None] - np.arange(size))
  return np.maximum(1 - distance, 0).astype(np.float32)


def taps(
  size: int, positions: chex.Array
) -> tuple[chex.Array, chex.Array, chex.Array]:
  """Where linear interpolation reads an axis of some size: (low, high,
  weight), each [...].

  The value at a position [...], counted in pixels of the axis, is
  (1 - weight) * x[low] + weight * x[high]; beyond its ends it goes on as it
  ends.
  """
  exact = jnp.clip(positions, 0, size - 1)
  low = jnp.floor(exact).astype(jnp.int32)
  high = jnp.minimum(low + 1, size - 1)
  return low, high, exact - low


def pixels(
  pyramid: FeaturePyramid,
  canvas: Canvas,
  image: chex.Array,
  row: chex.Array,
  column: chex.Array,
) -> chex.Array:
  """Feature vectors [n, features] of single pixels, float32.

  Four taps per level instead of upsampled maps.

  Args:
    pyramid: levels [batch, h, w, channels].
    canvas: the frame that rows and columns count in.
    image: which image of the batch, ints [n].
    row: ints [n] in [0, canvas.height).
    column: ints [n] in [0, canvas.width).
  """
  chex.assert_equal_shape([image, row, column])
  row = row + canvas.rows[0]

  def level_pixels(level: chex.Array, place: Geometry) -> chex.Array:
    top, bottom, down = taps(level.shape[1], place.rows.position(row))
    left, right, across = taps(level.shape[2], place.columns.position(column))
    across, down = across[:, None], down[:, None]

    def line(index: chex.Array) -> chex.Array:
      west = level[image, index, left].astype(jnp.float32)
      east = level[image, index, right].astype(jnp.float32)
      return west + across * (east - west)

    above, below = line(top), line(bottom)
    return above + down * (below - above)

  places = zip(pyramid.levels, pyramid.places(canvas), strict=True)
  return jnp.concatenate([level_pixels(*each) for each in places], axis=-1)


def resolutions_up_to(resolution: int) -> tuple[int, ...]:
  """4, 8, ... resolution."""
  return tuple(2**k for k in range(2, int(np.log2(resolution)) + 1))
