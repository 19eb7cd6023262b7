"""One painted mask: read, checked, cleaned, written."""

import pathlib

import numpy as np
from PIL import Image

from dgan_jax import errors, storage
from dgan_jax import schema as schema_lib
from dgan_jax.visualize import sheets

_HOW_TO_SAVE = (
  'save it as a PNG with one 8-bit channel (grey or indexed colours) whose '
  'values are the class labels'
)


def read_mask(
  path: storage.PathLike,
  schema: schema_lib.Schema,
  size: tuple[int, int] | None = None,
) -> np.ndarray:
  """Reads a mask; never resizes, rounds or guesses.

  Args:
    path: an 8-bit PNG, grey or indexed (the index is the label), or a .npy
      file of integers [height, width] or [height, width, 1].
    schema: what labels there may be.
    size: (height, width) expected, or None for any.

  Returns:
    uint8 [height, width].

  Raises:
    errors.UserError: it is anything else, is of another size or has a label
      outside the schema.
  """
  path = pathlib.Path(path)
  mask = _read_png(path, schema) if path.suffix == '.png' else _read_npy(path)
  check_size(f'Mask {path}', mask.shape, size)
  if unknown := schema_lib.unknown_labels(mask, schema):
    row, column = np.argwhere(mask == unknown[0])[0]
    raise errors.UserError(
      f'Mask {path} has label {unknown[0]} (first at row {row}, column '
      f'{column}); the schema {schema.name!r} has {schema.labels_in_words}: '
      'repaint it or use the schema that it was painted with.'
    )
  return mask.astype(np.uint8)


def encode(mask: np.ndarray, schema: schema_lib.Schema) -> bytes:
  """A mask as the bytes of a PNG file that `read_mask` reads and painting
  programs show in the colours of the schema.

  Args:
    mask: uint8 [height, width].
    schema: of the mask.
  """
  palette = np.full((256, 3), schema_lib.IGNORE_COLOR, np.uint8)
  palette[: schema.num_classes] = schema.palette
  picture = Image.fromarray(mask)
  picture.putpalette(palette.tobytes())
  return sheets.png(picture)


def read_npy(path: storage.PathLike) -> np.ndarray:
  """Reads an array, never a pickle.

  Raises:
    errors.UserError: the file is missing, damaged or not one plain array.
  """
  try:
    array = np.load(path, allow_pickle=False)
  except FileNotFoundError:
    raise errors.UserError(f'{path} does not exist.') from None
  except (ValueError, EOFError, MemoryError) as error:
    reason = str(error).splitlines()[0] if str(error) else 'no data'
    raise errors.UserError(
      f'{path} cannot be read as a .npy array ({reason}); save it again with '
      'numpy.save.'
    ) from None
  if not isinstance(array, np.ndarray):
    array.close()
    raise errors.UserError(
      f'{path} is an archive of arrays; expected one array, saved with '
      'numpy.save.'
    )
  return array


def check_size(
  what: str, shape: tuple[int, ...], size: tuple[int, int] | None
) -> None:
  """Raises errors.UserError where (height, width) is not the expected."""
  if size is not None and tuple(shape) != tuple(size):
    raise errors.UserError(
      f'{what} is {shape[0]} x {shape[1]} (height x width); expected '
      f'{size[0]} x {size[1]}: paint on the image as it is, masks are never '
      'resized.'
    )


def _read_npy(path: pathlib.Path) -> np.ndarray:
  mask = read_npy(path)
  if mask.ndim == 3 and mask.shape[-1] == 1:
    mask = mask[..., 0]
  if mask.ndim != 2 or not mask.size:
    raise errors.UserError(
      f'Mask {path} has the shape {mask.shape}; expected one channel of '
      'labels, [height, width].'
    )
  if mask.dtype.kind not in 'iub':
    raise errors.UserError(
      f'Mask {path} holds {mask.dtype} values; labels are integers: save '
      'mask.astype(numpy.uint8).'
    )
  return mask


def _read_png(path: pathlib.Path, schema: schema_lib.Schema) -> np.ndarray:
  image = open_image(path)
  if image.mode == 'P':
    _check_palette(path, image, schema)
  elif image.mode.startswith(('I', 'F')):
    raise errors.UserError(
      f'Mask {path} has 16 bits or more per pixel ({image.mode}); '
      f'{_HOW_TO_SAVE}.'
    )
  elif image.mode not in ('L', '1'):
    raise errors.UserError(
      f'Mask {path} has {len(image.getbands())} channels ({image.mode}); '
      f'{_HOW_TO_SAVE}.'
    )
  return np.array(image)


def open_image(path: storage.PathLike) -> Image.Image:
  """Opens and decodes an image.

  Raises:
    errors.UserError: it is damaged, far too large, or no image.
  """
  try:
    with Image.open(path) as image:
      image.load()
      return image
  except FileNotFoundError:
    raise errors.UserError(f'{path} does not exist.') from None
  except (
    OSError,
    SyntaxError,
    ValueError,
    Image.DecompressionBombError,
    Image.DecompressionBombWarning,
  ) as error:
    if isinstance(error, PermissionError | IsADirectoryError):
      raise
    reason = str(error).splitlines()[0] if str(error) else 'no data'
    raise errors.UserError(
      f'{path} cannot be read as an image ({reason}); save it again.'
    ) from None


def _check_palette(
  path: pathlib.Path, image: Image.Image, schema: schema_lib.Schema
) -> None:
  """Refuses a PNG whose colours the painting program has put in another order.

  Its indices would be labels of other classes than the painter saw. A palette
  of colours that the schema doesn't have says nothing and passes.
  """
  palette = np.array(image.getpalette('RGB')).reshape(-1, 3).tolist()
  used = [int(x) for x in np.unique(np.array(image)) if x < len(palette)]
  colors = [list(color) for color in schema.palette]
  if any(palette[label] not in colors for label in used):
    return
  for label in used:
    meant = colors.index(palette[label])
    if label not in (meant, schema.ignore_label):
      raise errors.UserError(
        f'Mask {path} paints index {label} in the colour of '
        f'{schema.classes[meant]!r}, which is label {meant} of the schema '
        f'{schema.name!r}: keep the palette in its order, or save in grey.'
      )
