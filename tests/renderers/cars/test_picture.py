import numpy as np
import pytest

from dgan_jax.renderers.cars import body, fittings, parts, rendered_car
from dgan_jax.renderers.engine import pixels

SETTINGS = rendered_car.SETTINGS


def render(setting, resolution, supersampling, index, aspect='square'):
  domain = rendered_car.Domain(setting, resolution, aspect, supersampling)
  return domain.render(index)


@pytest.mark.parametrize('setting', SETTINGS)
@pytest.mark.parametrize('aspect', rendered_car.ASPECTS)
def test_masks_are_majorities_of_the_same_scene_in_high_resolution(
  setting, aspect
):
  fine = render(setting, 256, 1, 5, aspect).mask
  mask = render(setting, 64, 4, 5, aspect).mask
  np.testing.assert_array_equal(mask, pixels.majority(fine, 4))
  height, width = mask.shape
  blocks = fine.reshape(height, 4, width, 4).transpose(0, 2, 1, 3)
  blocks = blocks.reshape(height, width, 16)
  pure = (blocks == blocks[..., :1]).all(-1)
  assert 0.8 < pure.mean() < 1
  np.testing.assert_array_equal(mask[pure], blocks[pure][:, 0])


def seen_along_rays(scene, size):
  """The label at every pixel's centre, by rays against all triangles."""
  solids = scene.solids
  corners = solids.positions.T[solids.triangles]  # [triangles, 3, xyz]
  eye = np.array(scene.camera.eye)
  edge1, edge2 = corners[:, 1] - corners[:, 0], corners[:, 2] - corners[:, 0]
  normal = np.cross(edge1, edge2)
  offset = eye - corners[:, 0]
  label = np.zeros(size * size, np.uint8)
  for number, ray in enumerate(scene.camera.rays(size, size).T.astype(float)):
    facing = -(normal @ ray)
    with np.errstate(divide='ignore', invalid='ignore'):
      across = np.cross(offset, ray)
      second = (edge2 * across).sum(1) / facing
      third = -(edge1 * across).sum(1) / facing
      distance = (normal * offset).sum(1) / facing
      hit = (second >= 0) & (third >= 0) & (second + third <= 1)
    hit &= (facing > 0) & (distance > 0)
    for which in sorted(np.flatnonzero(hit), key=lambda one: distance[one]):
      place = eye + distance[which] * ray
      shares = np.array(
        [1 - second[which] - third[which], second[which], third[which]]
      )
      found = label_of(scene, which, place, shares)
      if found is not None:
        label[number] = found
        break
  return label.reshape(size, size)


def label_of(scene, triangle, place, shares):
  """The label of a point, None where there is a hole."""
  x, y, z = place[:, None]
  kind = scene.solids.kind[triangle]
  corners = scene.solids.triangles[triangle]
  if kind != fittings.Kind.SHELL:
    normal = scene.solids.normals[:, corners] @ shares
    return fittings.paint(
      np.array([kind]), place[:, None], normal[:, None], scene.shape, scene.trim
    )[0][0]
  level, cap = scene.solids.surface[:, corners] @ shares
  in_arch = body.near_axle(scene.shape, x, z)[0] < scene.shape.arch
  if in_arch and level < 0.95:
    return None
  points = parts.Points(x, y, z, np.array([level]), np.array([cap]), 0.1)
  return parts.paint(scene.shape, scene.trim, points)[0][0]


@pytest.mark.parametrize('index', [0, 1])
def test_masks_show_what_rays_from_the_camera_meet(index):
  domain = rendered_car.Domain('three_quarter', 40, supersampling=1)
  mask = domain.render(index).mask
  expected = seen_along_rays(rendered_car.draw_scene(domain, index), 40)
  assert (expected > 0).mean() > 0.15
  # Rays are float32: some meet the other side of a border.
  assert (mask != expected).sum() <= 2


@pytest.mark.parametrize('setting', ['frontal', 'three_quarter'])
def test_one_does_not_see_through_a_car(setting):
  """But between the mirrors and the windows, and under the bumpers."""
  pinholes = 0
  for index in range(12):
    mask = render(setting, 96, 1, index).mask
    around = np.stack(
      [
        np.roll(mask, (down, across), (0, 1))
        for down in (-1, 0, 1)
        for across in (-1, 0, 1)
        if down or across
      ]
    )
    holes = (mask == 0) & (around > 0).all(0)
    pinholes += (holes & (around != parts.LABEL['mirror']).all(0)).sum()
  assert pinholes <= 2
