"""Pictures of labelled samples: overlays, heat maps, contact sheets, charts."""

import io
import math
from collections.abc import Sequence

import numpy as np
from PIL import Image, ImageDraw, ImageFont

from dgan_jax import metrics
from dgan_jax import schema as schema_lib

Color = schema_lib.Color

# A tile of a contact sheet is this wide, in pixels, as near as whole factors
# of the image's size come.
_TILE_WIDTHS = (128, 256)
_GAP = 6
_MARGIN = 28
INK: Color = (32, 35, 42)
MUTED: Color = (118, 124, 136)
FAINT: Color = (190, 194, 202)
LINE: Color = (222, 225, 230)
PAPER: Color = (255, 255, 255)
BAR: Color = (91, 110, 160)
DIFFERENT: Color = (196, 60, 20)

# Black, purple, red, cream: lightness grows evenly, so that it reads the same
# in grey and to the colour-blind.
_HEAT = np.array(
  [
    (2, 2, 10),
    (40, 17, 89),
    (101, 26, 128),
    (158, 47, 127),
    (213, 68, 108),
    (246, 112, 92),
    (254, 167, 113),
    (253, 216, 155),
    (252, 253, 200),
  ],
  np.float64,
)


def overlay(
  image: np.ndarray,
  mask: np.ndarray,
  schema: schema_lib.Schema,
  alpha: float = 0.65,
) -> np.ndarray:
  """The image with its labels painted over it.

  Args:
    image: uint8 [height, width, 3].
    mask: uint8 [height, width].
    schema: of the mask; a class 0 called 'background' is left unpainted.
    alpha: 0 shows the image, 1 the labels.

  Returns:
    uint8 [height, width, 3].
  """
  colors = schema_lib.colorize(mask, schema).astype(np.float64)
  blended = np.rint(alpha * colors + (1 - alpha) * image).astype(np.uint8)
  if schema.classes[0] != 'background':
    return blended
  return np.where((mask == 0)[..., None], image, blended)


def difference_image(
  image: np.ndarray, mask: np.ndarray, other: np.ndarray
) -> np.ndarray:
  """The image in pale grey, the pixels that two masks label differently in
  colour.

  Args:
    image: uint8 [height, width, 3].
    mask: uint8 [height, width].
    other: uint8 [height, width].

  Returns:
    uint8 [height, width, 3].
  """
  pale = 160 + 0.35 * image.mean(-1, keepdims=True)
  different = (mask != other)[..., None]
  return np.where(different, DIFFERENT, np.rint(pale)).astype(np.uint8)


def uncertainty_image(uncertainty: np.ndarray, maximum: float) -> np.ndarray:
  """A heat map: 0 is black, `maximum` and above the lightest.

  Args:
    uncertainty: [height, width], >= 0, in nats.
    maximum: > 0.

  Returns:
    uint8 [height, width, 3].
  """
  place = np.clip(np.asarray(uncertainty, np.float64) / maximum, 0, 1)
  stops = np.linspace(0, 1, len(_HEAT))
  channels = [np.interp(place, stops, channel) for channel in _HEAT.T]
  return np.rint(np.stack(channels, -1)).astype(np.uint8)


def uncertainty_maximum(uncertainty: np.ndarray) -> float:
  """A round number that 99.5 % of the values stay below, for a scale."""
  high = float(np.quantile(np.asarray(uncertainty, np.float64), 0.995))
  if high <= 1e-6:
    return 1.0
  unit = 10.0 ** math.floor(math.log10(high))
  return unit * next(step for step in (1, 2, 5, 10) if step * unit >= high)


def extremes(scores: np.ndarray, count: int) -> tuple[np.ndarray, np.ndarray]:
  """Places of the least and of the most uncertain samples.

  Args:
    scores: [n].
    count: how many of each; at most n.

  Returns:
    int [count] with the lowest scores, lowest first; int [count] with the
    highest, highest first. Of equal scores the first comes first.
  """
  scores = np.asarray(scores)
  return (
    np.argsort(scores, kind='stable')[:count],
    np.argsort(-scores, kind='stable')[:count],
  )


def png(image: Image.Image | np.ndarray) -> bytes:
  """The image as the bytes of a PNG file."""
  if isinstance(image, np.ndarray):
    image = Image.fromarray(image)
  buffer = io.BytesIO()
  image.save(buffer, 'PNG', optimize=True)
  return buffer.getvalue()


