"""Vectors of the whole way: latents to images, labels and scores."""

import pathlib
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from dgan_jax import pyramid as pyramid_lib
from dgan_jax.checkpoints.formats import npy, torch_format
from dgan_jax.checkpoints.origins import release_files
from dgan_jax.generators import generator as generators
from dgan_jax.interpreter import ensemble, labelling
from dgan_jax.tasks import part_segmentation
from tests import parity_checks as checks
from tests import parity_generator, parity_interpreter, released, small


def generator_path(
  vectors: checks.Vectors, override: pathlib.Path | None
) -> pathlib.Path:
  """The file with the generator: the one given, named in `meta`, or itself."""
  named = vectors.meta.get('generator')
  if named is None or any(k.startswith('sd/g_') for k in vectors):
    return vectors.path
  return override or vectors.path.parent / named.split()[0]


def check(
  vectors: checks.Vectors, generator_file: pathlib.Path | None
) -> list[checks.Check]:
  """z to labels, and of the car file also the crop and the reduction."""
  source = checks.Vectors(generator_path(vectors, generator_file))
  generator = parity_generator.load(source)
  settings = {**source.meta, **vectors.meta}
  rows = settings.get('crop_rows')
  resolution = generator.architecture.resolution
  canvas = pyramid_lib.Canvas.of(resolution, rows and tuple(rows))
  prefix = 'sd_cls/' if vectors.group('sd_cls/') else 'sd/'
  interpreter = parity_interpreter.load(
    parity_interpreter.members(vectors, prefix),
    generator.architecture.feature_channels,
  )
  ws, rgb, pyramids, labels = _run(
    generator,
    interpreter,
    vectors['in/z'],
    canvas,
    (settings.get('psi', 0.7), settings.get('max_layer', 8)),
  )
  results = _check_images(vectors, source, ws, rgb, canvas)
  stated = settings.get('max_abs_err_f32_vs_f64', {}).get('feats')
  results += _check_pixels(
    vectors, interpreter, pyramids[0], canvas, stated and max(stated)
  )
  results += _check_labels(vectors, labels, 'out/')
  if 'interp_out_res' in settings:
    size = settings['interp_out_res']
    reduced = pyramid_lib.Canvas((size, size), (0, size))
    results += _check_reduction(vectors, rgb, pyramids[0], reduced)
  return results


def check_checkpoints(vectors: checks.Vectors) -> list[checks.Check]:
  """The mini checkpoints that lie beside their expected outputs."""
  folder = vectors.path.parent
  noise = vectors.group('in/noise_')
  generator = released.generator(
    torch_format.read(
      str(next(folder.glob('*stylegan1*r[0-9]*.for_g_all.pt')))
    ),
    npy.read_npy(str(folder / 'avg_latent_1x18.npy')),
    {f'noise{int(number)}': value for number, value in noise.items()},
  )
  canvas = pyramid_lib.Canvas.of(generator.architecture.resolution)
  results: list[checks.Check] = []
  for classes in vectors.meta['members']:
    paths = release_files.member_files(str(folder / f'interpreter_{classes}'))
    interpreter = parity_interpreter.load(
      [torch_format.read(path) for path in paths],
      generator.architecture.feature_channels,
    )
    truncation = parity_generator.truncation(vectors)
    ws, rgb, pyramids, labels = _run(
      generator, interpreter, vectors['in/z'], canvas, truncation
    )
    x = vectors['out/features_px_first256']
    if not results:
      results = _check_images(vectors, vectors, ws, rgb, canvas)
      ours = pixels(pyramids[0], canvas, np.arange(len(x)))
      results.append(checks.compare('features', ours, x))
    prefix = f'out/cls{classes}/'
    logits = jax.jit(small.logits)(interpreter, x)
    results.append(checks.compare('logits', logits, vectors[f'{prefix}logits']))
    results += _check_labels(vectors, labels, prefix)
  return results


def _run(
  generator: generators.Generator,
  interpreter: ensemble.Interpreter,
  latents: np.ndarray,
  canvas: pyramid_lib.Canvas,
  truncation: tuple[float, int],
) -> tuple[jax.Array, jax.Array, list[pyramid_lib.FeaturePyramid], Any]:
  """ws, rgb, pyramids and labels, one latent after another."""
  label = jax.jit(labelling.label, static_argnums=2)
  ws, rgb, labels = [], [], []
  pyramids: list[pyramid_lib.FeaturePyramid] = []
  for z in latents:
    outputs = parity_generator.synthesize(generator, z[None], *truncation)
    ws.append(outputs[0])
    rgb.append(outputs[1])
    labels.append(label(interpreter, outputs[2], canvas))
    pyramids = pyramids or [outputs[2]]  # others are only labelled
  return (
    jnp.concatenate(ws),
    jnp.concatenate(rgb),
    pyramids,
    jax.tree.map(lambda *leaves: jnp.concatenate(leaves), *labels),
  )


