import io

import numpy as np
import pytest
from PIL import Image

from dgan_jax.visualize import charts

_X = (1, 4, 16, 200)
_LOW, _HIGH = (0.4, 0.5, 0.6, 0.65), (0.5, 0.6, 0.7, 0.71)


def _chart(**options):
  series = {'first': (_X, _LOW), 'second': (_X, _HIGH)}
  fields = {'series': series, 'x_label': 'samples', 'y_label': 'IoU'}
  return charts.LineChart(**(fields | options))


def _pixels(png):
  return np.asarray(Image.open(io.BytesIO(png)).convert('RGB')).astype(int)


def _marked(pixels, color):
  """Where a picture has nearly this colour, bool [height, width]."""
  return np.abs(pixels - color).max(-1) < 8


_BLUE, _ORANGE = (0, 0x72, 0xB2), (0xD5, 0x5E, 0)


def test_a_chart_is_as_wide_as_two_charts():
  one, two = charts.png(_chart()), charts.png(_chart(), _chart())
  assert _pixels(one).shape == _pixels(two).shape == (680, 1640, 3)


def test_equal_charts_give_equal_bytes():
  assert charts.png(_chart()) == charts.png(_chart())


def test_the_higher_line_is_drawn_higher():
  pixels = _pixels(charts.png(_chart()))
  rows = [
    np.flatnonzero(_marked(pixels, color).any(1)).mean()
    for color in (_BLUE, _ORANGE)
  ]
  assert rows[1] < rows[0]


def test_on_a_logarithmic_axis_equal_factors_are_equal_distances():
  powers = {'line': ((1, 10, 100), (1, 2, 3))}
  fields = {'series': powers, 'y_range': (0, 4)}

  def place_of_middle(log_x):
    """Of the second point between the others, as a share of the width."""
    pixels = _pixels(charts.png(_chart(log_x=log_x, **fields)))
    rows, columns = np.nonzero(_marked(pixels, _BLUE))
    middle = columns[np.abs(rows - (rows.min() + rows.max()) / 2) < 2].mean()
    return (middle - columns.min()) / (columns.max() - columns.min())

  assert place_of_middle(True) == pytest.approx(0.5, abs=0.01)
  assert place_of_middle(False) < 0.12


def test_a_spread_is_drawn_behind_its_line():
  plain = _pixels(charts.png(_chart(y_range=(0, 1))))
  bands = {'second': (np.subtract(_HIGH, 0.05), np.add(_HIGH, 0.05))}
  banded = _pixels(charts.png(_chart(y_range=(0, 1), bands=bands)))
  pale = np.rint(0.85 * 255 + 0.15 * np.array(_ORANGE))
  assert _marked(banded, pale).sum() > 1000 > _marked(plain, pale).sum()
  np.testing.assert_array_equal(_marked(banded, _BLUE), _marked(plain, _BLUE))


def test_a_value_that_is_not_finite_leaves_a_gap():
  x = np.arange(20)
  y = np.ones(20)
  whole = _marked(_pixels(charts.png(_chart(series={'a': (x, y)}))), _BLUE)
  y[9:11] = np.nan
  gap = _marked(_pixels(charts.png(_chart(series={'a': (x, y)}))), _BLUE)
  assert 0.8 < gap.sum() / whole.sum() < 0.95


def test_names_of_lines_that_end_together_do_not_cover_each_other():
  series = {f'line {k}': (_X, np.full(4, 0.5 + k / 1000)) for k in range(3)}
  pixels = _pixels(charts.png(_chart(series=series, y_range=(0, 1))))
  right = pixels[:550, 1500:]  # of the plot, above its axis
  inked = (right.min(-1) < 200).any(1)
  lines_of_text = np.count_nonzero(np.diff(inked.astype(int)) == 1)
  assert lines_of_text == 3


@pytest.mark.parametrize(
  ('options', 'words'),
  [
    ({'series': {}}, 'needs a line'),
    ({'series': {'a': ((1, 2), (1,))}}, "line 'a' has 2 x and 1 y"),
    ({'series': {'a': ((1, 2), (np.nan,) * 2)}}, '0 of them finite'),
    ({'series': {'a': ((0, 2), (1, 2))}, 'log_x': True}, 'an x of 0: no log'),
  ],
)
def test_what_cannot_be_drawn_is_refused_by_name(options, words):
  with pytest.raises(ValueError, match=words):
    _chart(**options)
