"""The way from a maker of samples to a dataset, and all that may go wrong."""

import errno
import functools
import itertools
import json
import multiprocessing
import os
import pathlib
import shutil
import subprocess
import sys
import time
from unittest import mock

import numpy as np
import pytest
import tensorflow_datasets as tfds

from dgan_jax import errors
from dgan_jax.factory import export, record_files, shards
from tests.factory import drive, fake

_ROOT = pathlib.Path(__file__).parents[2]


@pytest.fixture(scope='module')
def undisturbed(tmp_path_factory):
  folder = tmp_path_factory.mktemp('undisturbed')
  return folder, fake.make(folder)


@pytest.mark.parametrize(('already', 'count'), [(0, 6), (5, 9)])
def test_killed_at_any_file_operation_it_goes_on_to_the_same_bytes(
  tmp_path, already, count
):
  done = subprocess.run(
    [
      *(sys.executable, '-m', 'tests.factory.drive'),
      *(tmp_path, str(already), str(count)),
    ],
    cwd=_ROOT,
    capture_output=True,
    text=True,
    check=True,
  )
  digests = done.stdout.split()
  assert len(digests) > 25
  # Also what grew is what is made in one go.
  fake.make(tmp_path / 'here', num_samples=count)
  assert set(digests) == {drive.digest(tmp_path / 'here')}


def _refuse(indices):
  for index in indices:
    raise AssertionError(f'{index} is made again.')
  return ()


def _noting(made):
  def samples(indices):
    for sample in fake.samples(indices):
      made.append(sample.index)
      yield sample

  return samples


def test_a_finished_dataset_is_known_without_its_run(undisturbed, tmp_path):
  folder, dataset = undisturbed
  assert [path.name for path in (folder / 'run').iterdir()] == ['.lock']
  shutil.copytree(folder / 'data', tmp_path / 'data')
  again = fake.make(tmp_path, _refuse)
  np.testing.assert_array_equal(again.summary, dataset.summary)
  assert again.summary['score'].dtype == np.float32
  assert again.read(29)['index'] == 29
  assert drive.digest(tmp_path) == drive.digest(folder)


@pytest.mark.parametrize('formats', [['tfrecord'], ['array_record']])
def test_it_grows_by_the_samples_that_it_lacks(tmp_path, formats):
  fake.make(tmp_path, num_samples=10, formats=formats)
  made = []
  fake.make(
    tmp_path,
    _noting(made),
    formats=formats,
    num_samples=17,
    samples_per_shard=3,
  )
  assert made == list(range(10, 17))
  fake.make(tmp_path / 'at_once', num_samples=17, formats=formats)
  shutil.rmtree(tmp_path / 'run')
  (tmp_path / 'at_once' / 'run').rename(tmp_path / 'run')
  digest = drive.digest(tmp_path / 'at_once')
  shutil.rmtree(tmp_path / 'at_once')
  assert drive.digest(tmp_path) == digest
  with pytest.raises(errors.UserError, match='num_samples is 17 there and 16'):
    fake.make(tmp_path, formats=formats, num_samples=16)


@pytest.fixture
def shards_only(monkeypatch):
  """Makes the shards of a run, and stops there."""

  def make(folder, **options):
    with monkeypatch.context() as patch:
      patch.setattr(export, 'finish', mock.Mock(side_effect=KeyboardInterrupt))
      with pytest.raises(KeyboardInterrupt):
        fake.make(folder, **options)

  return make


def test_a_run_that_is_not_done_may_grow_too(tmp_path, shards_only):
  shards_only(tmp_path, num_samples=10)
  made = []
  fake.make(tmp_path, _noting(made), num_samples=13)
  assert made == list(range(8, 13))


def test_it_is_stored_once_in_each_format_asked_for(tmp_path):
  dataset = fake.make(tmp_path, formats=['tfrecord'])
  size = sum(p.stat().st_size for p in tmp_path.rglob('*') if p.is_file())
  assert size < 2 * dataset.summary['size'].sum()
  assert not list(tmp_path.rglob('*array_record*'))
  info = json.loads((dataset.directory / 'dataset_info.json').read_text())
  # TFDS before 4.9.7 reads no file that names these.
  assert 'alternativeFileFormats' not in info
  # Another format is written from what is there.
  both = fake.make(tmp_path, _refuse, formats=['array_record', 'tfrecord'])
  assert both.formats == ('tfrecord', 'array_record')
  source = tfds.builder_from_directory(both.directory).as_data_source('train')
  assert len(source) == 27
  with pytest.raises(errors.UserError, match=r"'riegeli'.*expected some of"):
    fake.make(tmp_path / 'other', formats=['riegeli'])


