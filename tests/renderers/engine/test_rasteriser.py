import numpy as np
import pytest

from dgan_jax.renderers.engine import rasteriser

HEIGHT, WIDTH = 20, 28


def slowly(column, row, nearness, triangles):
  """Sample by sample and triangle by triangle: (triangle, nearness)."""
  seen = np.full((HEIGHT, WIDTH), -1)
  buffer = np.zeros((HEIGHT, WIDTH))
  for y in range(HEIGHT):
    for x in range(WIDTH):
      for number, corners in enumerate(triangles):
        edges = np.array([column[corners], row[corners], np.ones(3)])
        if np.linalg.det(edges) > -1e-9:
          continue  # from behind
        shares = np.linalg.solve(edges, [x + 0.5, y + 0.5, 1])
        depth = shares @ nearness[corners]
        if shares.min() > 0 and depth > buffer[y, x]:
          seen[y, x], buffer[y, x] = number, depth
  return seen, buffer


@pytest.fixture
def soup():
  """Triangles of all sizes, across each other and across the edges."""
  generator = np.random.default_rng(5)
  column = generator.uniform(-6, WIDTH + 6, 60)
  row = generator.uniform(-6, HEIGHT + 6, 60)
  column[30:] = column[:30] + generator.uniform(-2, 2, 30)
  nearness = generator.uniform(0.1, 0.5, 60)
  triangles = generator.integers(0, 60, (40, 3))
  return column, row, nearness, triangles


def test_the_nearest_triangle_is_seen_at_every_sample(soup):
  samples = rasteriser.rasterise(*soup, HEIGHT, WIDTH)
  seen, buffer = slowly(*soup)
  found = np.full(HEIGHT * WIDTH, -1)
  found[samples.covered] = samples.triangle
  np.testing.assert_array_equal(found.reshape(HEIGHT, WIDTH), seen)
  np.testing.assert_allclose(
    samples.nearness.reshape(HEIGHT, WIDTH), buffer, rtol=1e-9
  )
  assert 0.3 < (seen >= 0).mean() < 1


def test_weights_give_back_the_place_on_the_screen(soup):
  column, row, nearness, triangles = soup
  samples = rasteriser.rasterise(*soup, HEIGHT, WIDTH)
  corners = triangles[samples.triangle].T
  # In space a place on the screen is (x / depth, y / depth).
  depth = (samples.weights / nearness[corners]).sum(0)
  x = (samples.weights * column[corners] / nearness[corners]).sum(0) / depth
  y = (samples.weights * row[corners] / nearness[corners]).sum(0) / depth
  np.testing.assert_allclose(x, samples.covered % WIDTH + 0.5, atol=1e-6)
  np.testing.assert_allclose(y, samples.covered // WIDTH + 0.5, atol=1e-6)


def test_a_surface_of_many_triangles_has_no_cracks():
  steps = np.linspace(0, 1, 38)
  columns, rows = np.meshgrid(steps * WIDTH, steps * HEIGHT)
  columns, rows = columns + 0.3 * rows / HEIGHT, rows.ravel()
  at = np.arange(37)[:, None] * 38 + np.arange(37)
  quads = np.stack([at, at + 38, at + 39, at, at + 39, at + 1], -1)
  samples = rasteriser.rasterise(
    *(columns.ravel() - 0.2, rows, np.full(38 * 38, 0.5)),
    *(quads.reshape(-1, 3), HEIGHT, WIDTH),
  )
  assert len(samples.covered) == HEIGHT * WIDTH


def test_through_a_hole_one_sees_what_is_behind():
  near = np.array([(0, 0), (0, HEIGHT * 2), (WIDTH * 2, 0)], float)
  corners = np.concatenate([near, near])
  nearness = np.array([0.5, 0.5, 0.5, 0.2, 0.2, 0.2])
  triangles = np.array([[0, 1, 2], [3, 4, 5]])

  def holes(triangle, weights):
    assert (triangle == 0).all()
    return weights[2] * WIDTH * 2 > 10  # to the right of column 10

  samples = rasteriser.rasterise(
    *(*corners.T, nearness, triangles, HEIGHT, WIDTH),
    *(np.array([True, False]), holes),
  )
  seen = samples.triangle.reshape(HEIGHT, WIDTH)
  assert (seen[:, :10] == 0).all()
  assert (seen[:, 10:] == 1).all()


def test_of_equally_near_triangles_the_first_is_seen():
  corners = np.array([(0, 0), (0, HEIGHT * 2), (WIDTH * 2, 0)], float)
  samples = rasteriser.rasterise(
    *(*corners.T, np.full(3, 0.5), np.array([[0, 1, 2]] * 3), HEIGHT, WIDTH)
  )
  assert not samples.triangle.any()
