"""Pictures of labelled samples: overlays, heat maps, contact sheets, charts."""

import io
import math
from collections.abc import Sequence

import numpy as np
from PIL import Image, ImageColor, ImageDraw, ImageFont

from dgan_jax import schema as schema_lib

Color = schema_lib.Color

# A name, its colour, and whether it occurs.
LegendEntry = tuple[str, Color, bool]

# A tile of a contact sheet is this wide, in pixels, as near as whole factors
# of the image's size come.
_TILE_WIDTHS = (128, 256)
_GAP = 6
MARGIN = 28
INK: Color = (32, 35, 42)
MUTED: Color = (118, 124, 136)
FAINT: Color = (190, 194, 202)
LINE: Color = (222, 225, 230)
PAPER: Color = (255, 255, 255)
DIFFERENT: Color = (196, 60, 20)

# Black, purple, red, cream: lightness grows evenly, so that it reads the same
# in grey and to the colour-blind.
_HEAT = [
  *('#02020a', '#281159', '#651a80', '#9e2f7f', '#d5446c', '#f6705c'),
  *('#fea771', '#fdd89b', '#fcfdc8'),
]


def overlay(
  image: np.ndarray,
  mask: np.ndarray,
  schema: schema_lib.Schema,
  alpha: float = 0.65,
) -> np.ndarray:
  """The image uint8 [height, width, 3] with the labels of a mask uint8 [height,
  width] painted over it, of which `alpha` 0 shows none and 1 nothing else; a
  class 0 called 'background' is left unpainted."""
  colors = schema_lib.colorize(mask, schema).astype(np.float64)
  blended = np.rint(alpha * colors + (1 - alpha) * image).astype(np.uint8)
  if schema.classes[0] != 'background':
    return blended
  return np.where((mask == 0)[..., None], image, blended)


def keypoint_overlay(
  image: np.ndarray,
  keypoints: np.ndarray,
  colors: Sequence[Color],
  filled: Sequence[bool] | np.ndarray | None = None,
  width: int = _TILE_WIDTHS[0],
) -> np.ndarray:
  """The image uint8 [height, width, 3] with a dot on every keypoint [n, 2], x
  and y in pixels from the top left corner; those not `filled`, bool [n], are
  rings. Enlarged by a whole factor, to `width` at least: as large as on a
  contact sheet."""
  picture = _enlarged(image, width)
  factor = picture.width // image.shape[1]
  draw = ImageDraw.Draw(picture)
  radius = max(3, picture.width / 60)
  for place, (x, y) in enumerate(np.asarray(keypoints, float) * factor):
    color = colors[place]
    inner = color if filled is None or filled[place] else None
    draw.circle((x, y), radius + 1, outline=PAPER if inner else None)
    draw.circle((x, y), radius, fill=inner, outline=color)
  return np.asarray(picture)


def difference_image(
  image: np.ndarray, mask: np.ndarray, other: np.ndarray
) -> np.ndarray:
  """The image, uint8 [height, width, 3], in pale grey, and in colour the pixels
  that two masks, uint8 [height, width], label differently."""
  pale = 160 + 0.35 * image.mean(-1, keepdims=True)
  different = (mask != other)[..., None]
  return np.where(different, DIFFERENT, np.rint(pale)).astype(np.uint8)


def uncertainty_image(uncertainty: np.ndarray, maximum: float) -> np.ndarray:
  """A heat map, uint8 [height, width, 3], of values [height, width]: 0 is
  black, `maximum` (> 0) and above the lightest."""
  place = np.clip(np.asarray(uncertainty, np.float64) / maximum, 0, 1)
  stops = np.linspace(0, 1, len(_HEAT))
  colors = zip(*map(ImageColor.getrgb, _HEAT), strict=True)
  channels = [np.interp(place, stops, channel) for channel in colors]
  return np.rint(np.stack(channels, -1)).astype(np.uint8)


