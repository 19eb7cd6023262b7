"""The resolutions of a StyleGAN: 4, 8, 16, ... up to its image."""

from typing import Annotated

from dgan_jax import pyramid, validation

# Of a layer, and layers between z and w.
Width = Annotated[int, validation.between(1, 2**16)]
Depth = Annotated[int, validation.between(1, 100)]
MIN_RESOLUTION, MAX_RESOLUTION = 8, 1024


def check(resolution: int, channels: tuple[int, ...]) -> None:
  """Checks an image size, and that every resolution has its channels.

  Raises:
    ValueError: it is no power of two from 8 to 1024, or they are too few or
      too many.
  """
  stages = max(resolution, 1).bit_length() - 2
  if resolution != 2 ** (stages + 1) or not (
    MIN_RESOLUTION <= resolution <= MAX_RESOLUTION
  ):
    validation.refuse(
      'resolution',
      resolution,
      f'a power of two from {MIN_RESOLUTION} to {MAX_RESOLUTION}',
    )
  if len(channels) != stages:
    validation.refuse(
      'channels', channels, f'{stages}, one per resolution up to {resolution}'
    )


class TwoLayered:
  """What follows from two layers at every resolution, in any StyleGAN.

  Attributes:
    resolution: height and width of the image.
    channels: of every resolution from 4x4 up.
  """

  resolution: int
  channels: tuple[int, ...]

  @property
  def resolutions(self) -> tuple[int, ...]:
    return pyramid.resolutions_up_to(self.resolution)

  @property
  def num_ws(self) -> int:
    """Rows of ws."""
    return 2 * len(self.channels)

  @property
  def feature_channels(self) -> tuple[int, ...]:
    """Channels of every level of the pyramid."""
    return tuple(c for c in self.channels for _ in range(2))
