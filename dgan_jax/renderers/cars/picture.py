"""Pictures: scenes, of which everything is drawn by lot, and their look."""

import dataclasses
import math

import numpy as np

from dgan_jax.renderers.cars import body, fittings, parts
from dgan_jax.renderers.cars import scenery as scenery_lib
from dgan_jax.renderers.cars import shape as shape_lib
from dgan_jax.renderers.cars import trim as trim_lib
from dgan_jax.renderers.cars.settings import Setting
from dgan_jax.renderers.engine import arithmetic, mesh, random_draws, rasteriser
from dgan_jax.renderers.engine import camera as camera_lib
from dgan_jax.renderers.engine import light as light_lib
from dgan_jax.renderers.engine.arithmetic import Array

# Distance from the car to the camera, in half lengths of the car.
_DISTANCE = (3.2, 5.0)
# Strongest grain of rich scenes, as a share of white.
_GRAIN = 0.03
# Metres; of the shell near the wheels.
_LONGEST_EDGE = 0.15
# Arches stay below the shoulder, at this level of the shell.
_ARCH_LEVEL = 0.95


@dataclasses.dataclass(frozen=True)
class Scene:
  """A car, its place and light, and a camera."""

  shape: shape_lib.Shape  # of the body
  trim: trim_lib.Trim  # what is fitted to it
  finish: Array  # its colours, see `light.draw_finish`
  weather: light_lib.Weather  # the light
  scenery: scenery_lib.Scenery  # what is around
  camera: camera_lib.Camera  # that sees it
  solids: mesh.Solid  # the meshes of the car and of the things around
  yaw: float  # the camera's place round the car, radians
  grain: float  # of the picture, as a share of white


def draw(setting: Setting, aspect: float, seed: str, index: int) -> Scene:
  """Scene `index` of those that a setting and a name give, for pictures whose
  height over their width is the aspect."""

  def dice(stream: str) -> random_draws.Draws:
    return random_draws.Draws(seed, index, stream)

  shape = shape_lib.draw(dice('shape'), setting.styles)
  fitted = trim_lib.draw(dice('trim'), shape, setting.large_parts)
  car = fittings.car(shape, fitted)
  view = dice('camera')
  yaw = view.uniform(*view.pick(setting.yaws))
  around = scenery_lib.draw(dice('scenery'), shape, yaw, setting.rich)
  looking = camera_lib.looking_at(
    target=(0.0, 0.0, 0.45 * shape.height),
    yaw=yaw,
    elevation=view.uniform(*setting.elevation),
    distance=shape.half_length * view.uniform(*_DISTANCE),
  )
  off = setting.off_center
  # In plain settings the sun is on the side that one sees.
  spread = arithmetic.PI if setting.rich else 1.4
  return Scene(
    shape=shape,
    trim=fitted,
    finish=light_lib.draw_finish(dice('finish')),
    weather=light_lib.draw_weather(
      dice('weather'), setting.weathers, (yaw - spread, yaw + spread)
    ),
    scenery=around,
    camera=camera_lib.framed(
      looking,
      car.positions,
      fill=view.uniform(*setting.fill),
      aspect=aspect,
      offset=(view.uniform(-off, off), view.uniform(-off, off)),
    ),
    solids=mesh.join([car, *(thing.solid for thing in around.things)]),
    yaw=yaw,
    grain=view.uniform(0.0, _GRAIN) if setting.rich else 0.0,
  )


def look(
  scene: Scene, height: int, width: int
) -> tuple[rasteriser.Samples, Array, Array]:
  """A scene in samples; the height over the width is the scene's aspect.

  Returns:
    The nearest surfaces; uint8 [height, width], the part at every sample;
    float32 [3, height, width] in 0 to 1, its light as shown on a screen.
  """
  samples = _rasterised(scene, height, width)
  light, label = _shaded(scene, samples)
  light = light_lib.developed(light, scene.weather.exposure)
  size = height, width
  return samples, label.reshape(size), light.reshape(3, *size)