def contact_sheet(
  images: np.ndarray,
  masks: np.ndarray | None = None,
  uncertainty: np.ndarray | None = None,
  schema: schema_lib.Schema | None = None,
  captions: Sequence[str] | None = None,
  columns: int | None = None,
  *,
  title: str = '',
  maximum: float | None = None,
) -> Image.Image:
  """Samples side by side, each as image, labels and uncertainty.

  Args:
    images: uint8 [n, height, width, 3].
    masks: uint8 [n, height, width], or None.
    uncertainty: [n, height, width] in nats, or None.
    schema: of the masks; needed with them.
    captions: a line under each sample.
    columns: samples in a row; None: what gives a sheet of about 1,200 px.
    title: a line at the top.
    maximum: of the uncertainty scale; None: `uncertainty_maximum`.

  Returns:
    RGB, with a legend of the classes and a scale of the uncertainty.

  Raises:
    ValueError: no samples, or masks without a schema.
  """
  if not len(images):
    raise ValueError('A contact sheet needs at least one sample.')
  if masks is not None and schema is None:
    raise ValueError('Masks on a contact sheet need their schema.')
  strips = [[image] for image in images]
  heads = ['image']
  if masks is not None and schema is not None:
    for strip, mask in zip(strips, masks, strict=True):
      strip.append(overlay(strip[0], mask, schema))
    heads.append('labels')
  if uncertainty is not None:
    maximum = maximum or uncertainty_maximum(uncertainty)
    for strip, values in zip(strips, uncertainty, strict=True):
      strip.append(uncertainty_image(values, maximum))
    heads.append('uncertainty')
  return strip_sheet(
    strips,
    heads,
    captions,
    columns,
    title=title,
    schema=None if masks is None else schema,
    labels=() if masks is None else np.unique(masks),
    maximum=maximum if uncertainty is not None else None,
  )


def strip_sheet(
  strips: Sequence[Sequence[np.ndarray]],
  heads: Sequence[str],
  captions: Sequence[str] | None = None,
  columns: int | None = None,
  *,
  title: str = '',
  schema: schema_lib.Schema | None = None,
  labels: Sequence[int] | np.ndarray = (),
  maximum: float | None = None,
) -> Image.Image:
  """Samples side by side, each as the same kinds of pictures.

  Args:
    strips: the pictures of every sample, uint8 [height, width, 3].
    heads: what the kinds are called.
    captions: a line under each sample.
    columns: samples in a row; None: what gives a sheet of about 1,200 px.
    title: a line at the top.
    schema: of which there is a legend, if given.
    labels: of its classes, those that occur.
    maximum: of the uncertainty, of which there is a scale, if given.
  """
  cells = [_cell(strip) for strip in strips]
  step = cells[0].width + 3 * _GAP
  columns = min(columns or max(1, round(1150 / step)), len(cells))
  footer = []
  if schema is not None:
    footer.append(_legend(schema, np.asarray(labels), columns * step))
  if maximum is not None:
    footer.append(_scale(maximum))
  return _arrange(cells, captions, columns, heads, title, footer)


def _cell(strip: Sequence[np.ndarray]) -> Image.Image:
  """The pictures of one sample in a row, enlarged or reduced alike."""
  smallest, largest = _TILE_WIDTHS
  tiles = []
  for picture in strip:
    tile = Image.fromarray(picture)
    if tile.width < smallest:
      factor = math.ceil(smallest / tile.width)
      size = (tile.width * factor, tile.height * factor)
      tile = tile.resize(size, Image.Resampling.NEAREST)
    elif tile.width > largest:
      tile = tile.reduce(math.ceil(tile.width / largest))
    tiles.append(tile)
  return _beside(tiles, _GAP)


def _beside(pictures: Sequence[Image.Image], gap: int) -> Image.Image:
  width = sum(x.width for x in pictures) + gap * (len(pictures) - 1)
  row = Image.new('RGB', (width, max(x.height for x in pictures)), PAPER)
  left = 0
  for picture in pictures:
    row.paste(picture, (left, 0))
    left += picture.width + gap
  return row


def _arrange(
  cells: Sequence[Image.Image],
  captions: Sequence[str] | None,
  columns: int,
  heads: Sequence[str],
  title: str,
  footer: Sequence[Image.Image],
) -> Image.Image:
  """Title, rows of cells with their captions, then the footer."""
  cell_width, cell_height = cells[0].size
  step_x = cell_width + 3 * _GAP
  step_y = cell_height + (28 if captions else 2 * _GAP)
  rows = math.ceil(len(cells) / columns)
  top = _MARGIN + (44 if title else 0) + (20 if len(heads) > 1 else 0)
  body_bottom = top + rows * step_y
  width = max(
    columns * step_x - 3 * _GAP,
    *(part.width for part in footer),
    math.ceil(_font(22).getlength(title)),
  )
  height = body_bottom + sum(part.height + 16 for part in footer) + _MARGIN
  sheet = Image.new('RGB', (width + 2 * _MARGIN, height), PAPER)
  draw = ImageDraw.Draw(sheet)
  if title:
    draw.text((_MARGIN, _MARGIN - 4), title, INK, _font(22))
  tile_step = (cell_width + _GAP) / len(heads)
  for column in range(columns):
    for place, head in enumerate(heads if len(heads) > 1 else ()):
      x = _MARGIN + column * step_x + round(place * tile_step)
      draw.text((x, top - 18), head, MUTED, _font(12))
  for place, cell in enumerate(cells):
    x = _MARGIN + place % columns * step_x
    y = top + place // columns * step_y
    sheet.paste(cell, (x, y))
    if captions:
      draw.text((x, y + cell_height + 4), captions[place], INK, _font(12))
  y = body_bottom + 16
  for part in footer:
    sheet.paste(part, (_MARGIN, y))
    y += part.height + 16
  return sheet


