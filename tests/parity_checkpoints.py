"""Checkpoints that lie beside their vectors, `<stem>.pkl` or `<stem>.pt`
beside `<stem>.expected.npz`."""

import dataclasses
import pathlib
from collections.abc import Mapping
from typing import Any

import jax
import numpy as np

from dgan_jax.checkpoints import opening
from dgan_jax.generators import generator as generators
from dgan_jax.generators import stylegan1
from tests import parity_checks as checks

_SUFFIX = '.expected.npz'
_PREFIXES = ('sd/', 'sd_G_ema/')


def beside(vectors: checks.Vectors) -> pathlib.Path | None:
  """The checkpoint that a file is about, or None if it is about none."""
  name = vectors.path.name
  if not name.endswith(_SUFFIX):
    return None
  stem = vectors.path.parent / name.removesuffix(_SUFFIX)
  paths = [stem.with_name(stem.name + end) for end in ('.pkl', '.pt')]
  return next((path for path in paths if path.exists()), None)


def weights(vectors: checks.Vectors) -> dict[str, np.ndarray]:
  """The state dict that a file holds; empty if it holds none."""
  groups = (vectors.group(prefix) for prefix in _PREFIXES)
  return next((group for group in groups if group), {})


def generator(
  vectors: checks.Vectors, path: pathlib.Path | None = None
) -> tuple[generators.Generator, list[checks.Check]]:
  """The generator of a file, and whether a checkpoint has its weights.

  Args:
    vectors: the file.
    path: the checkpoint; None: the one beside the file, if there is one.

  Raises:
    errors.UserError: the checkpoint cannot be read.
    KeyError: neither a state dict nor a checkpoint is there.
  """
  path, arrays = path or beside(vectors), weights(vectors)
  avg_latent = vectors.get('in/mean_latent')
  found = []
  if path is not None:
    found.append(opening.open_checkpoint(path))
  if arrays:
    source, settings = vectors.path.name, _settings(vectors)
    found.append(opening.open_arrays(arrays, settings, source=source))
  if not found:
    raise KeyError('sd/')
  made = opening.generator(found[0], avg_latent=avg_latent)
  results = []
  if len(found) == 2:
    own = opening.generator(found[1], avg_latent=avg_latent)
    results.append(_compare_weights(made, own))
  if vectors.meta.get('noise_mode') == 'none':
    made = dataclasses.replace(made, noise=None)
  return made, results


def check_stylegan1(
  vectors: checks.Vectors, path: pathlib.Path | None = None
) -> list[checks.Check]:
  """An official StyleGAN1, with the constant of either implementation."""
  found, results = generator(vectors, path)
  architecture = found.architecture
  assert isinstance(architecture, stylegan1.StyleGAN1)
  sampling = generators.Sampling(
    float(vectors['in/psi']), int(vectors['in/cutoff'])
  )

  @jax.jit(static_argnums=1)
  def run(found: generators.Generator, eps: float) -> Any:
    ws = generators.styles(found, vectors['in/z'], sampling, 'z')
    network = dataclasses.replace(architecture, instance_norm_eps=eps)
    return ws, network.synthesize(found.params, ws, found.noise)[0]

  for key, eps in (
    ('out/rgb_official_tf_eps1e-8', 1e-8),
    ('out/rgb_datasetgan_eps1e-5', 1e-5),
  ):
    ws, rgb = run(found, eps)
    quantity = key.removeprefix('out/')
    results.append(checks.compare(quantity, rgb, vectors.image(key)))
  theirs = vectors['out/w_trunc']
  return [checks.compare('w_trunc', ws, theirs), *results]


def _settings(vectors: checks.Vectors) -> dict[str, Any]:
  """What a pickle would say beside a state dict, from a file's `meta`."""
  given = vectors.meta.get('init_kwargs', {})
  settings = {f'_init_kwargs.{k}': v for k, v in _flat(given).items()}
  synthesis = given.get('synthesis_kwargs', {})
  for key in weights(vectors):
    block, _, rest = key.removeprefix('synthesis.').partition('.')
    if not key.startswith('synthesis.') or not rest:
      continue
    prefix = f'synthesis.{block}'
    architecture = synthesis.get('architecture', 'skip')
    settings[f'{prefix}.architecture'] = architecture
    layer = rest.split('.')[0]
    if layer in ('conv0', 'conv1', 'torgb'):
      clamp = synthesis.get('conv_clamp')
      settings[f'{prefix}.{layer}.conv_clamp'] = clamp
  return settings


def _flat(nested: Mapping[str, Any]) -> dict[str, Any]:
  flat: dict[str, Any] = {}
  for key, value in nested.items():
    if isinstance(value, Mapping):
      flat |= {f'{key}.{k}': v for k, v in _flat(value).items()}
    else:
      flat[key] = value
  return flat


def _compare_weights(
  read: generators.Generator, expected: generators.Generator
) -> checks.Check:
  """Counts the weights and noise maps that are not bit by bit the same."""
  trees = [(g.params, g.w_avg, g.noise) for g in (read, expected)]
  shapes = [jax.tree.map(np.shape, tree) for tree in trees]
  if shapes[0] != shapes[1]:
    raise checks.MismatchError(
      f'The checkpoint is a {read.architecture}; expected '
      f'{expected.architecture}.'
    )
  differ = jax.tree.map(lambda a, b: int((a != b).sum()), *trees)
  return checks.Check('weights read', sum(jax.tree.leaves(differ)), 0)