def uncertainty_maximum(uncertainty: np.ndarray) -> float:
  """A round number that 99.5 % of the values stay below, for a scale."""
  high = float(np.quantile(np.asarray(uncertainty, np.float64), 0.995))
  if high <= 1e-6:
    return 1.0
  unit = 10.0 ** math.floor(math.log10(high))
  return unit * next(step for step in (1, 2, 5, 10) if step * unit >= high)


def extremes(scores: np.ndarray, count: int) -> tuple[np.ndarray, np.ndarray]:
  """Places of the `count` lowest of scores [n], lowest first, and of the
  highest, highest first; of equal scores the first comes first."""
  lowest = np.argsort(scores, kind='stable')
  highest = np.argsort(-np.asarray(scores), kind='stable')
  return lowest[:count], highest[:count]


def png(image: Image.Image | np.ndarray) -> bytes:
  """The image as the bytes of a PNG file."""
  picture = Image.fromarray(image) if isinstance(image, np.ndarray) else image
  buffer = io.BytesIO()
  picture.save(buffer, 'PNG', optimize=True)
  return buffer.getvalue()


def contact_sheet(
  images: np.ndarray,
  masks: np.ndarray | None = None,
  schema: schema_lib.Schema | None = None,
  captions: Sequence[str] | None = None,
  columns: int | None = None,
  *,
  title: str = '',
) -> Image.Image:
  """Samples side by side, each as image uint8 [height, width, 3] and labels
  uint8 [height, width], if there are `masks`; see `strip_sheet`.

  Raises:
    ValueError: no samples, or masks without a schema.
  """
  if not len(images):
    raise ValueError('A contact sheet needs at least one sample.')
  if masks is not None and schema is None:
    raise ValueError('Masks on a contact sheet need their schema.')
  strips = [[image] for image in images]
  heads, legend = ['image'], []
  if masks is not None and schema is not None:
    for strip, mask in zip(strips, masks, strict=True):
      strip.append(overlay(strip[0], mask, schema))
    heads.append('labels')
    legend = class_legend(schema, np.unique(masks))
  return strip_sheet(
    strips, heads, captions, columns, title=title, legend=legend
  )


def strip_sheet(
  strips: Sequence[Sequence[np.ndarray]],
  heads: Sequence[str],
  captions: Sequence[str] | None = None,
  columns: int | None = None,
  *,
  title: str = '',
  legend: Sequence[LegendEntry] = (),
  maximum: float | None = None,
  uncertainty_text: str = 'Jensen-Shannon divergence in nats',
) -> Image.Image:
  """Samples side by side, each as the same kinds of pictures, RGB.

  Args:
    strips: the pictures of every sample, uint8 [height, width, 3].
    heads: what the kinds are called.
    captions: a line under each sample.
    columns: samples in a row; None: what gives a sheet of about 1,200 px.
    title: a line at the top.
    legend: what colours mean, if they do.
    maximum: of the uncertainty, of which there is a scale, if given.
    uncertainty_text: what is written beside the scale.
  """
  cells = [_cell(strip) for strip in strips]
  cell_width, cell_height = cells[0].size
  step_x = cell_width + 3 * _GAP
  step_y = cell_height + (28 if captions else 2 * _GAP)
  columns = min(columns or max(1, round(1150 / step_x)), len(cells))
  footer = []
  if legend:
    footer.append(_legend(legend, columns * step_x))
  if maximum is not None:
    footer.append(_scale(maximum, f'uncertainty, {uncertainty_text}'))
  top = MARGIN + (44 if title else 0) + (20 if len(heads) > 1 else 0)
  body_bottom = top + math.ceil(len(cells) / columns) * step_y
  width = max(
    columns * step_x - 3 * _GAP,
    *(part.width for part in footer),
    math.ceil(font(22).getlength(title)),
  )
  height = body_bottom + sum(part.height + 16 for part in footer) + MARGIN
  sheet = Image.new('RGB', (width + 2 * MARGIN, height), PAPER)
  draw = ImageDraw.Draw(sheet)
  draw.text((MARGIN, MARGIN - 4), title, INK, font(22))
  tile_step = (cell_width + _GAP) / len(heads)
  for column in range(columns):
    for place, head in enumerate(heads if len(heads) > 1 else ()):
      x = MARGIN + column * step_x + round(place * tile_step)
      draw.text((x, top - 18), head, MUTED, font(12))
  for place, cell in enumerate(cells):
    x = MARGIN + place % columns * step_x
    y = top + place // columns * step_y
    sheet.paste(cell, (x, y))
    if captions:
      draw.text((x, y + cell_height + 4), captions[place], INK, font(12))
  y = body_bottom + 16
  for part in footer:
    sheet.paste(part, (MARGIN, y))
    y += part.height + 16
  return sheet


