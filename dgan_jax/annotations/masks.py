"""Painted masks: read as the painter saw them or refused, checked, written.

A mask is an 8-bit PNG whose values are the labels (grey, or indexed colours),
an RGB PNG in exactly the colours of the schema, or a .npy file of whole
numbers. Nothing is resized, rounded or guessed. What one file cannot show, the
folder does: an index has one colour in all masks, and two classes at least are
there.
"""

import pathlib
import warnings
from collections.abc import Iterator, Mapping, Sequence

import numpy as np
from PIL import Image

from dgan_jax import errors, storage
from dgan_jax import schema as schema_lib
from dgan_jax.annotations import files
from dgan_jax.checkpoints.formats import npy
from dgan_jax.visualize import sheets

# Told by the names of files, however they are written.
ENDINGS = ('.png', '.npy')

_HOW_TO_SAVE = (
  'save it as a PNG with one 8-bit channel (grey or indexed colours) whose '
  'values are the class labels, or in exactly the colours of the schema'
)
# Where a PNG says how many bits a channel has, and of what kind they are.
_BIT_DEPTH, _COLOR_TYPE = 24, 25
_GREY = 0
_ORIENTATION = 0x0112  # of EXIF; 1: as it is stored
# A program that reduces colours changes those it keeps by so many of 255
# levels. The palettes people know (VOC, Cityscapes, matplotlib, ...) have no
# colour as near to one of a built-in schema, but for greys.
_NEAR = 4

# A mask as it lies in its file: labels, integers [height, width], and in which
# colours the file shows those it uses, {} if it doesn't say.
_Painted = tuple[np.ndarray, Mapping[int, schema_lib.Color]]


def read_masks(
  paths: Sequence[storage.PathLike],
  schema: schema_lib.Schema,
  size: tuple[int, int] | None = None,
) -> np.ndarray:
  """Reads the masks of a folder.

  Args:
    paths: of .png and .npy files, at least one.
    schema: what labels and colours there may be.
    size: (height, width) expected; None: that of the first.

  Returns:
    uint8 [n, height, width].

  Raises:
    errors.UserError: a file is anything else, has another size, a label or a
      colour outside the schema, or shows other colours than the schema or
      another mask; or all masks together show a single class.
  """
  seen: dict[int, tuple[schema_lib.Color, pathlib.Path]] = {}
  masks: list[np.ndarray] = []
  for path in map(storage.path, paths):
    labels, colors = _read(path, schema, size)
    _check_labels(path, labels, schema)
    for label, color in colors.items():
      before, first = seen.setdefault(label, (color, path))
      if before != color:
        raise errors.UserError(
          f'Index {label}, {_name(label, schema)}, is {list(before)} in mask '
          f'{first} and {list(color)} in {path}: a program has chosen new '
          'palettes; keep one for all masks, in the order of the classes, or '
          'save in grey.'
        )
    size = labels.shape
    masks.append(labels.astype(np.uint8))
  _check_palette(seen, schema)
  _check_classes(storage.path(paths[0]).parent, masks, schema)
  return np.stack(masks)


def encode(mask: np.ndarray, schema: schema_lib.Schema) -> bytes:
  """A mask uint8 [height, width] as the bytes of a PNG file that `read_masks`
  reads and painting programs show in the colours of the schema."""
  palette = np.full((256, 3), schema_lib.IGNORE_COLOR, np.uint8)
  palette[: schema.num_classes] = schema.palette
  picture = Image.fromarray(mask)
  picture.putpalette(palette.tobytes())
  return sheets.png(picture)


def check_size(
  what: str, shape: tuple[int, ...], size: tuple[int, ...] | None
) -> None:
  """Raises errors.UserError where (height, width) is not the expected."""
  if size is not None and tuple(shape) != tuple(size):
    raise errors.UserError(
      f'{what} is {shape[0]} x {shape[1]} (height x width); expected '
      f'{size[0]} x {size[1]}: paint on the image as it is, masks are never '
      'resized.'
    )


