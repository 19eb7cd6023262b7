"""Line charts as PNG files, in the style of the contact sheets."""

import dataclasses
import io
import itertools
from collections.abc import Mapping, Sequence

import numpy as np
from matplotlib import axes, figure, layout_engine, ticker
from matplotlib.backends import backend_agg

from dgan_jax.visualize import sheets

# Pixels; twice the width that a README is shown at, so that text of 10 points
# has about 11 pixels there.
_WIDTH, _HEIGHT, _DPI = 1640, 680, 160

# Told apart by the colour-blind (Okabe and Ito 2008), darkest first.
_COLORS = ('#0072b2', '#d55e00', '#009e73', '#a6588c', '#56b4e9', '#b88000')
_DASHES = ('-', (0, (5, 2)), (0, (1.5, 1.5)))

# A line with at most so many points shows them, and has its ticks there.
_FEW = 8

Values = Sequence[float] | np.ndarray


@dataclasses.dataclass(frozen=True)
class LineChart:
  """Lines over one axis, named at their ends."""

  # x and y of every line, by its name; y that is not finite leaves a gap. A
  # name has one colour in charts that list the same names.
  series: Mapping[str, tuple[Values, Values]]
  x_label: str  # what the axis counts, with units
  y_label: str
  title: str = ''
  # Lowest and highest y of lines that have a spread, by name.
  bands: Mapping[str, tuple[Values, Values]] = dataclasses.field(
    default_factory=dict
  )
  log_x: bool = False
  y_range: tuple[float, float] | None = None  # None: that of the lines

  def __post_init__(self) -> None:
    if not self.series:
      raise ValueError('A chart needs a line.')
    for name, (x, y) in self.series.items():
      if len(x) != len(y) or not np.isfinite(y).any():
        raise ValueError(
          f'The line {name!r} has {len(x)} x and {len(y)} y, '
          f'{np.isfinite(y).sum()} of them finite.'
        )
      if self.log_x and np.min(x) <= 0:
        raise ValueError(f'The line {name!r} has an x of {np.min(x)}: no log.')


def png(*charts: LineChart) -> bytes:
  """Charts side by side, as the bytes of a PNG file; equal charts give equal
  bytes."""
  layout = layout_engine.ConstrainedLayoutEngine(
    w_pad=0.12, h_pad=0.12, wspace=0.06
  )
  size = (_WIDTH / _DPI, _HEIGHT / _DPI)
  page = figure.Figure(size, _DPI, layout=layout)
  canvas = backend_agg.FigureCanvasAgg(page)
  for place, chart in enumerate(charts):
    _draw(page.add_subplot(1, len(charts), place + 1), chart)
  buffer = io.BytesIO()
  canvas.print_png(buffer, metadata={'Software': None})
  return buffer.getvalue()


def _draw(plot: axes.Axes, chart: LineChart) -> None:
  _frame(plot, chart)
  ends = {}
  styles = itertools.product(_DASHES, _COLORS)
  for (name, (x, y)), (dashes, color) in zip(
    chart.series.items(), styles, strict=False
  ):
    if name in chart.bands:
      low, high = chart.bands[name]
      plot.fill_between(x, low, high, color=color, alpha=0.15, linewidth=0)
    plot.plot(
      x,
      y,
      color=color,
      linestyle=dashes,
      linewidth=1.8,
      marker='o' if len(x) <= _FEW else None,
      markersize=4,
      solid_capstyle='round',
    )
    ends[name] = np.asarray(y)[np.isfinite(y)][-1], color
  if chart.y_range:
    plot.set_ylim(*chart.y_range)
  if len(ends) > 1:
    _name_lines(plot, ends)


def _frame(plot: axes.Axes, chart: LineChart) -> None:
  """Everything but the lines."""
  ink, muted, line = map(_hex, (sheets.INK, sheets.MUTED, sheets.LINE))
  plot.set_title(chart.title, loc='left', fontsize=11, color=ink, pad=12)
  plot.set_xlabel(chart.x_label, fontsize=9.5, color=muted, labelpad=6)
  plot.set_ylabel(chart.y_label, fontsize=9.5, color=muted, labelpad=8)
  plot.tick_params(colors=muted, labelsize=9, length=0, pad=5)
  plot.grid(axis='y', color=line, linewidth=0.8)
  plot.set_axisbelow(True)
  plot.spines[['top', 'right', 'left']].set_visible(False)
  plot.spines['bottom'].set_color(_hex(sheets.FAINT))
  plot.yaxis.set_major_locator(ticker.MaxNLocator(6, min_n_ticks=4))
  if chart.log_x:
    plot.set_xscale('log')
  ticks = sorted(set(np.concatenate([x for x, _ in chart.series.values()])))
  if len(ticks) <= _FEW:
    plot.set_xticks(ticks)
  plot.xaxis.set_minor_locator(ticker.NullLocator())
  plot.xaxis.set_major_formatter(ticker.FuncFormatter(_count))


def _name_lines(plot: axes.Axes, ends: Mapping[str, tuple[float, str]]) -> None:
  """Writes the names beside the last points, far enough apart to be read."""
  low, high = plot.get_ylim()
  gap = 0.065  # share of the height
  order = sorted(ends, key=lambda name: ends[name][0])
  wanted = [(ends[name][0] - low) / (high - low) for name in order]
  places = wanted[:1]
  for place in wanted[1:]:
    places.append(max(place, places[-1] + gap))
  too_high = float(np.mean(places) - np.mean(wanted))
  for name, place in zip(order, places, strict=True):
    end = (1.015, place - too_high)
    text = plot.text(*end, name, transform=plot.transAxes, fontsize=9.5)
    text.set(color=ends[name][1], verticalalignment='center')


def _count(x: float, _: int) -> str:
  """1, 20, 5k, 1.2M."""
  for size, unit in ((1e6, 'M'), (1e3, 'k')):
    if abs(x) >= size:
      return f'{x / size:g}{unit}'
  return f'{x:g}'


def _hex(color: sheets.Color) -> str:
  return '#' + bytes(color).hex()
