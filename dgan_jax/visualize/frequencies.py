"""How often what a task names occurs: as a chart, and as a table."""

import dataclasses
import math
from collections.abc import Mapping, Sequence

import numpy as np
from PIL import Image, ImageDraw

from dgan_jax.visualize import sheets

BAR: sheets.Color = (91, 110, 160)


@dataclasses.dataclass(frozen=True)
class Frequencies:
  """How often what a task names occurs in a dataset."""

  what: str  # is counted, one of it
  names: tuple[str, ...]
  colors: tuple[sheets.Color, ...]
  # Shares [names] by what they are shares of; the first is drawn.
  columns: Mapping[str, np.ndarray]
  caption: str  # what the chart shows

  def rows(self) -> list[tuple[str, sheets.Color, list[float]]]:
    """Name, colour and shares of each."""
    shares = np.stack(list(self.columns.values()), 1).tolist()
    return list(zip(self.names, self.colors, shares, strict=True))


def chart(frequencies: Frequencies) -> Image.Image:
  """Bars of the first column's shares, on a logarithmic axis."""
  font, small = sheets.font(13), sheets.font(12)
  widest = max(math.ceil(font.getlength(name)) for name in frequencies.names)
  left, plot, step = sheets.MARGIN + 30 + widest, 480, 24
  top = sheets.MARGIN + 22
  bottom = top + step * len(frequencies.names)
  width = left + plot + 70 + 90 * len(frequencies.columns)
  picture = Image.new('RGB', (width, bottom + sheets.MARGIN), sheets.PAPER)
  draw = ImageDraw.Draw(picture)
  decades = range(-4, 1)

  def x_of(share: float) -> float:
    place = 1 - math.log10(max(share, 1e-9)) / decades[0]
    return left + plot * min(max(place, 0.0), 1.0)

  for decade in decades:
    x = x_of(10.0**decade)
    draw.line((x, top, x, bottom), sheets.LINE)
    label = f'{100 * 10.0**decade:g} %'
    draw.text((x, top - 6), label, sheets.MUTED, small, anchor='ms')
  right = left + plot + 40
  for place, head in enumerate(frequencies.columns):
    at = (right + 90 * place, top - 6)
    draw.text(at, head, sheets.MUTED, small, anchor='ls')
  for row, (name, color, shares) in enumerate(frequencies.rows()):
    y = top + step * row + step // 2
    ink = sheets.INK if shares[0] else sheets.FAINT
    patch = (sheets.MARGIN, y - 7, sheets.MARGIN + 14, y + 7)
    draw.rectangle(patch, color, sheets.FAINT)
    draw.text((sheets.MARGIN + 22, y), name, ink, font, anchor='lm')
    if shares[0]:
      draw.rectangle((left, y - 6, max(x_of(shares[0]), left + 1), y + 6), BAR)
    for place, share in enumerate(shares):
      at = (right + 90 * place, y)
      draw.text(at, percent(share), ink, small, anchor='lm')
  return picture


def table(frequencies: Frequencies) -> str:
  """The same as lines of text, for a terminal."""
  rows = [[frequencies.what, *frequencies.columns]]
  for name, _, shares in frequencies.rows():
    rows.append([name, *map(percent, shares)])
  return aligned(rows)


def aligned(rows: Sequence[Sequence[str]]) -> str:
  """Rows as lines of text: names, and cells to the right of their columns."""
  width = max(len(name) for name, *_ in rows)
  return '\n'.join(
    f'{name:{width}}' + ''.join(f'  {cell:>10}' for cell in cells)
    for name, *cells in rows
  )


def percent(share: float) -> str:
  """A share in words, '-' for none."""
  percent = 100 * float(share)
  if percent == 0:
    return '-'
  return f'{percent:.1f} %' if percent >= 0.95 else f'{percent:.2g} %'