@pytest.mark.parametrize('name', ['samples.npy', '*-train.*'])
def test_a_dataset_that_cannot_be_read_is_made_again(
  undisturbed, tmp_path, caplog, name
):
  folder, _ = undisturbed
  shutil.copytree(folder / 'data', tmp_path / 'data')
  for path in tmp_path.rglob(name):
    path.write_bytes(path.read_bytes()[:-1])
  made = []
  fake.make(tmp_path, _noting(made))
  assert made == list(range(30))
  assert 'all of its samples are made again' in caplog.text
  shutil.copytree(folder / 'run', tmp_path / 'run', dirs_exist_ok=True)
  assert drive.digest(tmp_path) == drive.digest(folder)


def test_a_damaged_record_is_named_and_nothing_is_written(tmp_path):
  dataset = fake.make(tmp_path, num_samples=10)
  for path in dataset.directory.glob('*-train.tfrecord*'):
    data = bytearray(path.read_bytes())
    data[50] ^= 1
    path.write_bytes(data)
  before = drive.digest(tmp_path / 'data' / 'datasetgan_car' / 'fake')
  with pytest.raises(errors.UserError, match='has a damaged record'):
    fake.make(tmp_path, num_samples=12)
  assert drive.digest(dataset.directory)
  for path in dataset.directory.parent.glob('*.incomplete'):
    shutil.rmtree(path)
  assert before == drive.digest(dataset.directory.parent)


def test_a_dataset_that_came_meanwhile_is_not_replaced(tmp_path):
  def samples(indices):
    if not fake.CARD.directory(tmp_path / 'data').exists():
      fake.make(tmp_path / 'other', source={'maker': 'other'}, num_samples=5)
      (tmp_path / 'other' / 'data').rename(tmp_path / 'data')
    return fake.samples(indices)

  with pytest.raises(errors.UserError, match='maker is "other" there and'):
    fake.make(tmp_path, samples)
  directory = fake.CARD.directory(tmp_path / 'data')
  assert '"other"' in (directory / 'metadata.json').read_text()


def test_what_was_begun_for_another_dataset_goes_when_it_is_old(tmp_path):
  config = fake.CARD.directory(tmp_path / 'data').parent
  old, young = config / '.1.0.0.abc.incomplete', config / '.1.0.0.d.incomplete'
  for folder in (old, young):
    folder.mkdir(parents=True)
    (folder / 'file').touch()
  for path in (old / 'file', old):
    os.utime(path, (0, 0))
  fake.make(tmp_path, num_samples=4)
  assert not old.exists()
  assert young.exists()


def test_no_sample_is_lost_or_doubled(undisturbed):
  _, dataset = undisturbed
  builder = tfds.builder_from_directory(dataset.directory)
  indices = {
    split: [example['index'] for example in builder.as_data_source(split)]
    for split in ('train', 'uncertain')
  }
  assert sorted(itertools.chain(*indices.values())) == list(range(30))
  scores = np.array([fake.sample(i).score for i in range(30)])
  assert indices['uncertain'] == sorted(np.argsort(scores)[-3:])
  assert indices['train'] == sorted(indices['train'])
  assert [dataset.read(i)['index'] for i in range(30)] == list(range(30))
  with pytest.raises(IndexError, match='expected 0 to 29'):
    dataset.read(30)


def test_the_summary_counts_the_pixels_of_every_class(undisturbed):
  _, dataset = undisturbed
  counts = dataset.summary['counts'][dataset.splits['train']].sum(0)
  masks = np.stack(
    [fake.sample(i).labels['mask'] for i in dataset.splits['train']]
  )
  assert counts.tolist() == np.bincount(masks.ravel()).tolist()
  stored = json.loads((dataset.directory / 'metadata.json').read_text())
  assert list(stored['class_pixels']['train'].values()) == counts.tolist()


def test_grouping_into_shards_does_not_change_the_dataset(
  undisturbed, tmp_path
):
  _, dataset = undisturbed
  other = fake.make(tmp_path, samples_per_shard=7)
  for path in dataset.directory.glob('*record*'):
    assert path.read_bytes() == (other.directory / path.name).read_bytes()


def test_a_damaged_shard_is_made_again(undisturbed, tmp_path, shards_only):
  shards_only(tmp_path)
  path = sorted((tmp_path / 'run/shards').iterdir())[2]
  path.write_bytes(path.read_bytes()[:-20])
  made, done = [], []
  fake.make(
    tmp_path, _noting(made), on_progress=lambda count, *_: done.append(count)
  )
  assert made == [8, 9, 10, 11]
  assert done[-1] == 30
  assert drive.digest(tmp_path) == drive.digest(undisturbed[0])


def test_a_second_range_of_indices_makes_other_samples(tmp_path):
  dataset = fake.make(tmp_path, num_samples=10, first_index=30)
  indices = sorted(dataset.read(i)['index'] for i in range(10))
  assert indices == list(range(30, 40))


def test_without_a_share_there_is_no_uncertain_split(tmp_path):
  dataset = fake.make(tmp_path, num_samples=4, uncertain_fraction=0.0)
  info = json.loads((dataset.directory / 'dataset_info.json').read_text())
  assert [split['name'] for split in info['splits']] == ['train']