def _read(
  path: pathlib.Path, schema: schema_lib.Schema, size: tuple[int, ...] | None
) -> _Painted:
  if path.suffix.lower() == '.npy':
    labels = _read_npy(path)
    check_size(f'Mask {path}', labels.shape, size)
    return labels, {}
  image = files.open_image(path, size)
  if image.format != 'PNG' or getattr(image, 'is_animated', False):
    kind = 'moving PNG' if image.format == 'PNG' else image.format
    raise errors.UserError(
      f'Mask {path} is a {kind} file whatever its name says, and may '
      f'have changed the labels; {_HOW_TO_SAVE}.'
    )
  check_size(f'Mask {path}', image.size[::-1], size)
  if (turned := _orientation(image)) != 1:
    raise errors.UserError(
      f'Mask {path} is shown turned or mirrored (orientation {turned}); save '
      'it without that tag, lying as its image does.'
    )
  return _labels_of(path, image, schema)


def _orientation(image: Image.Image) -> int | str:
  try:
    with warnings.catch_warnings(action='ignore'):
      return image.getexif().get(_ORIENTATION, 1)
  except Exception:  # whatever the parser met
    return 'unreadable'


def _labels_of(
  path: pathlib.Path, image: Image.Image, schema: schema_lib.Schema
) -> _Painted:
  with open(path, 'rb') as file:
    header = file.read(_COLOR_TYPE + 1)
  bits = header[_BIT_DEPTH]
  if bits > 8 or image.mode.startswith(('I', 'F')):
    raise errors.UserError(
      f'Mask {path} has 16 bits or more per channel; {_HOW_TO_SAVE}.'
    )
  if header[_COLOR_TYPE] == _GREY and bits in (2, 4):
    raise errors.UserError(
      f'Mask {path} is a grey PNG of {bits} bits: some programs stretch such '
      f'labels to 0 to 255, others do not; {_HOW_TO_SAVE}.'
    )
  if image.mode == 'P':
    labels = np.array(image)
    flat = image.getpalette('RGB') or []
    palette = list(zip(flat[::3], flat[1::3], flat[2::3], strict=True))
    used = np.unique(labels).tolist()
    return labels, {x: palette[x] for x in used if x < len(palette)}
  if image.mode in ('L', '1'):
    return np.array(image, np.uint8), {}
  if image.mode in ('RGB', 'RGBA'):
    return _from_colors(path, np.array(image), schema), {}
  raise errors.UserError(
    f'Mask {path} has {len(image.getbands())} channels ({image.mode}); '
    f'{_HOW_TO_SAVE}.'
  )


def _from_colors(
  path: pathlib.Path, pixels: np.ndarray, schema: schema_lib.Schema
) -> np.ndarray:
  """Labels of a picture in exactly the colours of the schema."""
  if pixels.shape[-1] == 4 and (pixels[..., 3] != 255).any():
    raise errors.UserError(
      f'Mask {path} has transparent pixels, which have no colour; fill them '
      'in the colour of their class.'
    )
  meanings = list(enumerate(schema.palette))
  if schema.ignore_label is not None:
    meanings.append((schema.ignore_label, schema_lib.IGNORE_COLOR))
  labels = {color: label for label, color in meanings}
  if len(labels) < len(meanings):
    raise errors.UserError(
      f'Mask {path} is painted in colours, and the schema {schema.name!r} has '
      'two labels of one colour (ignored pixels are '
      f'{list(schema_lib.IGNORE_COLOR)}); save indices, or give each its own.'
    )
  weights = np.array([1 << 16, 1 << 8, 1])
  found, inverse = np.unique(pixels[..., :3] @ weights, return_inverse=True)
  inverse = inverse.reshape(pixels.shape[:2])
  colors = [(x >> 16, x >> 8 & 255, x & 255) for x in found.tolist()]
  table = np.array([labels.get(color, -1) for color in colors])
  mask = table[inverse]
  if (table < 0).any():
    where = mask < 0
    row, column = np.argwhere(where)[0]
    color = colors[inverse[row, column]]
    distances = np.abs(np.array(schema.palette) - color).sum(1)
    raise errors.UserError(
      f'Mask {path} has {int(where.sum())} pixels in {int((table < 0).sum())} '
      f'colours that no class of the schema {schema.name!r} has, first at row '
      f'{row}, column {column}: {list(color)} (nearest: '
      f'{schema.classes[int(distances.argmin())]!r}); {_HOW_TO_SAVE}, without '
      'anti-aliasing.'
    )
  return mask


