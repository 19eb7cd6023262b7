"""The builder that the labelled datasets share.

A dataset of one's own takes ten lines, in a module of a package (TFDS looks
at the folder around it):

  class MyGoats(base.LabelledGanBuilder):
    \"\"\"Goats in 5 parts.\"\"\"

    BUILDER_CONFIGS = (
      base.GanConfig(
        name='128',
        layout=base.Layout(128, 128, 512, base.parts('goats/schema.json')),
      ),
    )

    def job(self, workdir):
      return base.Job(
        base.GeneratorSource(
          store.load_generator('goats/generator'),
          base.Sampling(truncation_psi=0.7),
        ),
        store.load_interpreter('goats/interpreter'),
        base.FactoryOptions(num_samples=5000),
      )

After an import of that module, `tfds.load('my_goats')` makes the dataset on
first use. Datasets written by `launch.generate` need no class at all.
"""

import contextlib
import dataclasses
import inspect
import os
import pathlib
import shutil
from collections.abc import Iterator, Sequence
from typing import Any, ClassVar

import tensorflow_datasets as tfds
from tensorflow_datasets.core import dataset_builder, dataset_info
from tensorflow_datasets.core.utils import tqdm_utils

from dgan_jax import errors, progress
from dgan_jax import schema as schema_lib
from dgan_jax.factory import export, records, run, source
from dgan_jax.generators import generator
from dgan_jax.tasks import part_segmentation

# What a dataset's module needs, in one place.
Layout = records.Layout
Job = run.Job
FactoryOptions = run.FactoryOptions
GeneratorSource = source.GeneratorSource
Sampling = generator.Sampling


def parts(schema: str) -> part_segmentation.PartSegmentation:
  """The task of labelling the parts of a schema: its name, or a .json file."""
  return part_segmentation.PartSegmentation(schema_lib.get_schema(schema))


PAPER = """@inproceedings{zhang2021datasetgan,
  title={{DatasetGAN}: Efficient Labeled Data Factory with Minimal Human
    Effort},
  author={Zhang, Yuxuan and Ling, Huan and Gao, Jun and Yin, Kangxue and
    Lafleche, Jean-Francois and Barriuso, Adela and Torralba, Antonio and
    Fidler, Sanja},
  booktitle={CVPR},
  year={2021}
}"""


@dataclasses.dataclass(eq=False, kw_only=True)
class GanConfig(tfds.core.BuilderConfig):
  """One size and generator of a dataset."""

  # Used while nothing is prepared; what is on disk speaks for itself.
  layout: records.Layout
  license: str = ''  # of the generated data, if not the builder's
  recipe: str = ''  # what to do where it is missing and `job` has nothing


class LabelledGanBuilder(
  dataset_builder.FileReaderBuilder,
  skip_registration=True,  # type: ignore[call-arg]
):
  """Reads a generated dataset, and generates it where there is none.

  A subclass has a docstring (the description), BUILDER_CONFIGS and `job`.
  Both record formats are always written, so that `tfds.load` and
  `tfds.data_source` both work.
  """

  BUILDER_CONFIGS: ClassVar[Sequence[GanConfig]] = ()
  VERSION = tfds.core.Version('1.0.0')
  CITATION = PAPER  # BibTeX
  LICENSE = 'That of the generator and the annotations it was made with.'
  HOMEPAGE = ''  # an address

  def __init__(self, *, file_format: Any = None, **kwargs: Any):
    """See `tfds.core.DatasetBuilder`; `file_format` changes nothing.

    `tfds.data_source` sets it, and TFDS would refuse any format but the first
    of those a dataset is stored in.
    """
    del file_format
    super().__init__(**kwargs)

  def job(self, workdir: pathlib.Path) -> run.Job:
    """What to generate; asked for only where the dataset is missing. `workdir`
    is for what is costly to make twice.

    Raises:
      errors.UserError: there is nothing to generate from.
    """
    raise errors.UserError(
      f'{self.info.full_name} is not in {self.data_dir_root}, and no generator '
      f'comes with it. {self.builder_config.recipe}'.rstrip()
    )

  def card(self) -> records.Card:
    """Name and texts."""
    return _card(
      type(self), self.name, self.builder_config.name, str(self.version)
    )

  def download_and_prepare(
    self,
    *,
    download_dir: str | os.PathLike[str] | None = None,
    download_config: tfds.download.DownloadConfig | None = None,
    file_format: Any = None,
    permissions: Any = None,
  ) -> None:
    """Generates the dataset if it isn't there: the generator is the download.

    Interrupted, it goes on where it stopped when called again. The arguments
    are those of TFDS; of them, only the download mode in `download_config` is
    heeded.

    Raises:
      errors.UserError: there is nothing to generate from.
      OSError: the disk is full or read-only.
    """
    del download_dir, file_format, permissions
    if download_config and download_config.download_mode.overwrite_dataset:
      shutil.rmtree(self.data_dir, ignore_errors=True)
    if self.is_prepared():
      return
    card = self.card()
    workdir = card.workdir(self.data_dir_root)
    job = self.job(workdir)
    description = f'Generating {self.info.full_name}'
    with progress_bar(description, 'samples') as on_progress:
      run.generate(
        job,
        card,
        workdir=workdir,
        data_dir=self.data_dir_root,
        on_progress=on_progress,
      )
    if card.config == type(self).default_builder_config.name:
      export.set_default_config(self.data_dir_root, card)
    shutil.rmtree(workdir, ignore_errors=True)
    self.info.read_from_directory(self.data_dir)

  def _info(self) -> tfds.core.DatasetInfo:
    if self.is_prepared():
      return dataset_info.DatasetInfo.from_proto(
        self, dataset_info.read_proto_from_builder_dir(self.data_dir)
      )
    return records.info(self, self.card(), self.builder_config.layout)

  def _download_and_prepare(self, **kwargs: Any) -> None:
    raise NotImplementedError('See download_and_prepare.')


def card(name: str, config: str, version: str = '1.0.0') -> records.Card:
  """Name and texts of a dataset, from its builder if it has one."""
  builders = {
    builder.name: builder for builder in LabelledGanBuilder.__subclasses__()
  }
  return _card(builders.get(name, LabelledGanBuilder), name, config, version)


def _card(
  builder: type[LabelledGanBuilder], name: str, config: str, version: str
) -> records.Card:
  configs = {item.name: item for item in builder.BUILDER_CONFIGS}
  known = configs.get(config)
  return records.Card(
    name=name,
    config=config,
    version=version,
    description=inspect.getdoc(builder) or '',
    config_description=(known.description if known else None) or '',
    citation=builder.CITATION,
    license=(known.license if known else '') or builder.LICENSE,
    homepage=builder.HOMEPAGE,
  )


@contextlib.contextmanager
def progress_bar(description: str, unit: str) -> Iterator[progress.OnProgress]:
  """A bar as TFDS shows them, unless `tfds.disable_progress_bar` was called."""
  with tqdm_utils.tqdm(desc=description, unit=f' {unit}') as bar:
    shown = 0

    def on_progress(done: int, total: int, metrics: Any) -> None:
      nonlocal shown
      del metrics
      bar.total = total
      bar.update(done - shown)
      shown = done

    yield on_progress
