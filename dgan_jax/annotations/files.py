"""Pictures as people hand them in: read, or refused in a line."""

import warnings

from PIL import Image

from dgan_jax import errors, storage


def open_image(
  path: storage.PathLike, size: tuple[int, ...] | None = None
) -> Image.Image:
  """Opens and decodes an image; of another (height, width) than `size`, if
  that is given, only opens it.

  Raises:
    errors.UserError: it is damaged, far too large, or no image.
  """
  try:
    with warnings.catch_warnings():
      warnings.simplefilter('ignore')  # of what doesn't matter to pixels
      warnings.simplefilter('error', Image.DecompressionBombWarning)
      with Image.open(storage.path(path)) as image:
        if size is None or image.size == (size[1], size[0]):
          image.load()
        return image
  except FileNotFoundError:
    raise errors.UserError(f'{path} does not exist.') from None
  except (PermissionError, IsADirectoryError):
    raise
  except Exception as error:  # damage shows in many kinds
    reason = str(error).splitlines()[0] if str(error) else 'no data'
    raise errors.UserError(
      f'{path} cannot be read as an image ({reason}); save it again.'
    ) from None
