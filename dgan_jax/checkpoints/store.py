"""Our own checkpoints of generators and interpreters; see `pytrees`."""

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from dgan_jax import errors, storage
from dgan_jax.checkpoints import generator_file, pytrees
from dgan_jax.checkpoints.formats import untrusted
from dgan_jax.checkpoints.origins import state_dict
from dgan_jax.generators import generator as generators
from dgan_jax.interpreter import ensemble
from dgan_jax.tasks import kinds


def save_generator(
  directory: storage.PathLike,
  generator: generators.Generator,
  dtype: str = 'float32',
) -> None:
  """Writes a generator; see `pytrees.save`. 'float16' is for a folder half the
  size, that is read as `rounded(generator, 'float16')`."""
  generator = rounded(generator, dtype)
  pytrees.save(
    directory,
    jax.tree.map(lambda x: np.asarray(x, dtype), generator.arrays()),
    {
      'kind': 'generator',
      'architecture': generators.architecture_to_json(generator.architecture),
      'noise': generator.noise is not None,
      'dtype': dtype,
      'checksum': generators.checksum(generator),
    },
  )


def rounded(
  generator: generators.Generator, dtype: str
) -> generators.Generator:
  """The generator, float32, with the values that it has in another type."""
  return jax.tree.map(
    lambda x: jnp.asarray(np.asarray(x, dtype), jnp.float32), generator
  )


def load_generator(directory: storage.PathLike) -> generators.Generator:
  """Reads a generator, float32 however it is stored.

  Raises:
    errors.UserError: there is none, or it is damaged.
  """
  metadata = _metadata_of(directory, 'generator')
  file = storage.path(directory) / pytrees.FILE
  fields = metadata.get('architecture')
  architecture = generator_file.architecture_from(fields, str(file))
  noise, dtype = metadata.get('noise'), metadata.get('dtype', 'float32')
  if not isinstance(noise, bool) or dtype not in ('float32', 'float16'):
    raise errors.UserError(
      f'{file} has the type {untrusted.shown(dtype)} and noise '
      f'{untrusted.shown(noise)}; expected float32 or float16, true or false.'
    )
  like = jax.tree.map(
    lambda x: jax.ShapeDtypeStruct(x.shape, np.dtype(dtype)),
    generators.shapes(architecture, noise),
  )
  stored = pytrees.load(directory, like, untrusted.Budget())
  tree = jax.tree.map(lambda x: jnp.asarray(x, jnp.float32), stored)
  return generators.Generator(architecture=architecture, **tree)


def save_interpreter(
  directory: storage.PathLike, interpreter: ensemble.Interpreter
) -> None:
  """Writes an interpreter; see `pytrees.save`."""
  pytrees.save(
    directory,
    interpreter.params,
    {
      'kind': 'interpreter',
      'spec': interpreter.spec.to_json(),
      'checksum': ensemble.checksum(interpreter),
    },
  )


def load_interpreter(directory: storage.PathLike) -> ensemble.Interpreter:
  """Reads an interpreter.

  Raises:
    errors.UserError: there is none, or it is damaged.
  """
  metadata = _metadata_of(directory, 'interpreter')
  with untrusted.refusing(storage.path(directory) / pytrees.FILE):
    fields = dict(metadata['spec'])
    task = kinds.from_json(fields.pop('task'))
    spec = untrusted.record(ensemble.InterpreterSpec, fields, task=task)
  shapes = _interpreter_shapes(spec)
  stored = pytrees.load(directory, shapes, untrusted.Budget())
  return ensemble.Interpreter(spec, jax.tree.map(jnp.asarray, stored))


def _interpreter_shapes(spec: ensemble.InterpreterSpec) -> dict[str, Any]:
  """The shapes of an interpreter's parameters, stacked over the members."""
  sizes = (*spec.hidden, spec.num_outputs)
  entries = state_dict.member_entries(spec.num_features, sizes)
  return jax.tree.map(
    lambda one: jax.ShapeDtypeStruct((spec.members, *one.shape), one.dtype),
    state_dict.param_shapes(entries),
  )


def _metadata_of(directory: storage.PathLike, kind: str) -> dict[str, Any]:
  metadata = pytrees.load_metadata(directory)
  if metadata.get('kind') != kind:
    raise errors.UserError(
      f'{directory} holds a checkpoint of kind '
      f'{untrusted.shown(metadata.get("kind"))!r}; expected {kind!r}.'
    )
  return metadata