def test_large_splits_are_spread_over_files(tmp_path, monkeypatch):
  monkeypatch.setattr(export, '_FILE_BYTES', 5000)
  dataset = fake.make(tmp_path)
  files = list(dataset.directory.glob('*-train.tfrecord-*'))
  assert len(files) > 2
  assert [dataset.read(i)['index'] for i in range(30)] == list(range(30))


def test_a_run_with_other_settings_is_refused_and_changes_nothing(
  undisturbed,
):
  folder, _ = undisturbed
  before = drive.digest(folder)
  with pytest.raises(errors.UserError, match='seed is 0 there and 5 now'):
    fake.make(folder, seed=5)
  with pytest.raises(errors.UserError, match='uncertain_fraction is'):
    fake.make(folder, uncertain_fraction=0.2)
  assert drive.digest(folder) == before


def test_a_foreign_folder_of_the_same_name_is_refused(tmp_path):
  folder = fake.CARD.directory(tmp_path / 'data')
  folder.mkdir(parents=True)
  with pytest.raises(errors.UserError, match=r'metadata\.json'):
    fake.make(tmp_path)
  assert not (tmp_path / 'run').exists()


def test_progress_counts_up_to_the_end_and_includes_what_was_there(tmp_path):
  calls = []
  fake.make(tmp_path, on_progress=lambda *call: calls.append(call))
  assert [done for done, _, _ in calls] == list(range(1, 31))
  assert {total for _, total, _ in calls} == {30}
  scores = [fake.sample(i).score for i in range(30)]
  assert calls[-1][2]['score'] == pytest.approx(np.mean(scores))
  calls.clear()
  grown = functools.partial(fake.make, tmp_path, num_samples=33)
  grown(on_progress=lambda *call: calls.append(call))
  assert [done for done, _, _ in calls] == [31, 32, 33]


def _share(folder, process_index, made):
  def samples(indices):
    for sample in fake.samples(indices, seconds=0.01):
      made.put([sample.index])
      yield sample

  fake.make(folder, samples, process=(process_index, 2))


@pytest.mark.parametrize('second', [0, 1])
def test_two_processes_share_one_run(undisturbed, tmp_path, second):
  context = multiprocessing.get_context('spawn')
  made = context.SimpleQueue()
  processes = [
    context.Process(target=_share, args=(tmp_path, index, made))
    for index in (0, second)
  ]
  for process in processes:
    process.start()
  for process in processes:
    process.join()
    assert process.exitcode == 0
  indices = []
  while not made.empty():
    indices += made.get()
  assert sorted(indices) == list(range(30))
  assert drive.digest(tmp_path) == drive.digest(undisturbed[0])


def test_a_full_disk_is_named_and_what_was_finished_stays(
  undisturbed, tmp_path, monkeypatch
):
  written = []

  def frame(payload):
    written.append(payload)
    if len(written) > 12:
      raise OSError(errno.ENOSPC, 'No space left on device')
    return original(payload)

  original = shards.tfrecord.frame
  monkeypatch.setattr(shards.tfrecord, 'frame', frame)
  with pytest.raises(OSError, match='No space left') as caught:
    fake.make(tmp_path)
  assert 'samples-from-0000000008' in caught.value.filename
  names = [path.name for path in (tmp_path / 'run/shards').iterdir()]
  assert sorted(names) == [
    f'samples-from-000000000{i}.tfrecord' for i in (0, 4)
  ]
  monkeypatch.undo()
  fake.make(tmp_path)
  assert drive.digest(tmp_path) == drive.digest(undisturbed[0])


def test_a_disk_too_full_for_the_dataset_is_noticed_beforehand(
  tmp_path, monkeypatch
):
  usage = shutil.disk_usage(tmp_path)._replace(free=1000)
  monkeypatch.setattr(shutil, 'disk_usage', lambda path: usage)
  with pytest.raises(OSError, match='0 MiB are free'):
    fake.make(tmp_path)
  assert not list(tmp_path.rglob('*-of-*'))


def test_a_record_file_that_cannot_be_written_is_an_oserror(
  tmp_path, monkeypatch
):
  def fail(*arguments):
    raise RuntimeError('write() failed: No space left on device')

  module = record_files.array_record_module
  monkeypatch.setattr(module, 'ArrayRecordWriter', fail)
  with pytest.raises(OSError, match='No space left'):
    fake.make(tmp_path)
  assert not list(tmp_path.rglob('*-of-*'))


def test_an_error_of_the_device_ends_the_run_at_once(tmp_path):
  def samples(indices):
    yield fake.sample(next(iter(indices)))
    raise RuntimeError('out of memory')

  start = time.monotonic()
  with pytest.raises(RuntimeError, match='out of memory'):
    fake.make(tmp_path, samples)
  assert time.monotonic() - start < 5
  assert not (tmp_path / 'run/shards').exists()
