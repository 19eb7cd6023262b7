import numpy as np
import pytest

from dgan_jax.renderers.cars import body, fittings, shape, trim
from dgan_jax.renderers.engine import mesh, random_draws

BOX = mesh.box((1, 2, 3), (0.5, 1, 2), 7)
BALL = mesh.ball((0, 0, 1), (1, 2, 0.5), 7)
WHEEL = mesh.turned(
  (0, 0, 0), ((0.3, -0.1), (0.5, -0.1), (0.5, 0.1), (0.0, 0.1)), 7
)


def face_normals(solid):
  corners = solid.positions.T[solid.triangles]
  return np.cross(corners[:, 1] - corners[:, 0], corners[:, 2] - corners[:, 0])


def draw_car(index, style):
  dice = random_draws.Draws('test', index, 'car')
  drawn = shape.draw(dice, {style: 1.0})
  return drawn, trim.draw(dice, drawn, large_parts=False)


@pytest.mark.parametrize(
  'solid', [BOX, BALL, WHEEL], ids=('box', 'ball', 'wheel')
)
def test_triangles_are_counter_clockwise_seen_from_outside(solid):
  normals = face_normals(solid)
  wide = np.sqrt((normals**2).sum(1)) > 1e-6
  means = solid.normals.T[solid.triangles].mean(1)
  assert ((normals * means).sum(1)[wide] > 0).all()


@pytest.mark.parametrize('solid', [BOX, BALL], ids=('box', 'ball'))
def test_normals_lead_away_from_the_middle(solid):
  middle = solid.positions.mean(1, keepdims=True)
  away = (solid.normals * (solid.positions - middle)).sum(0)
  assert (away > 0).all()
  np.testing.assert_allclose((solid.normals**2).sum(0), 1)


def test_a_box_has_its_size():
  np.testing.assert_array_equal(BOX.positions.min(1), (0.5, 1, 1))
  np.testing.assert_array_equal(BOX.positions.max(1), (1.5, 3, 5))


def test_what_is_joined_keeps_its_triangles():
  both = mesh.join([BOX, BALL])
  np.testing.assert_array_equal(
    face_normals(both), np.concatenate([face_normals(BOX), face_normals(BALL)])
  )


def test_mirrored_and_inside_out_solids_face_the_right_way():
  flip = np.array([1, -1, 1])
  np.testing.assert_allclose(
    face_normals(mesh.mirrored(BOX)), face_normals(BOX) * flip
  )
  np.testing.assert_allclose(
    face_normals(mesh.inside_out(BOX)), -face_normals(BOX)
  )


@pytest.mark.parametrize('style', shape.STYLES)
def test_a_shell_faces_outwards_and_is_symmetrical(style):
  drawn, _ = draw_car(0, style)
  solid = body.shell(drawn, fittings.Kind.SHELL)
  corners = solid.positions.T[solid.triangles].mean(1)
  normals = face_normals(solid)
  # The middle of the car at the height of the belt is inside.
  inside = corners * [0.8, 0, 0] + [0, 0, 0.6 * drawn.belt]
  areas = np.sqrt((normals**2).sum(1))
  outwards = (normals * (corners - inside)).sum(1) > 0
  assert outwards[areas > 1e-6].mean() > 0.99
  np.testing.assert_allclose(solid.positions[1].sum(), 0, atol=1e-9)


@pytest.mark.parametrize('style', shape.STYLES)
def test_a_car_has_the_size_of_its_style(style):
  for index in range(20):
    drawn, fitted = draw_car(index, style)
    positions = fittings.car(drawn, fitted).positions
    length, width, height = np.ptp(positions, axis=1)
    typical = shape.STYLES[style].size
    assert length == pytest.approx(typical[0], rel=0.06)
    assert typical[1] < width < typical[1] + 0.5  # with mirrors
    assert height == pytest.approx(typical[2], rel=0.12)
    assert positions[2].min() == pytest.approx(0, abs=1e-9)


@pytest.mark.parametrize('style', shape.STYLES)
def test_the_parts_of_a_car_come_in_their_order(style):
  for index in range(50):
    car, _ = draw_car(index, style)
    order = [
      *(-car.half_length, *car.rear_window, *car.windscreen, car.cowl),
      car.half_length,
    ]
    assert order == sorted(order)
    doors = [car.door_rear, car.door_split, car.door_front]
    assert doors == sorted(doors)
    assert car.door_front - car.door_split > 0.5
    assert car.rear_axle < car.door_rear < car.door_front < car.front_axle
    assert car.clearance < car.wheel_radius < car.nose_height < car.belt
    assert car.belt < car.hood_height < car.height
    assert car.front_axle + car.arch < car.half_length
    assert car.rear_axle - car.arch > -car.half_length
