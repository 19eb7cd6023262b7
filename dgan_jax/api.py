"""The public functions; `import dgan_jax as dg` has them.

The examples go on from one to the next. What they train is trained for a
moment only.
"""

import dataclasses
import pathlib
import shutil
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any

import chex
import jax
import numpy as np

from dgan_jax import errors, parallel, progress, rng, storage, validation
from dgan_jax import samples as samples_lib
from dgan_jax import schema as schema_lib
from dgan_jax.annotations import folder as folder_lib
from dgan_jax.annotations import keypoint_file
from dgan_jax.checkpoints import opening, store
from dgan_jax.checkpoints.formats import npy, safetensors_format
from dgan_jax.checkpoints.origins import release_files
from dgan_jax.datasets import base, bundled
from dgan_jax.factory import export, labeller, run
from dgan_jax.generators import generator as generators
from dgan_jax.interpreter import ensemble, optimization, training
from dgan_jax.tasks import keypoints, part_segmentation
from dgan_jax.tasks import task as task_lib

Annotated = keypoint_file.Annotated
Generator = generators.Generator
Interpreter = ensemble.Interpreter
Samples = samples_lib.Samples
Sampling = generators.Sampling
UserError = errors.UserError

_ANNOTATIONS: Mapping[str, Callable[..., Annotated]] = {
  part_segmentation.PartSegmentation.kind: folder_lib.load,
  keypoints.Keypoints.kind: keypoint_file.load,
}


def load_generator(
  path: storage.PathLike = 'bundled',
  *,
  avg_latent: storage.PathLike | None = None,
  noise: storage.PathLike | None = None,
) -> Generator:
  """Reads a StyleGAN1 or StyleGAN2, whatever it is published in.

  Args:
    path: a .pkl, .pt or .safetensors of any origin in docs/formats.md; a
      folder of ours; or 'bundled', rendered cars of 64 px.
    avg_latent: .npy of the mean w, in place of the one in the file. Where
      there is none it is computed, from 8,000 latents; its last bits depend on
      the machine, so `save` the generator before images are painted.
    noise: .npz of constant noise maps noise0, noise1, ..., likewise.

  Raises:
    UserError: it is something else, damaged, or a network that does something
      that ours does not. Nothing in it is executed.

  Example:
    >>> generator = dg.load_generator('bundled')
    >>> generator.architecture.resolution
    64
  """
  return opening.generator(
    opening.open_checkpoint(bundled.path(path, bundled.GENERATOR)),
    avg_latent=None if avg_latent is None else npy.read_npy(avg_latent),
    noise=None if noise is None else npy.read_npz(noise),
  )


def load_schema(name_or_path: str) -> schema_lib.Schema:
  """Names and colours of parts: 'car_20' and its like, or a .json file.

  Raises:
    UserError: there is none.

  Example:
    >>> dg.load_schema('car_20').classes[:3]
    ('background', 'back_bumper', 'bumper')
  """
  return schema_lib.get_schema(name_or_path)


def load_annotations(
  folder: storage.PathLike,
  generator: Generator,
  *,
  task: str = 'part_segmentation',
  schema: schema_lib.Schema | None = None,
  sampling: Sampling | None = None,
  seed: int = 0,
) -> Annotated:
  """Reads a folder of annotated images: ours, or one of DatasetGAN's release.

  Args:
    folder: see docs/formats.md; or 'bundled', masks of 16 bundled cars.
    generator: that made the images.
    task: 'part_segmentation' reads masks, 'keypoints' keypoints.
    schema: what they mean; None: as the folder's schema.json says.
    sampling: how the images were drawn, for their size; None: as is usual.
    seed: of the noise, where the folder does not say with which noise its
      images were made (the release's do not).

  Returns:
    `masks` uint8 [n, height, width] or `keypoints` float32 [n, keypoints, 3],
    `latents` float32 [n, latent_size], and more.

  Raises:
    UserError: something in it does not fit; says what and where.

  Example:
    >>> annotations = dg.load_annotations('bundled', generator)
    >>> annotations.masks.shape
    (16, 64, 64)
  """
  if task not in _ANNOTATIONS:
    validation.refuse('task', task, ' or '.join(map(repr, _ANNOTATIONS)))
  architecture = generator.architecture
  sampling = sampling or generators.usual_sampling(generator)
  canvas = sampling.canvas(architecture)
  annotations = _ANNOTATIONS[task](
    bundled.path(folder, bundled.ANNOTATED),
    schema=schema,
    size=(canvas.height, canvas.width),
    latent_size=architecture.latent_size,
    num_ws=architecture.num_ws,
  )
  if annotations.generator_checksum not in ('', generators.checksum(generator)):
    raise UserError(
      f'The images of {folder} were made by another generator than this one; '
      'name the one that launch.sample was given.'
    )
  if annotations.noise_keys is not None:
    return annotations
  # The release keeps no record of the noise either: any will do.
  stream = rng.stream(rng.root_key(seed), 'annotated')
  keys = rng.sample_keys(stream, np.arange(len(annotations)))
  return dataclasses.replace(
    annotations, noise_keys=np.asarray(jax.random.key_data(keys))
  )


