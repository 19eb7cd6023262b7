import numpy as np
import pytest

from dgan_jax.renderers.engine import arithmetic, camera


def test_a_camera_in_front_sees_the_left_side_on_the_right():
  front = camera.looking_at((0, 0, 1), yaw=0.0, elevation=0.0, distance=5)
  np.testing.assert_allclose(front.eye, (5, 0, 1), atol=1e-12)
  points = np.array([(0, 0, 1), (0, 1, 1), (0, 0, 2), (2.5, 1, 1)]).T
  column, row, nearness = front.project(points)
  np.testing.assert_allclose(column, [0.5, 0.7, 0.5, 0.9], atol=1e-12)
  np.testing.assert_allclose(row, [0.5, 0.5, 0.3, 0.5], atol=1e-12)
  np.testing.assert_allclose(1 / nearness, [5, 5, 5, 2.5])


@pytest.mark.parametrize(('yaw', 'axis'), [(0.5, 1), (0.25, 0)])
def test_yaw_turns_counter_clockwise_round_the_car(yaw, axis):
  view = camera.looking_at((0, 0, 0), yaw * arithmetic.PI, 0.3, 4)
  assert view.eye[axis] > 1
  assert view.eye[2] == pytest.approx(4 * 0.29552, abs=1e-4)


def test_a_camera_has_three_axes_at_right_angles():
  view = camera.looking_at((1, 2, 0), yaw=2.2, elevation=0.4, distance=6)
  axes = np.array([view.right, view.up, view.forward])
  np.testing.assert_allclose(axes @ axes.T, np.eye(3), atol=1e-12)
  assert view.right[2] == 0


@pytest.mark.parametrize('aspect', [1.0, 0.75])
@pytest.mark.parametrize('tall', [0.2, 3.0])
def test_what_is_framed_fills_the_picture(aspect, tall):
  points = np.random.default_rng(0).uniform(-1, 1, (3, 50)) * [[1], [2], [tall]]
  view = camera.looking_at((0, 0, 0), yaw=0.6, elevation=0.2, distance=9)
  view = camera.framed(view, points, fill=0.8, aspect=aspect)
  column, row, _ = view.project(points)
  width, height = np.ptp(column), np.ptp(row) / aspect
  assert max(width, height) == pytest.approx(0.8)
  assert column.min() + column.max() == pytest.approx(1)
  assert row.min() + row.max() == pytest.approx(aspect)


def test_an_offset_of_one_touches_the_edge():
  points = np.random.default_rng(0).uniform(-1, 1, (3, 50))
  view = camera.looking_at((0, 0, 0), yaw=0.6, elevation=0.2, distance=9)
  view = camera.framed(view, points, fill=0.5, aspect=1.0, offset=(1.0, -1.0))
  column, row, _ = view.project(points)
  assert column.max() == pytest.approx(1)
  assert row.min() == pytest.approx(0)


def test_rays_lead_to_what_is_seen_there():
  view = camera.looking_at((0, 0, 1), yaw=-1.0, elevation=0.3, distance=7)
  rays = view.rays(6, 8).reshape(3, 6, 8)
  place = np.array(view.eye) + 3 * rays[:, 4, 2]
  column, row, _ = view.project(place)
  assert column * 8 == pytest.approx(2.5, abs=1e-5)
  assert row * 8 == pytest.approx(4.5, abs=1e-5)