def _legend(
  schema: schema_lib.Schema, present: np.ndarray, width: int
) -> Image.Image:
  """A patch and a name per class, as near to `width` as they come; classes
  that don't occur are pale."""
  font = _font(13)
  names: list[tuple[str, Color, bool]] = [
    (name, color, label in present)
    for label, (name, color) in enumerate(
      zip(schema.classes, schema.palette, strict=True)
    )
  ]
  if schema.ignore_label in present:
    names.append(('ignored', schema_lib.IGNORE_COLOR, True))
  step = math.ceil(max(font.getlength(name) for name, *_ in names)) + 44
  columns = max(1, min(len(names), width // step))
  rows = math.ceil(len(names) / columns)
  columns = math.ceil(len(names) / rows)
  legend = Image.new('RGB', (columns * step, rows * 22), PAPER)
  draw = ImageDraw.Draw(legend)
  for place, (name, color, occurs) in enumerate(names):
    x, y = place // rows * step, place % rows * 22
    box = (x, y + 3, x + 15, y + 18)
    draw.rectangle(box, color, FAINT)
    draw.text((x + 23, y + 3), name, INK if occurs else FAINT, font)
  return legend


def _scale(maximum: float, width: int = 240) -> Image.Image:
  """The heat map's colours with numbers under them."""
  text = 'uncertainty, Jensen-Shannon divergence in nats'
  font = _font(12)
  label_left = width + 24
  total = label_left + math.ceil(font.getlength(text)) + 4
  scale = Image.new('RGB', (total, 36), PAPER)
  ramp = np.broadcast_to(np.linspace(0, maximum, width), (14, width))
  scale.paste(Image.fromarray(uncertainty_image(ramp, maximum)), (0, 0))
  draw = ImageDraw.Draw(scale)
  for place, anchor in ((0, 'la'), (0.5, 'ma'), (1, 'ra')):
    number = f'{place * maximum:.3g}' + '+' * (place == 1)
    draw.text((place * width, 19), number, MUTED, font, anchor=anchor)
  draw.text((label_left, -1), text, INK, font)
  return scale


def frequency_chart(
  counts: metrics.ClassCounts, schema: schema_lib.Schema, *, title: str = ''
) -> Image.Image:
  """Bars of every class's share of all pixels, on a logarithmic axis.

  Args:
    counts: of the masks.
    schema: of the masks.
    title: a line at the top.
  """
  font, small = _font(13), _font(12)
  left = (
    _MARGIN
    + 30
    + max(math.ceil(font.getlength(name)) for name in schema.classes)
  )
  plot, step = 480, 24
  top = _MARGIN + (44 if title else 0) + 22
  bottom = top + step * schema.num_classes
  chart = Image.new('RGB', (left + plot + 250, bottom + _MARGIN), PAPER)
  draw = ImageDraw.Draw(chart)
  if title:
    draw.text((_MARGIN, _MARGIN - 4), title, INK, _font(22))
  decades = range(-4, 1)

  def x_of(share: float) -> float:
    place = 1 - math.log10(max(share, 1e-9)) / decades[0]
    return left + plot * min(max(place, 0.0), 1.0)

  for decade in decades:
    x = x_of(10.0**decade)
    draw.line((x, top, x, bottom), LINE)
    draw.text(
      (x, top - 6), f'{100 * 10.0**decade:g} %', MUTED, small, anchor='ms'
    )
  right = left + plot + 40
  draw.text((right, top - 6), 'of pixels', MUTED, small, anchor='ls')
  draw.text((right + 90, top - 6), 'of images', MUTED, small, anchor='ls')
  for label, name in enumerate(schema.classes):
    y = top + step * label + step // 2
    share = float(counts.pixel_shares[label])
    ink = INK if share else FAINT
    box = (_MARGIN, y - 7, _MARGIN + 14, y + 7)
    draw.rectangle(box, schema.palette[label], FAINT)
    draw.text((_MARGIN + 22, y), name, ink, font, anchor='lm')
    if share:
      draw.rectangle((left, y - 6, max(x_of(share), left + 1), y + 6), BAR)
    for place, part in enumerate((share, counts.image_shares[label])):
      at = (right + 90 * place, y)
      draw.text(at, percent(part), ink, small, anchor='lm')
  return chart


def class_table(counts: metrics.ClassCounts, schema: schema_lib.Schema) -> str:
  """The same as lines of text, for a terminal."""
  width = max(len(name) for name in (*schema.classes, 'class'))
  lines = [f'{"class":{width}}  {"of pixels":>10}  {"of images":>10}']
  for label, name in enumerate(schema.classes):
    pixels = percent(counts.pixel_shares[label])
    images = percent(counts.image_shares[label])
    lines.append(f'{name:{width}}  {pixels:>10}  {images:>10}')
  return '\n'.join(lines)


def percent(share: float) -> str:
  """A share in words, '-' for none."""
  percent = 100 * float(share)
  if percent == 0:
    return '-'
  return f'{percent:.1f} %' if percent >= 0.95 else f'{percent:.2g} %'


def _font(size: int) -> ImageFont.FreeTypeFont | ImageFont.ImageFont:
  return ImageFont.load_default(size)
