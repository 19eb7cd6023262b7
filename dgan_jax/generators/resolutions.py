"""The resolutions of a StyleGAN: 4, 8, 16, ... up to its image."""

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
    raise ValueError(
      f'Resolution {resolution} is not a power of two from '
      f'{MIN_RESOLUTION} to {MAX_RESOLUTION}.'
    )
  if len(channels) != stages:
    raise ValueError(
      f'{len(channels)} channel counts {channels} for {resolution} px; '
      f'expected {stages}, one per resolution.'
    )
