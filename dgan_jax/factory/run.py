"""The whole job: from a generator and an interpreter to a TFDS dataset."""

import dataclasses
import functools
import math
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from dgan_jax import errors, parallel, progress, rng, storage, validation
from dgan_jax import workdir as workdir_lib
from dgan_jax.factory import dataset as dataset_lib
from dgan_jax.factory import (
  export,
  labeller,
  record_files,
  records,
  workers,
)
from dgan_jax.factory import shards as shards_lib
from dgan_jax.factory import source as source_lib
from dgan_jax.interpreter import ensemble

# Raised when the same run would give other bytes than before.
_FORMAT = 2

# To make a dataset while other processes make smaller ones of it.
_ATTEMPTS = 3


@dataclasses.dataclass(frozen=True)
class FactoryOptions:
  """How many samples, which ones, and how they are grouped.

  Attributes:
    num_samples: in both splits together.
    first_index: global index of the first; a second run that begins where the
      first ended makes other samples of the same distribution.
    seed: of the root key.
    samples_per_shard: what at most is lost when a run is killed; best whole
      blocks, as a block that two shards share may be computed for each.
    block_size: samples computed as one array; part of the run's identity, as
      float sums may depend on it. 0: what suits the devices.
    uncertain_fraction: the share that goes to the split 'uncertain'.
  """

  num_samples: validation.Count
  first_index: validation.Index = 0
  seed: validation.Index = 0
  samples_per_shard: validation.Count = 256
  block_size: validation.Whole = 0
  uncertain_fraction: validation.ShareBelow1 = 0.1

  def __post_init__(self) -> None:
    validation.check(self)
    # Refuses indices that no key can fold in.
    shards_lib.Plan(self.first_index, self.num_samples, self.samples_per_shard)


@dataclasses.dataclass(frozen=True)
class Job:
  """Everything that the samples follow from."""

  source: source_lib.Source
  interpreter: ensemble.Interpreter
  options: FactoryOptions

  @property
  def block_size(self) -> int:
    """Samples computed as one array."""
    pixels = math.prod(self.source.canvas.size)
    return self.options.block_size or parallel.block_size(pixels)

  def layout(self) -> records.Layout:
    """The shapes and labels of the dataset."""
    canvas, spec = self.source.canvas, self.interpreter.spec
    size, latent_size = (canvas.height, canvas.width), self.source.latent_size
    return records.Layout(*size, latent_size, spec.task, spec.members)

  def maker(self) -> tuple[dict[str, Any], workers.MakeSamples]:
    """What makes the samples: JSON values that change when they do, and a pure
    function of their indices.

    Raises:
      errors.UserError: the interpreter belongs to another source.
    """
    self.source.check_fit(self.interpreter.spec)
    identity = {
      **self.source.identity(),
      'interpreter': ensemble.checksum(self.interpreter),
      'schema': self.interpreter.spec.task.schema.name,
      **parallel.platform(),
    }
    label = labeller.labeller(self.source, self.interpreter, self.block_size)
    return identity, functools.partial(label, rng.root_key(self.options.seed))


