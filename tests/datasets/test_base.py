import dataclasses
import pathlib
import pickle

import pytest
import tensorflow_datasets as tfds

from dgan_jax import datasets, errors
from dgan_jax.datasets import base
from dgan_jax.factory import run
from tests.factory import fake


class FakeGoats(base.LabelledGanBuilder):
  """Goats made of noise."""

  BUILDER_CONFIGS = (
    base.GanConfig(
      name='small', description='Small goats.', layout=fake.LAYOUT
    ),
  )
  LICENSE = 'None'

  def job(self, workdir):
    assert workdir.parent == pathlib.Path(self.data_dir_root) / 'fake_goats'
    options = run.FactoryOptions(num_samples=30, samples_per_shard=4)
    return fake.Job(None, None, options)


class FakeGenerate:
  """Stands in for `run.generate`: the fake maker in place of a generator."""

  def __init__(self) -> None:
    self.calls = 0
    self.make_samples = fake.samples
    self._generate = run.generate

  def __call__(self, job, card, **arguments):
    self.calls += 1
    job = dataclasses.replace(job, make_samples=self.make_samples)
    return self._generate(job, card, **{'process': (0, 1), **arguments})


@pytest.fixture
def generate(monkeypatch):
  generate = FakeGenerate()
  monkeypatch.setattr(run, 'generate', generate)
  tfds.disable_progress_bar()
  return generate


def _indices(source):
  return [int(example['index']) for example in source]


def test_all_builders_are_known_by_name(tmp_path):
  kinds = [kind for kind in vars(datasets).values() if isinstance(kind, type)]
  assert len(kinds) == 6
  for kind in kinds:
    builder = kind(data_dir=tmp_path)
    assert tfds.builder_cls(builder.name) is kind
    assert not builder.is_prepared()
    assert builder.info.description
    assert builder.info.features['segmentation_mask'].num_classes > 10
  assert not list(tmp_path.iterdir())


def test_where_nothing_is_prepared_it_is_generated(tmp_path, generate):
  sources = tfds.data_source('fake_goats', data_dir=tmp_path)
  indices = _indices(sources['train']) + _indices(sources['uncertain'])
  assert sorted(indices) == list(range(30))
  again = tfds.data_source('fake_goats', data_dir=tmp_path, split='train')
  assert _indices(again) == _indices(sources['train'])
  assert generate.calls == 1
  # The run folder is gone, what remains is TFDS's and a lock.
  names = {path.name for path in (tmp_path / 'fake_goats').iterdir()}
  assert names == {'small', '.config', '.lock'}


def test_the_info_of_a_generated_dataset_is_complete(tmp_path, generate):
  builder = FakeGoats(data_dir=tmp_path)
  before = builder.info
  builder.download_and_prepare()
  for info in (before, FakeGoats(data_dir=tmp_path).info):
    assert info.splits['train'].num_examples == 27
    assert info.description == 'Goats made of noise.'
    assert info.config_description == 'Small goats.'
    assert 'zhang2021datasetgan' in info.citation
    assert info.redistribution_info.license == 'None'
    assert info.features['segmentation_mask'].names[1] == 'body'
    assert info.metadata['made_from']['maker'] == 'fake'


def test_interrupted_it_goes_on_where_it_was(tmp_path, generate):
  made: list[int] = []

  def samples(indices):
    for sample in fake.samples(indices):
      if sample.index == stop:
        raise KeyboardInterrupt
      made.append(sample.index)
      yield sample

  generate.make_samples = samples
  stop = 20
  with pytest.raises(KeyboardInterrupt):
    FakeGoats(data_dir=tmp_path).download_and_prepare()
  assert not FakeGoats(data_dir=tmp_path).is_prepared()
  stop = -1
  FakeGoats(data_dir=tmp_path).download_and_prepare()
  assert sorted(set(made)) == list(range(30))
  assert len(made) < 20 + 30


def test_it_is_generated_anew_on_request(tmp_path, generate):
  FakeGoats(data_dir=tmp_path).download_and_prepare()
  again = tfds.download.DownloadConfig(
    download_mode=tfds.GenerateMode.REUSE_CACHE_IF_EXISTS
  )
  FakeGoats(data_dir=tmp_path).download_and_prepare(download_config=again)
  assert generate.calls == 2


def test_a_builder_survives_pickling(tmp_path, generate):
  builder = FakeGoats(data_dir=tmp_path, file_format='array_record')
  builder.download_and_prepare()
  copy = pickle.loads(pickle.dumps(builder))
  assert _indices(copy.as_data_source('uncertain')) == [4, 13, 18]


def test_a_dataset_of_other_sizes_is_read_as_what_it_is(tmp_path, generate):
  card = base.card('datasetgan_face', 'face_34')
  fake.make(tmp_path, card=card)
  builder = tfds.builder('datasetgan_face', data_dir=tmp_path / 'data')
  assert isinstance(builder, datasets.DatasetganFace)
  assert builder.info.features['image'].shape == (8, 16, 3)
  assert builder.as_data_source('train')[0]['image'].shape == (8, 16, 3)


@pytest.mark.parametrize(
  ('name', 'words'),
  [
    ('datasetgan_face', ['celebahq-1024x1024.for_g_all.pt', 'face_34.py']),
    ('datasetgan_cat', ['cats-256x256.for_g_all.pt', 'cat_16.py']),
    ('datasetgan_bird', ['a StyleGAN1 of birds', 'bird_11.py']),
    ('datasetgan_bedroom', ['bedrooms-256x256', 'bedroom_19.py']),
    ('datasetgan_car/car_20', ['cars-512x384.for_g_all.pt', 'car_20.py']),
  ],
)
def test_without_a_generator_it_says_what_to_do(tmp_path, name, words):
  with pytest.raises(errors.UserError) as caught:
    tfds.data_source(name, data_dir=tmp_path)
  message = str(caught.value)
  assert '\n' not in message
  for word in [*words, str(tmp_path), 'python -m launch.generate']:
    assert word in message
  assert not list(tmp_path.iterdir())


def test_a_card_has_the_texts_of_its_builder():
  card = base.card('fake_goats', 'large')
  assert (card.name, card.config) == ('fake_goats', 'large')
  assert card.description == 'Goats made of noise.'
  assert base.card('fake_goats', 'small').config_description == 'Small goats.'
  assert base.card('never_heard_of', 'x').citation == base.PAPER


def test_every_config_has_the_licence_of_its_generator():
  assert base.card('datasetgan_car', 'rendered_64').license == 'Apache-2.0'
  assert 'non-commercial' in base.card('datasetgan_car', 'car_20').license
  assert 'non-commercial' in base.card('datasetgan_face', 'face_34').license
  assert 'generator' in base.card('datasetgan_car', 'mine').license