def pixels(
  pyramid: pyramid_lib.FeaturePyramid,
  canvas: pyramid_lib.Canvas,
  index: np.ndarray,
) -> jax.Array:
  """Feature vectors of pixels of the first image, counted row by row."""
  row, column = np.divmod(index, canvas.width)
  return jax.jit(pyramid_lib.pixels, static_argnums=1)(
    pyramid, canvas, np.zeros_like(row), row, column
  )


def _check_images(
  vectors: checks.Vectors,
  source: checks.Vectors,
  ws: jax.Array,
  rgb: jax.Array,
  canvas: pyramid_lib.Canvas,
) -> list[checks.Check]:
  results = []
  if 'out/rgb' in vectors:
    results += parity_generator.check_outputs(vectors, ws, rgb)
  whole = pyramid_lib.Canvas(canvas.size, (0, canvas.size[0]))
  for key, frame in (
    ('image_u8', canvas),
    ('image_full_u8', whole),
    ('image_crop_u8', canvas),
  ):
    if f'out/{key}' in vectors:
      theirs = vectors[f'out/{key}']
      image = frame.image(rgb)[: len(theirs) if theirs.ndim == 4 else 1]
      results.append(
        checks.compare_images(
          key.removesuffix('_u8').replace('_', ' '),
          pyramid_lib.to_uint8(image),
          theirs,
          image,
          parity_generator.rgb_error(source, rgb),
        )
      )
  return results


def _check_pixels(
  vectors: checks.Vectors,
  interpreter: ensemble.Interpreter,
  pyramid: pyramid_lib.FeaturePyramid,
  canvas: pyramid_lib.Canvas,
  error: float | None,
) -> list[checks.Check]:
  """Feature vectors of the first image, and what members say of them."""
  results = []
  for key, index in (
    ('features_px0', vectors.get('in/pixel_index')),
    ('features_crop_px', np.arange(canvas.height * canvas.width)),
  ):
    theirs = vectors.get(f'out/{key}')
    if theirs is None or index is None:
      continue
    x = pixels(pyramid, canvas, index)
    results.append(checks.compare('features', x, theirs, error))
    ours = jax.jit(
      lambda interpreter, x: parity_interpreter.our_statistics(
        small.logits(interpreter, x)
      )
    )(interpreter, x)
    if 'out/mean_softmax_px0' in vectors:
      theirs = vectors['out/mean_softmax_px0']
      results.append(
        checks.compare('mean_softmax', ours['mean_softmax'], theirs)
      )
    if 'out/votes' in vectors:
      theirs, margin = vectors['out/votes'], vectors['out/min_margin']
      results.append(
        checks.compare_labels('votes', ours['votes'], theirs, margin)
      )
  return results


def _check_labels(
  vectors: checks.Vectors, labels: part_segmentation.Labels, prefix: str
) -> list[checks.Check]:
  results = []
  for name, ours in (('js', labels.uncertainty), ('score', labels.score)):
    theirs = vectors[f'{prefix}{name}']
    ours = ours.ravel()[: theirs.size].reshape(theirs.shape)
    results.append(checks.compare(name, ours, theirs))
  theirs = vectors[f'{prefix}label']
  ours = labels.mask.ravel()[: theirs.size]
  margin = vectors[f'{prefix}min_margin']
  return [*results, checks.compare_labels('label', ours, theirs, margin)]


def _check_reduction(
  vectors: checks.Vectors,
  rgb: jax.Array,
  pyramid: pyramid_lib.FeaturePyramid,
  canvas: pyramid_lib.Canvas,
) -> list[checks.Check]:
  """Maps larger than the labels come down to their size, as 1024 to 512."""
  image = jax.jit(canvas.image)(rgb[:1])
  columns = jax.jit(pyramid_lib.hypercolumns, static_argnums=1)(pyramid, canvas)
  theirs = vectors.image('out/interp_features')
  return [
    checks.compare('reduced rgb', image, vectors.image('out/interp_rgb')),
    checks.compare('reduced features', columns, theirs),
    checks.compare_images(
      'reduced image',
      pyramid_lib.to_uint8(image),
      vectors['out/interp_image_u8'],
      image,
      checks.relative_error(vectors['out/interp_rgb']),
    ),
  ]