def _rasterised(scene: Scene, height: int, width: int) -> rasteriser.Samples:
  """The nearest surfaces; the shell has holes in which the wheels sit."""
  solids, shape = scene.solids, scene.shape
  column, row, nearness = scene.camera.project(solids.positions)
  triangles = solids.triangles
  # What reaches behind the camera is not drawn.
  near = nearness[triangles].max(axis=1) >= 0.999 / camera_lib.NEAR
  if near.any():
    triangles = np.where(near[:, None], 0, triangles)
  (x, _, z), (level, _) = solids.positions, solids.surface
  by_wheel = body.near_axle(shape, x, z) < shape.arch + _LONGEST_EDGE
  shell = solids.kind == fittings.Kind.SHELL

  def holes(triangle: Array, weights: Array) -> Array:
    corners = triangles[triangle].T
    at_x, at_z, at_level = (
      arithmetic.dot(values[corners], weights) for values in (x, z, level)
    )
    within = body.near_axle(shape, at_x, at_z) < shape.arch
    return within & (at_level < _ARCH_LEVEL)

  return rasteriser.rasterise(
    *(column * width, row * width, nearness, triangles, height, width),
    *(by_wheel[triangles].any(axis=1) & shell, holes),
  )


def _shaded(scene: Scene, samples: rasteriser.Samples) -> tuple[Array, Array]:
  """Linear light float32 [3, samples] and labels uint8 [samples]."""
  height, width = samples.height, samples.width
  rays = scene.camera.rays(height, width)
  label = np.zeros(height * width, np.uint8)
  light = np.empty((3, height * width), np.float32)
  bare = np.ones(height * width, bool)
  bare[samples.covered] = False
  light[:, bare] = scenery_lib.light(
    scene.scenery, scene.weather, scene.shape, scene.camera.eye, rays[:, bare]
  )
  position, normal, surface = _attributes(scene.solids, samples)
  view = rays[:, samples.covered]
  # Normals are smooth, so some near the outline look away.
  excess = np.maximum(arithmetic.dot(normal, view), 0)
  normal = arithmetic.unit(normal - 1.01 * excess * view)
  kind = scene.solids.kind[samples.triangle]
  painted = _painted(scene, width, kind, position, normal, surface)
  label[samples.covered], material, shade = painted
  shades = light_lib.lit(
    *(position, normal, view, material, shade),
    *(scene.finish, scene.weather, scene.scenery.ground),
  )
  other = np.flatnonzero(kind >= fittings.Kind.SCENERY)
  if len(other):
    which = kind[other] - fittings.Kind.SCENERY
    shades[:, other] = scenery_lib.things_lit(
      *(scene.scenery, scene.weather, scene.camera.eye),
      *(which, position[:, other], normal[:, other]),
    )
  light[:, samples.covered] = shades
  return light, label


def _attributes(
  solids: mesh.Solid, samples: rasteriser.Samples
) -> tuple[Array, Array, Array]:
  """Position [3, n], normal [3, n] and surface coordinates [2, n]."""
  vertices = solids.positions, solids.normals, solids.surface
  table = np.concatenate(vertices).T.astype(np.float32)
  corners = table[solids.triangles[samples.triangle].T]
  weights = samples.weights.astype(np.float32)[:, :, None]
  columns = np.ascontiguousarray(arithmetic.dot(corners, weights).T)
  return columns[:3], arithmetic.unit(columns[3:6]), columns[6:]


def _painted(
  scene: Scene,
  width: int,
  kind: Array,
  position: Array,
  normal: Array,
  surface: Array,
) -> tuple[Array, Array, Array]:
  """Labels, materials and shades of everything seen, see `parts.paint`."""
  car = scene.shape, scene.trim
  label, material = fittings.paint(kind, position, normal, *car)
  shade = np.ones(len(kind), np.float32)
  shell = np.flatnonzero(kind == fittings.Kind.SHELL)
  eye = np.array(scene.camera.eye)
  distance = math.sqrt(arithmetic.dot(eye, eye))
  footprint = distance / (scene.camera.focal * width)
  (x, y, z), (level, cap) = position[:, shell], surface[:, shell]
  points = parts.Points(x, y, z, level, cap, footprint)
  label[shell], material[shell], shade[shell] = parts.paint(*car, points)
  return label, material, shade