def _cell(strip: Sequence[np.ndarray]) -> Image.Image:
  """The pictures of one sample in a row, enlarged or reduced alike."""
  tiles = [
    tile.reduce(math.ceil(tile.width / _TILE_WIDTHS[1]))
    for tile in map(_enlarged, strip)
  ]
  width = sum(tile.width + _GAP for tile in tiles) - _GAP
  row = Image.new('RGB', (width, max(tile.height for tile in tiles)), PAPER)
  left = 0
  for tile in tiles:
    row.paste(tile, (left, 0))
    left += tile.width + _GAP
  return row


def _enlarged(picture: np.ndarray, width: int = _TILE_WIDTHS[0]) -> Image.Image:
  """By a whole factor, to this width at least."""
  factor = math.ceil(width / picture.shape[1])
  return Image.fromarray(picture.repeat(factor, 0).repeat(factor, 1))


def class_legend(
  schema: schema_lib.Schema, present: Sequence[int] | np.ndarray
) -> list[LegendEntry]:
  """The classes, and ignored pixels if `present` has their label too."""
  pairs = zip(schema.classes, schema.palette, strict=True)
  names = [(*pair, label in present) for label, pair in enumerate(pairs)]
  if schema.ignore_label in present:
    names.append(('ignored', schema_lib.IGNORE_COLOR, True))
  return names


def _legend(names: Sequence[LegendEntry], width: int) -> Image.Image:
  """A patch and a name per entry, as near to `width` as they come; those that
  don't occur are pale."""
  small = font(13)
  step = math.ceil(max(small.getlength(name) for name, *_ in names)) + 44
  columns = max(1, min(len(names), width // step))
  rows = math.ceil(len(names) / columns)
  columns = math.ceil(len(names) / rows)
  legend = Image.new('RGB', (columns * step, rows * 22), PAPER)
  draw = ImageDraw.Draw(legend)
  for place, (name, color, occurs) in enumerate(names):
    x, y = place // rows * step, place % rows * 22
    box = (x, y + 3, x + 15, y + 18)
    draw.rectangle(box, color, FAINT)
    draw.text((x + 23, y + 3), name, INK if occurs else FAINT, small)
  return legend


def _scale(maximum: float, text: str, width: int = 240) -> Image.Image:
  """The heat map's colours with numbers under them."""
  small = font(12)
  label_left = width + 24
  total = label_left + math.ceil(small.getlength(text)) + 4
  scale = Image.new('RGB', (total, 36), PAPER)
  ramp = np.broadcast_to(np.linspace(0, maximum, width), (14, width))
  scale.paste(Image.fromarray(uncertainty_image(ramp, maximum)), (0, 0))
  draw = ImageDraw.Draw(scale)
  for place, anchor in ((0, 'la'), (0.5, 'ma'), (1, 'ra')):
    number = f'{place * maximum:.3g}' + '+' * (place == 1)
    draw.text((place * width, 19), number, MUTED, small, anchor=anchor)
  draw.text((label_left, -1), text, INK, small)
  return scale


def font(size: int) -> ImageFont.FreeTypeFont | ImageFont.ImageFont:
  """Of all texts, in pixels."""
  return ImageFont.load_default(size)
