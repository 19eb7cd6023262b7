"""The pixel classifiers of DatasetGAN's release: to our ensemble, and back."""

import dataclasses
import glob
import operator
import pathlib
import re
from collections.abc import Sequence
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from dgan_jax import errors, pyramid, schema, storage
from dgan_jax.checkpoints.formats import torch_format, torch_writer, untrusted
from dgan_jax.checkpoints.origins import known_origins
from dgan_jax.checkpoints.origins import state_dict as state_dict_lib
from dgan_jax.generators import generator as generators
from dgan_jax.interpreter import ensemble
from dgan_jax.tasks import part_segmentation

_ORIGIN = f'a network of {known_origins.RELEASE_TITLE}'
_MEMBER = re.compile(r'model_[0-9]+\.pth\Z')


def interpreter_from_release(
  state_dicts: Sequence[state_dict_lib.StateDict],
  *,
  feature_channels: Sequence[int] | None = None,
  sources: Sequence[str] | None = None,
  **spec: Any,
) -> ensemble.Interpreter:
  """The release's pixel classifiers (`model_0.pth`, ...) as one ensemble.

  Args:
    state_dicts: one per member.
    feature_channels: of every level of the generator's pyramid; None: of one
      level, as many as the first member takes.
    sources: what to call the members in errors.
    **spec: more fields of `ensemble.InterpreterSpec`, of the generator.

  Raises:
    errors.UserError: a member is no such classifier, differs from the first
      in shape, or takes another number of features.
  """
  if not state_dicts:
    raise errors.UserError('An interpreter needs one member at least.')
  sources = sources or [f'Member {i}' for i in range(len(state_dicts))]
  members = [state_dict_lib.without_prefix(member) for member in state_dicts]
  features, *sizes = (
    state_dict_lib.size_of(
      members[0], f'layers.{i}.weight', 'oi', axis, sources[0], _ORIGIN
    )
    for i, axis in ((0, 'i'), (0, 'o'), (3, 'o'), (6, 'o'))
  )
  feature_channels = feature_channels or [features]
  entries = state_dict_lib.member_entries(sum(feature_channels), sizes)
  params = [
    state_dict_lib.to_params(member, entries, source)
    for member, source in zip(members, sources, strict=True)
  ]
  return ensemble.Interpreter(
    spec=ensemble.InterpreterSpec(
      feature_channels=tuple(feature_channels),
      task=part_segmentation.unnamed(sizes[2]),
      hidden=(sizes[0], sizes[1]),
      members=len(members),
      **spec,
    ),
    params=jax.tree.map(lambda *leaves: jnp.stack(leaves), *params),
  )


def interpreter_for(
  generator: generators.Generator,
  labels: schema.Schema,
  paths: Sequence[str],
  *,
  rows: tuple[int, int] | None = None,
) -> ensemble.Interpreter:
  """Reads `model_N.pth` files, one per member, as the interpreter of a
  generator, for image rows (first, end) or all.

  Raises:
    errors.UserError: a file is damaged, or they don't fit together.
  """
  architecture = generator.architecture
  try:
    pyramid.Canvas.of(architecture.resolution, rows)
  except ValueError as error:
    raise errors.UserError(str(error)) from None
  budget = untrusted.Budget()
  interpreter = interpreter_from_release(
    [torch_format.read_checkpoint(p, budget).state_dict for p in paths],
    feature_channels=architecture.feature_channels,
    sources=paths,
    generator_checksum=generators.checksum(generator),
    resolution=architecture.resolution,
    rows=rows,
  )
  if interpreter.spec.num_outputs != labels.num_classes:
    raise errors.UserError(
      f'{paths[0]} labels {interpreter.spec.num_outputs} classes; the schema '
      f'{labels.name!r} has {labels.num_classes}.'
    )
  task = part_segmentation.PartSegmentation(labels)
  spec = dataclasses.replace(interpreter.spec, task=task)
  return ensemble.Interpreter(spec, interpreter.params)


def member_files(pattern: str) -> list[str]:
  """The files of an ensemble in the order of their numbers, of a folder of
  `model_0.pth`, `model_1.pth`, ..., or of a glob pattern.

  Raises:
    errors.UserError: there are none.
  """
  place = storage.path(pattern)
  paths = members_in(place) if place.is_dir() else glob.glob(str(place))
  if not paths:
    expected = 'expected model_0.pth, model_1.pth, ...'
    raise errors.UserError(f'{pattern} has no files; {expected}')
  return sorted(paths, key=_by_number)


def members_in(folder: pathlib.Path) -> list[str]:
  """The files of an ensemble in a folder, in the order of their numbers."""
  found = (str(p) for p in folder.iterdir() if _MEMBER.match(p.name))
  return sorted(found, key=_by_number)


def _by_number(path: str) -> list[str]:
  """Numbers by value: model_10 comes after model_9."""
  return [part.zfill(9) for part in re.split('([0-9]+)', path)]


def interpreter_to_release(
  interpreter: ensemble.Interpreter,
) -> list[dict[str, np.ndarray]]:
  """One state dict per member, as the release saves them."""
  spec = interpreter.spec
  sizes = (*spec.hidden, spec.num_outputs)
  entries = state_dict_lib.member_entries(spec.num_features, sizes)
  members = []
  for i in range(spec.members):
    params = jax.tree.map(operator.itemgetter(i), interpreter.params)
    arrays = state_dict_lib.from_params(params, entries)
    members.append({f'module.{key}': value for key, value in arrays.items()})
  return members


def write_members(
  folder: storage.PathLike, interpreter: ensemble.Interpreter
) -> list[pathlib.Path]:
  """Writes model_0.pth, model_1.pth, ... for the release's code.

  Raises:
    OSError: the folder cannot be written, or the disk is full.
  """
  folder = storage.path(folder)
  folder.mkdir(parents=True, exist_ok=True)
  paths = []
  for i, member in enumerate(interpreter_to_release(interpreter)):
    paths.append(folder / f'model_{i}.pth')
    torch_writer.write(paths[-1], member, wrapper='model_state_dict')
  return paths
