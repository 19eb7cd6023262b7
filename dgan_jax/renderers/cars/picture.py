"""Pictures of scenes: which part every sample shows, and its light."""

import dataclasses
import math

import numpy as np

from dgan_jax.renderers.cars import body, fittings, parts, scenery
from dgan_jax.renderers.cars import shape as shape_lib
from dgan_jax.renderers.cars.scene import Scene
from dgan_jax.renderers.engine import (
  arithmetic,
  camera,
  mesh,
  rasteriser,
  shading,
)

Array = np.ndarray

# Metres; of the shell near the wheels.
_LONGEST_EDGE = 0.15
# Arches stay below the shoulder, at this level of the shell.
_ARCH_LEVEL = 0.95


@dataclasses.dataclass(frozen=True)
class Picture:
  """What a camera sees."""

  samples: rasteriser.Samples  # the nearest surfaces
  label: Array  # uint8 [height, width], the part at every sample
  light: Array  # float32 [3, height, width] in 0 to 1, as shown on a screen


def look(scene: Scene, height: int, width: int) -> Picture:
  """A scene in samples; the height over the width is the scene's aspect."""
  samples = _rasterised(scene, height, width)
  light, label = _shaded(scene, samples)
  return Picture(
    samples=samples,
    label=label.reshape(height, width),
    light=shading.developed(light, scene.weather.exposure).reshape(
      3, height, width
    ),
  )


def _rasterised(scene: Scene, height: int, width: int) -> rasteriser.Samples:
  solids = scene.solids
  column, row, nearness = scene.camera.project(solids.positions)
  triangles = solids.triangles
  # What reaches behind the camera is not drawn.
  near = nearness[triangles].max(axis=1) >= 0.999 / camera.NEAR
  if near.any():
    triangles = np.where(near[:, None], 0, triangles)
  holes = _Arches(scene.shape, solids, triangles)
  return rasteriser.rasterise(
    *(column * width, row * width, nearness, triangles, height, width),
    *(holes.pierced(), holes),
  )


@dataclasses.dataclass(frozen=True)
class _Arches:
  """The holes of the shell in which the wheels sit."""

  shape: shape_lib.Shape
  solids: mesh.Solid
  triangles: Array

  def pierced(self) -> Array:
    """The triangles of the shell that are near a wheel."""
    x, _, z = self.solids.positions
    near = body.near_axle(self.shape, x, z) < self.shape.arch + _LONGEST_EDGE
    shell = self.solids.kind == fittings.Kind.SHELL
    return near[self.triangles].any(axis=1) & shell

  def __call__(self, triangle: Array, weights: Array) -> Array:
    """See `rasteriser.Holes`."""
    corners = self.triangles[triangle].T
    (x, _, z), (level, _) = self.solids.positions, self.solids.surface
    x, z, level = (
      arithmetic.dot(values[corners], weights) for values in (x, z, level)
    )
    within = body.near_axle(self.shape, x, z) < self.shape.arch
    return within & (level < _ARCH_LEVEL)


def _shaded(scene: Scene, samples: rasteriser.Samples) -> tuple[Array, Array]:
  """Linear light float32 [3, samples] and labels uint8 [samples]."""
  height, width = samples.height, samples.width
  rays = scene.camera.rays(height, width)
  label = np.zeros(height * width, np.uint8)
  light = np.empty((3, height * width), np.float32)
  bare = np.ones(height * width, bool)
  bare[samples.covered] = False
  light[:, bare] = scenery.light(
    scene.scenery, scene.weather, scene.shape, scene.camera.eye, rays[:, bare]
  )
  position, normal, surface = _attributes(scene.solids, samples)
  view = rays[:, samples.covered]
  # Normals are smooth, so some near the outline look away.
  excess = np.maximum(arithmetic.dot(normal, view), 0)
  normal = arithmetic.unit(normal - 1.01 * excess * view)
  kind = scene.solids.kind[samples.triangle]
  painted = _painted(scene, width, kind, position, normal, surface)
  label[samples.covered] = painted.label
  shades = shading.lit(
    *(position, normal, view, painted.material, painted.shade),
    *(scene.finish, scene.weather, scene.scenery.ground),
  )
  other = np.flatnonzero(kind >= fittings.Kind.SCENERY)
  if len(other):
    which = kind[other] - fittings.Kind.SCENERY
    shades[:, other] = scenery.things_lit(
      *(scene.scenery, scene.weather, scene.camera.eye),
      *(which, position[:, other], normal[:, other]),
    )
  light[:, samples.covered] = shades
  return light, label


def _attributes(
  solids: mesh.Solid, samples: rasteriser.Samples
) -> tuple[Array, Array, Array]:
  """Position [3, n], normal [3, n] and surface coordinates [2, n]."""
  table = np.concatenate(
    [solids.positions, solids.normals, solids.surface]
  ).T.astype(np.float32)
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
) -> parts.Painted:
  """Parts and materials of everything seen."""
  painted = parts.Painted(
    *fittings.paint(kind, position, normal, scene.shape, scene.trim),
    np.ones(len(kind), np.float32),
  )
  shell = np.flatnonzero(kind == fittings.Kind.SHELL)
  x, y, z = position[:, shell]
  level, cap = surface[:, shell]
  eye = scene.camera.eye
  distance = math.sqrt(eye[0] * eye[0] + eye[1] * eye[1] + eye[2] * eye[2])
  footprint = distance / (scene.camera.focal * width)
  points = parts.Points(x, y, z, level, cap, footprint)
  on_shell = parts.paint(scene.shape, scene.trim, points)
  painted.label[shell] = on_shell.label
  painted.material[shell] = on_shell.material
  painted.shade[shell] = on_shell.shade
  return painted
