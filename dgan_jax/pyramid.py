"""What a generator knows about every pixel.

A `FeaturePyramid` keeps the feature maps of one forward pass at their native
resolutions. The feature vector of a pixel is what DatasetGAN (section 3.1)
gets by upsampling all of them bilinearly to image size and stacking them; the
stack of a 512 px image takes 5 GB and is never needed: labelling and training
read the pyramid. `hypercolumns` builds it all the same, as the reference that
the fast paths are tested against.
"""

import dataclasses

import chex
import flax.struct
import jax
import jax.numpy as jnp
import numpy as np

# The reference labels at 512 px at most: larger maps are averaged 2x2.
MAX_LABEL_SIZE = 512


@flax.struct.dataclass
class FeaturePyramid:
  """Feature maps at native resolution, coarse to fine.

  Attributes:
    levels: arrays [batch, r, r, channels], in the order of the feature
      vector; the order of resolutions never decreases.
  """

  levels: tuple[chex.Array, ...]

  @property
  def channels(self) -> tuple[int, ...]:
    """Channels of every level; their sum is the feature vector's length."""
    return tuple(level.shape[-1] for level in self.levels)


@dataclasses.dataclass(frozen=True)
class Canvas:
  """Where labels live: the generator's image, reduced and cropped.

  Attributes:
    resolution: height and width of the generator's output.
    size: height and width before the crop; `resolution` or half of it.
    rows: (first, end) of the rows kept.
  """

  resolution: int
  size: int
  rows: tuple[int, int]

  @classmethod
  def of(cls, resolution: int, rows: tuple[int, int] | None = None) -> 'Canvas':
    """The release's canvas: min(resolution, 512), all rows unless told."""
    size = min(resolution, MAX_LABEL_SIZE)
    return cls(resolution, size, rows or (0, size))

  def __post_init__(self) -> None:
    if self.resolution not in (self.size, 2 * self.size):
      raise ValueError(
        f'A canvas of {self.size} px cannot hold a {self.resolution} px '
        'image; expected the same size or half of it.'
      )
    if not 0 <= self.rows[0] < self.rows[1] <= self.size:
      raise ValueError(
        f'Crop rows {self.rows} do not lie within 0 to {self.size}.'
      )

  @property
  def height(self) -> int:
    return self.rows[1] - self.rows[0]

  @property
  def width(self) -> int:
    return self.size

  def image(self, rgb: chex.Array) -> chex.Array:
    """Reduces and crops [batch, resolution, resolution, c] to
    [batch, height, width, c]."""
    return resize(rgb, self.size)[:, self.rows[0] : self.rows[1]]


def to_uint8(rgb: chex.Array) -> chex.Array:
  """Image in [-1, 1] to uint8: clip(floor(x * 127.5 + 128), 0, 255)."""
  scaled = jnp.floor(rgb.astype(jnp.float32) * 127.5 + 128)
  return jnp.clip(scaled, 0, 255).astype(jnp.uint8)


def resize(maps: chex.Array, size: int) -> chex.Array:
  """Bilinear, half-pixel centres, [batch, r, r, c] to [batch, size, size, c].

  Also the exact 2x2 mean when `size` is r / 2.
  """
  chex.assert_rank(maps, 4)
  batch, _, _, channels = maps.shape
  shape = (batch, size, size, channels)
  return jax.image.resize(maps, shape, 'bilinear', antialias=False)


def hypercolumns(pyramid: FeaturePyramid, canvas: Canvas) -> chex.Array:
  """The stacked feature vectors [batch, height, width, features].

  The slow reference: 4 bytes x height x width x features per image.
  """
  return jnp.concatenate(
    [canvas.image(level) for level in pyramid.levels], axis=-1
  )


def taps(
  source: int, positions: chex.Array, target: int
) -> tuple[chex.Array, chex.Array, chex.Array]:
  """Where bilinear interpolation of `source` points to `target` points reads.

  Args:
    source: length of the axis that is read.
    positions: ints [...] in [0, target).
    target: length of the interpolated axis.

  Returns:
    (low, high, weight), each [...]: the value at a position is
    (1 - weight) * x[low] + weight * x[high].
  """
  exact = (positions + 0.5) * (source / target) - 0.5
  exact = jnp.clip(exact, 0, source - 1)
  low = jnp.floor(exact).astype(jnp.int32)
  high = jnp.minimum(low + 1, source - 1)
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
    pyramid: levels [batch, r, r, channels].
    canvas: the frame that rows and columns count in.
    image: which image of the batch, ints [n].
    row: ints [n] in [0, canvas.height).
    column: ints [n] in [0, canvas.width).
  """
  chex.assert_equal_shape([image, row, column])
  row = row + canvas.rows[0]

  def level_pixels(level: chex.Array) -> chex.Array:
    size = level.shape[1]
    top, bottom, down = taps(size, row, canvas.size)
    left, right, across = taps(size, column, canvas.size)
    across, down = across[:, None], down[:, None]

    def line(index: chex.Array) -> chex.Array:
      west = level[image, index, left].astype(jnp.float32)
      east = level[image, index, right].astype(jnp.float32)
      return west + across * (east - west)

    above, below = line(top), line(bottom)
    return above + down * (below - above)

  return jnp.concatenate([level_pixels(x) for x in pyramid.levels], axis=-1)


def resolutions_up_to(resolution: int) -> tuple[int, ...]:
  """4, 8, ... resolution."""
  return tuple(2**k for k in range(2, int(np.log2(resolution)) + 1))
