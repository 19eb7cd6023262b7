import math
import pathlib

import numpy as np
import pytest

from dgan_jax import renderers
from dgan_jax.renderers.engine import arithmetic

_MODULES = sorted(pathlib.Path(renderers.__file__).parent.rglob('*.py'))


@pytest.mark.parametrize('path', _MODULES, ids=lambda path: path.stem)
def test_pictures_use_only_arithmetic_that_is_the_same_everywhere(path):
  text = path.read_text()
  for name in (
    *('np.sin', 'np.cos', 'np.tan', 'np.arc', 'np.exp', 'np.log', 'np.pow'),
    *('np.hypot', 'np.dot', 'np.einsum', 'np.matmul', 'np.linalg', 'np.cbrt'),
    *(' @ ', 'math.sin', 'math.cos', 'math.exp', 'math.pow', 'np.random.de'),
  ):
    assert name not in text, name


@pytest.mark.parametrize('angle', [0.0, 0.3, 1.0, 2.5, -0.7, -3.1, 6.3, 40.0])
def test_cosine_and_sine_are_right(angle):
  cosine, sine = arithmetic.cosine_sine(angle)
  assert cosine == pytest.approx(math.cos(angle), abs=1e-13)
  assert sine == pytest.approx(math.sin(angle), abs=1e-13)


def test_soft_extremes_are_the_extremes_away_from_the_corner():
  first, second = np.array([0.0, 1.0, 5.0]), np.array([4.0, 1.0, 0.0])
  low = arithmetic.soft_min(first, second, 0.2)
  high = arithmetic.soft_max(first, second, 0.2)
  np.testing.assert_allclose(low, [0, 0.9, 0], atol=3e-3)
  np.testing.assert_allclose(high, [4, 1.1, 5], atol=3e-3)


def test_a_rounded_box_is_measured_from_its_edge():
  x, y = np.array([0.0, 3.0, 2.0, 4.0]), np.array([0.0, 0.0, 1.0, 4.0])
  distance = arithmetic.rounded_box(x, y, 2.0, 1.0, 0.5)
  corner = math.hypot(4 - 1.5, 4 - 0.5) - 0.5
  np.testing.assert_allclose(
    distance, [-1.0, 1.0, math.hypot(0.5, 0.5) - 0.5, corner]
  )


def test_thin_lines_fade_instead_of_breaking():
  samples = np.arange(-1000, 1000) * 0.1 + 0.03
  total = arithmetic.line(samples, 0.02, 0.1).sum()
  shifted = arithmetic.line(samples + 0.04, 0.02, 0.1).sum()
  assert shifted == pytest.approx(total, rel=0.05)


def test_value_noise_is_smooth_and_between_0_and_1():
  x = np.linspace(-20, 20, 4001, dtype=np.float32)
  noise = arithmetic.value_noise(x, 0 * x + 3.3, 1, 7)
  assert noise.min() >= 0
  assert noise.max() <= 1
  assert noise.std() > 0.1
  assert np.abs(np.diff(noise)).max() < 0.03
