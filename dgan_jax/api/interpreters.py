"""Interpreters: trained, written and read."""

from collections.abc import Callable
from typing import Any

import numpy as np

from dgan_jax import errors, progress, rng, storage, validation
from dgan_jax import schema as schema_lib
from dgan_jax.api import reading
from dgan_jax.checkpoints import generator_file, store
from dgan_jax.checkpoints.origins import release_files
from dgan_jax.generators import generator as generators
from dgan_jax.interpreter import ensemble, training
from dgan_jax.training import run_folder

Generator = generators.Generator
Interpreter = ensemble.Interpreter
Sampling = generators.Sampling


def train_interpreter(
  generator: Generator,
  annotations: reading.Annotated,
  *,
  seed: int = 0,
  sampling: Sampling | None = None,
  on_images: Callable[[np.ndarray], None] | None = None,
  on_progress: progress.OnProgress | None = None,
  folder: run_folder.RunFolder | None = None,
  **options: Any,
) -> Interpreter:
  """Trains the pixel classifiers that label what the generator draws.

  With 16 masks of 64 px this takes half a minute on two cores.

  Args:
    generator: that made the annotated images.
    annotations: see `load_annotations`.
    seed: of initial weights and batches.
    sampling: how the images were drawn; None: as the annotations say, or as is
      usual.
    on_images: gets the images drawn, uint8 [n, height, width, 3].
    on_progress: called with steps done, steps in all, and the losses.
    folder: keeps metrics and makes training go on where it was killed.
    **options: of `interpreter.training.TrainingOptions`: members, steps, mode,
      soft_voting, dropout, ...

  Raises:
    UserError: there is no such option, or the labels are of other images.
    FloatingPointError: the loss is not finite.

  Example:
    >>> interpreter = dg.train_interpreter(
    ...   generator, annotations, members=2, steps=25
    ... )
    >>> interpreter.spec.task.schema.name
    'car_20'
  """
  made = validation.build('options', training.TrainingOptions, options)
  if sampling is None:
    usual = vars(generators.usual_sampling(generator))
    fields = {**usual, **annotations.sampling}
    sampling = reading.drawable('annotations: sampling', generator, fields)
  return training.train(
    generator,
    annotations,
    sampling,
    made,
    key=rng.stream(rng.root_key(seed), 'interpreter'),
    on_images=on_images,
    on_progress=on_progress,
    folder=folder,
  )


def save(path: storage.PathLike, what: Generator | Interpreter) -> None:
  """Writes a generator or an interpreter, as the commands read them.

  Args:
    path: a folder, whose former content is replaced when all is written; or,
      of a generator, a .safetensors file.
    what: is written.

  Raises:
    UserError: it is something else.
    OSError: the disk is full or read-only.

  Example:
    >>> dg.save('cars/interpreter', interpreter)
    >>> dg.save('cars/generator', generator)
  """
  if isinstance(what, Interpreter):
    store.save_interpreter(path, what)
  elif not isinstance(what, Generator):
    expected = 'a generator or an interpreter'
    validation.refuse('what', type(what).__name__, expected)
  elif storage.path(path).suffix == '.safetensors':
    generator_file.write(path, what)
  else:
    store.save_generator(path, what)


def load_interpreter(
  path: storage.PathLike,
  generator: Generator | None = None,
  *,
  schema: schema_lib.Schema | None = None,
  rows: tuple[int, int] | None = None,
) -> Interpreter:
  """Reads an interpreter that `save`, a command or the release wrote.

  Args:
    path: a folder of ours; or a folder (or a pattern) of the release's
      model_0.pth, model_1.pth, ..., for which the rest is needed.
    generator: that it belongs to.
    schema: of its labels.
    rows: (first, end) of the image rows that it labels; None: all.

  Raises:
    UserError: there is none, it is damaged, or it does not fit the generator.

  Example:
    >>> dg.load_interpreter('cars/interpreter').spec.members
    2
  """
  if (storage.path(path) / 'checkpoint.json').is_file():
    return store.load_interpreter(path)
  files = release_files.member_files(str(path))
  if generator is None or schema is None:
    raise errors.UserError(
      f'To read {path}, an interpreter of the release, takes its generator and '
      'its schema.'
    )
  return release_files.interpreter_for(generator, schema, files, rows=rows)
