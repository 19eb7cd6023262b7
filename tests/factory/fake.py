"""A maker of samples that needs no generator."""

import dataclasses
import pathlib
import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

import numpy as np

from dgan_jax import progress, schema
from dgan_jax.factory import dataset as dataset_lib
from dgan_jax.factory import record_files, records, run, workers
from dgan_jax.tasks import part_segmentation

LAYOUT = records.Layout(
  8,
  16,
  4,
  part_segmentation.PartSegmentation(
    schema.Schema.from_json(
      {'name': 'fake', 'classes': ['background', 'body', 'wheel']}
    )
  ),
)
CARD = records.Card(
  'datasetgan_car',
  'fake',
  description='Noise.',
  citation='@misc{fake}',
  license='None',
  homepage='https://example.org',
)
SOURCE = {'maker': 'fake'}


def sample(index: int) -> records.LabelledSample:
  """Sample `index`, a function of that number alone."""
  random = np.random.default_rng(index)
  return records.LabelledSample(
    index=index,
    origin={
      'key': random.integers(0, 2**32, 2, np.uint32),
      'latent': random.standard_normal(4, np.float32),
    },
    image=random.integers(0, 256, (8, 16, 3), np.uint8),
    labels={'mask': random.integers(0, 3, (8, 16), np.uint8)},
    uncertainty=(256 * random.random((8, 16), np.float32)).astype(np.uint8),
    score=random.random(dtype=np.float32),
  )


def samples(
  indices: Iterable[int], seconds: float = 0.0
) -> Iterator[records.LabelledSample]:
  """The samples with these indices, `seconds` apart."""
  for index in indices:
    time.sleep(seconds)
    yield sample(index)


@dataclasses.dataclass(frozen=True)
class Job(run.Job):
  """One that needs no source and no interpreter."""

  make_samples: workers.MakeSamples = samples
  made_by: Mapping[str, Any] = dataclasses.field(default_factory=SOURCE.copy)
  block_size = 0

  def layout(self):
    return LAYOUT

  def maker(self):
    return self.made_by, self.make_samples


def make(
  folder: pathlib.Path,
  make_samples: workers.MakeSamples = samples,
  *,
  process: tuple[int, int] = (0, 1),
  on_progress: progress.OnProgress | None = None,
  card: records.Card = CARD,
  formats: Sequence[str] = record_files.FORMATS,
  source: Mapping[str, Any] = SOURCE,
  **options: Any,
) -> dataset_lib.Dataset:
  """A dataset in `folder/data` by a run in `folder/run`."""
  nothing: Any = None
  settings = {'num_samples': 30, 'samples_per_shard': 4} | options
  return run.generate(
    Job(nothing, nothing, run.FactoryOptions(**settings), make_samples, source),
    card,
    workdir=folder / 'run',
    data_dir=folder / 'data',
    formats=formats,
    process=process,
    on_progress=on_progress,
  )