def generate(
  job: Job,
  card: records.Card,
  *,
  workdir: storage.PathLike,
  data_dir: storage.PathLike,
  formats: Sequence[str] = record_files.FORMATS,
  on_progress: progress.OnProgress | None = None,
  process: tuple[int, int] | None = None,
) -> dataset_lib.Dataset:
  """Makes a labelled dataset, or goes on with making it.

  Several processes may do this at once with the same arguments, each on its
  own devices; all return when the dataset is there. A dataset that is there
  with fewer samples grows: only the others are made, and the split is made
  anew.

  Args:
    job, card: what to make, its name and texts.
    workdir: for the shards, which go when the dataset is finished.
    data_dir: TFDS's folder of datasets.
    formats: kinds of files that the dataset is stored in.
    on_progress: see `workers.fill`.
    process: the number of this process, and how many share the run; None: as
      JAX says.

  Raises:
    errors.UserError: the folders hold something made from something else, or
      the interpreter belongs to another source.
    OSError: the disk is full or read-only. Finished shards stay, and the same
      call goes on from there.
  """
  process = process or (parallel.process_index(), parallel.process_count())
  source, make_samples = job.maker()
  made_from = _identity(job, source)
  target = dataset_lib.Target(
    card.directory(data_dir),
    card,
    job.layout(),
    _provenance(job.options, made_from, formats),
  )
  run = _Run(
    target, job.options, made_from, make_samples, workdir, process, on_progress
  )
  dataset = dataset_lib.find(target)  # before any work is done
  for attempts_left in reversed(range(_ATTEMPTS)):
    if dataset and dataset.provenance == target.provenance:
      break
    try:
      run.complete(dataset)
    except FileNotFoundError:  # Others have finished a part, and tidied up.
      if not attempts_left:
        raise
    dataset = dataset_lib.find(target)
  else:
    raise errors.UserError(f'{target.directory} changes all the time.')
  run.shards().remove()
  export.set_default_config(data_dir, card, replace=False)
  return dataset


def _identity(job: Job, source: Mapping[str, Any]) -> dict[str, Any]:
  """All that the bytes of a sample depend on, and which is the first."""
  layout = job.layout()
  return {
    **source,
    'format': _FORMAT,
    'image_size': [layout.height, layout.width],
    'latent_size': layout.latent_size,
    **layout.metadata(),
    'seed': job.options.seed,
    'block_size': job.block_size,
    'first_index': job.options.first_index,
  }


def _provenance(
  options: FactoryOptions, made_from: Mapping[str, Any], formats: Sequence[str]
) -> dict[str, Any]:
  """See `dataset.Target.provenance`."""
  provenance = {
    **made_from,
    'num_samples': options.num_samples,
    'uncertain_fraction': options.uncertain_fraction,
    'formats': record_files.in_order(formats),
  }
  return storage.as_json(provenance)


@dataclasses.dataclass(frozen=True)
class _Run:
  """The making of a dataset, in a run folder."""

  target: dataset_lib.Target
  options: FactoryOptions
  made_from: Mapping[str, Any]
  make_samples: workers.MakeSamples
  workdir: storage.PathLike
  process: tuple[int, int]
  on_progress: progress.OnProgress | None

  def shards(self, num_stored: int = 0) -> shards_lib.Shards:
    """Its shards, where so many samples are stored already."""
    size = self.options.samples_per_shard
    plan = shards_lib.Plan(
      self.options.first_index, self.options.num_samples, size, num_stored
    )
    return shards_lib.Shards(self.workdir, plan, self._identity)

  @property
  def _identity(self) -> dict[str, Any]:
    size = self.options.samples_per_shard
    return {**self.made_from, 'samples_per_shard': size}

  def complete(self, there: dataset_lib.Dataset | None) -> None:
    """Makes the dataset of what is there and what is missing."""
    shards = self.shards(len(there.summary) if there else 0)
    layout = self.target.layout
    encoder = records.Encoder(layout.features())

    def encode(sample: records.LabelledSample) -> shards_lib.Record:
      counts = tuple(layout.task.counts(sample.labels).tolist())
      payload = encoder(layout.example(sample))
      return shards_lib.Record(payload, float(sample.score), counts)

    workdir_lib.open_run(self.workdir, self._identity)
    with workdir_lib.Locks(self.workdir) as locks:
      made = workers.fill(
        shards,
        locks,
        self.make_samples,
        encode,
        is_finished=functools.partial(dataset_lib.is_finished, self.target),
        process=self.process,
        on_progress=self.on_progress,
      )
    if made is not None:
      stored = [there.summary] if there else []
      summary = np.concatenate([*stored, *made])
      files = list(shards.files(made))
      export.finish(self.target, there, files, summary, self.process)