def _read_npy(path: pathlib.Path) -> np.ndarray:
  mask = npy.read_npy(path)
  if mask.ndim == 3 and mask.shape[-1] == 1:
    mask = mask[..., 0]
  if mask.ndim != 2 or not mask.size:
    raise errors.UserError(
      f'Mask {path} has the shape {mask.shape}; expected one channel of '
      'labels, [height, width].'
    )
  if mask.dtype.kind == 'f':
    values = mask.astype(np.float64)
    whole = (values == np.rint(values)) & (np.abs(values) < 2**31)
    mask = mask.astype(np.int64) if whole.all() else mask
  if mask.dtype.kind not in 'iub':
    raise errors.UserError(
      f'Mask {path} holds {mask.dtype} values; labels are whole numbers: save '
      'mask.astype(numpy.uint8).'
    )
  return mask


def _check_labels(
  path: pathlib.Path, labels: np.ndarray, schema: schema_lib.Schema
) -> None:
  if unknown := schema_lib.unknown_labels(labels, schema):
    row, column = np.argwhere(labels == unknown[0])[0]
    raise errors.UserError(
      f'Mask {path} has label {unknown[0]} (first at row {row}, column '
      f'{column}); the schema {schema.name!r} has {schema.labels_in_words}: '
      'repaint it or use the schema that it was painted with.'
    )


def _check_palette(
  seen: Mapping[int, tuple[schema_lib.Color, pathlib.Path]],
  schema: schema_lib.Schema,
) -> None:
  """Refuses indices in the colours of other classes than they stand for.

  A painting program may have put the palette in another order. Palettes with
  none of the schema's colours are of somebody's own, and pass; a grey, which
  every palette has, says something only if most of the colours are known.
  """
  meant = {n: set(_classes_of(color, schema)) for n, (color, _) in seen.items()}
  is_ours = 2 * sum(map(bool, meant.values())) > len(seen)
  for label, right_ones in meant.items():
    color, path = seen[label]
    tells = is_ours or max(color) - min(color) > 2 * _NEAR
    if tells and right_ones and label not in right_ones:
      right = min(right_ones)
      raise errors.UserError(
        f'Mask {path} paints index {label}, {_name(label, schema)}, in '
        f'{list(color)}, the colour of {_name(right, schema)}, which is label '
        f'{right} of the schema {schema.name!r}: keep the palette in its '
        'order, or save in grey.'
      )


def _name(label: int, schema: schema_lib.Schema) -> str:
  ignored = label == schema.ignore_label
  return 'ignored pixels' if ignored else repr(schema.classes[label])


def _classes_of(
  color: schema_lib.Color, schema: schema_lib.Schema
) -> Iterator[int]:
  """The labels that a colour may stand for."""
  distances = np.abs(np.array(schema.palette) - color).max(1)
  yield from np.flatnonzero(distances <= _NEAR).tolist()
  if color == schema_lib.IGNORE_COLOR and schema.ignore_label is not None:
    yield schema.ignore_label


def _check_classes(
  folder: pathlib.Path, masks: Sequence[np.ndarray], schema: schema_lib.Schema
) -> None:
  labels = sorted(set().union(*(np.unique(mask).tolist() for mask in masks)))
  classes = [label for label in labels if label != schema.ignore_label]
  if len(classes) > 1 or schema.num_classes == 1:
    return
  shown = ' and '.join(map(str, labels))
  hint = 'paint at least two classes'
  if classes == [0] and len(labels) == 2:
    hint = (
      f'{labels[1]} means "ignored" there. If it was meant as '
      f'{schema.classes[1]!r}, save 1 in its place, or give the schema '
      'another "ignore_label"'
    )
  raise errors.UserError(
    f'The masks of {folder} have no other labels than {shown}; {hint}.'
  )