def sampling(generator: Generator, **fields: Any) -> Sampling:
  """How a generator draws: as is usual for it, but for what is said.

  Args:
    generator: uses its own noise maps if it has any.
    **fields: of `generators.generator.Sampling`: truncation_psi (0 draws the
      mean image, 1 from all of the distribution; usually 0.7),
      truncation_layers, noise ('const', 'random' or 'none'), rows (first, end
      of those kept), dtype, label (of a conditional generator).

  Raises:
    UserError: there is no such field, or the generator cannot draw so.

  Example:
    >>> dg.sampling(generator, truncation_psi=1.0).noise
    'const'
  """
  usual = vars(generators.usual_sampling(generator))
  return drawable('sampling', generator, {**usual, **fields})


def drawable(
  section: str, generator: Generator, fields: Mapping[str, Any]
) -> Sampling:
  """A `Sampling` of all its fields; what is refused is called a field of the
  section."""

  def make(**fields: Any) -> Sampling:
    made = Sampling(**fields)
    made.check_generator(generator)
    return made

  return validation.build(section, make, fields)


def train_interpreter(
  generator: Generator,
  annotations: Annotated,
  *,
  seed: int = 0,
  sampling: Sampling | None = None,
  on_images: Callable[[np.ndarray], None] | None = None,
  on_progress: progress.OnProgress | None = None,
  checkpoint: optimization.Checkpoint | None = None,
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
    checkpoint: makes training go on where it was killed.
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
    sampling = drawable('annotations: sampling', generator, fields)
  return training.train(
    generator,
    annotations,
    sampling,
    made,
    key=rng.stream(rng.root_key(seed), 'interpreter'),
    on_images=on_images,
    on_progress=on_progress,
    checkpoint=checkpoint,
  )


def sample(
  generator: Generator,
  indices: int | Iterable[int] | None = None,
  *,
  seed: int = 0,
  keys: chex.Array | None = None,
  z: chex.Array | None = None,
  ws: chex.Array | None = None,
  sampling: Sampling | None = None,
  on_progress: progress.OnProgress | None = None,
) -> Samples:
  """Draws images; which ones is said as for `label`.

  They are drawn one by one, so that each is the same to the bit whatever else
  is asked for.

  Example:
    >>> dg.sample(generator, 3, seed=7)
    <3 samples of 64 x 64 pixels, unlabelled>
  """
  given = samples_lib.origin(generator, indices, seed, keys, z, ws)
  sampling = sampling or generators.usual_sampling(generator)
  drawn = []
  for one in samples_lib.draw(generator, given, sampling):
    drawn.append(one)
    if on_progress:
      on_progress(len(drawn), len(given.key), {})
  latent, image = (np.stack(x) for x in zip(*drawn, strict=True))
  return Samples(image, latent, given.key, given.index)


def label(
  generator: Generator,
  interpreter: Interpreter,
  indices: int | Iterable[int] | None = None,
  *,
  seed: int = 0,
  keys: chex.Array | None = None,
  z: chex.Array | None = None,
  ws: chex.Array | None = None,
  sampling: Sampling | None = None,
) -> Samples:
  """Draws images and labels them, on all devices.

  Args:
    generator: draws them.
    interpreter: labels them.
    indices: of the samples of a seed, whole numbers below 2^32, or how many of
      the first. They are those that `generate` makes of the seed.
    seed: of the root key, below 2^32.
    keys: instead of indices, random keys [n], or their data uint32 [n, 2].
    z: instead, latents [n, latent_size], standard normal. Random noise is from
      `keys`, if given too, else from those of the samples 0 to n - 1.
    ws: likewise, w [n, latent_size], or of every layer [n, num_ws,
      latent_size]; used as they are, without truncation.
    sampling: how they are drawn; None: as is usual, and the rows that the
      interpreter labels.

  Returns:
    Arrays with a leading axis [n], which show themselves. The uncertainty is
    that of the dataset: 255 steps from 0 to the largest there can be.

  Raises:
    UserError: it is not said which, an array has another shape, or the
      interpreter belongs to another generator.

  Example:
    >>> cars = dg.label(generator, interpreter, indices=range(2))
    >>> cars
    <2 samples of 64 x 64 pixels, classes of 'car_20'>
    >>> cars.mask.shape, cars.uncertainty.shape, cars.score.shape
    ((2, 64, 64), (2, 64, 64), (2,))
    >>> cars.sheet().save('cars.png')
    >>> again = dg.label(generator, interpreter, z=cars.latent)
    >>> bool((again.mask == cars.mask).mean() > 0.99)
    True
  """
  given = samples_lib.origin(generator, indices, seed, keys, z, ws)
  job = _job(generator, interpreter, sampling, num_samples=1, seed=seed)
  run.check_fit(job, generators.checksum(generator))
  rows = list(_labelled(job, given))
  latent, image, key, labels, uncertainty, score = (
    jax.tree.map(lambda *x: np.stack(x), *(row[name] for row in rows))
    for name in ('latent', 'image', 'key', 'labels', 'uncertainty', 'score')
  )
  spec = interpreter.spec
  maximum = spec.task.uncertainty_maximum(spec.members)
  uncertainty = task_lib.from_uint8(uncertainty, maximum)
  return Samples(
    image, latent, key, given.index, labels, uncertainty, score, spec.task
  )


def _labelled(job: run.Job, given: samples_lib.Origin) -> Iterator[Any]:
  """The arrays of every sample, by name."""
  size = job.block_size
  if given.index is not None:
    devices = parallel.devices_for(len(set((given.index // size).tolist())))
    label = labeller.labeller(
      job.generator, job.interpreter, job.sampling, size, devices
    )
    for one in label(rng.root_key(job.options.seed), given.index.tolist()):
      yield {**vars(one), 'score': np.float32(one.score)}
    return
  tile_pixels = labeller.tile_size(job.generator, job.sampling)

  def block(state: Any, rows: Mapping[str, chex.Array]) -> dict[str, Any]:
    generator, interpreter = state
    return labeller.labelled_block(
      generator,
      interpreter,
      job.sampling,
      rng.key_from_data(rows['key']),
      tile_pixels,
      rows.get('latents'),
      given.space,
    )

  rows = {'key': given.key}
  if given.latents is not None:
    rows['latents'] = given.latents
  state = job.generator, job.interpreter
  devices = parallel.devices_for(-(-len(given.key) // size))
  run_blocks = parallel.map_items(block, state, size, devices)
  for count, arrays in run_blocks(rows):
    for row in range(count):
      yield jax.tree.map(lambda x, row=row: x[row], arrays)


def _job(
  generator: Generator,
  interpreter: Interpreter,
  how: Sampling | None,
  **options: Any,
) -> run.Job:
  """What makes samples; drawn as is usual, if it is not said how."""
  how = how or sampling(generator, rows=interpreter.spec.rows)
  made = validation.build('options', run.FactoryOptions, options)
  return run.Job(generator, interpreter, how, made)


def generate(
  generator: Generator,
  interpreter: Interpreter,
  num_samples: int,
  *,
  name: str,
  data_dir: storage.PathLike,
  seed: int = 0,
  sampling: Sampling | None = None,
  on_progress: progress.OnProgress | None = None,
  **options: Any,
) -> export.Dataset:
  """Makes a labelled dataset for TFDS, or goes on with making it.

  Args:
    generator: draws the images.
    interpreter: labels them.
    num_samples: in both splits together.
    name: of the dataset and its config, such as 'cars/mine'.
    data_dir: TFDS's folder of datasets.
    seed: of the root key; the samples are 0, 1, ... of this seed.
    sampling: how they are drawn; see `label`.
    on_progress: called with samples done, samples in all, and metrics.
    **options: of `factory.run.FactoryOptions`: first_index,
      uncertain_fraction, ...

  Returns:
    Where it is and what is in it. `tfds.data_source(name, data_dir=...)` reads
    it; `tfds.load` too, where TensorFlow is installed.

  Raises:
    UserError: there is one of that name, made from something else, or the
      interpreter belongs to another generator.
    OSError: the disk is full or read-only; the same call goes on from there.

  Example:
    >>> dataset = dg.generate(
    ...   generator, interpreter, 10, name='cars/mine', data_dir='data'
    ... )
    >>> {split: len(rows) for split, rows in dataset.splits.items()}
    {'train': 9, 'uncertain': 1}
    >>> import tensorflow_datasets as tfds
    >>> data = tfds.data_source('cars/mine', data_dir='data', split='train')
    >>> data[0]['image'].shape
    (64, 64, 3)
  """
  job = _job(
    generator,
    interpreter,
    sampling,
    num_samples=num_samples,
    seed=seed,
    **options,
  )
  dataset_name, _, config = name.partition('/')
  if not config:
    validation.refuse('name', name, "NAME/CONFIG, such as 'cars/mine'")
  card = base.card(dataset_name, config)
  folder = card.directory(data_dir)
  workdir = folder.parents[1] / f'.{card.config}-{card.version}.work'
  dataset = run.generate(
    job, card, workdir=workdir, data_dir=data_dir, on_progress=on_progress
  )
  shutil.rmtree(workdir, ignore_errors=True)
  return dataset


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
  elif pathlib.Path(path).suffix == '.safetensors':
    safetensors_format.write_generator(path, what)
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
  if (pathlib.Path(path) / 'checkpoint.json').is_file():
    return store.load_interpreter(path)
  files = release_files.member_files(str(path))
  if generator is None or schema is None:
    raise UserError(
      f'To read {path}, an interpreter of the release, takes its generator and '
      'its schema.'
    )
  return release_files.interpreter_for(generator, schema, files, rows=rows)
