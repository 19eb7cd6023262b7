"""The way from a maker of samples to a dataset, and all that may go wrong."""

import errno
import itertools
import json
import multiprocessing
import pathlib
import shutil
import subprocess
import sys
import time

import numpy as np
import pytest

from dgan_jax import errors
from dgan_jax.factory import export, shards
from tests.factory import drive, fake

_ROOT = pathlib.Path(__file__).parents[2]


@pytest.fixture(scope='module')
def undisturbed(tmp_path_factory):
  folder = tmp_path_factory.mktemp('undisturbed')
  return folder, fake.make(folder)


def test_killed_at_any_file_operation_it_goes_on_to_the_same_bytes(tmp_path):
  done = subprocess.run(
    [sys.executable, '-m', 'tests.factory.drive', tmp_path],
    cwd=_ROOT,
    capture_output=True,
    text=True,
    check=True,
  )
  digests = done.stdout.split()
  assert len(digests) > 25
  fake.make(tmp_path / 'here', num_samples=6)
  assert set(digests) == {drive.digest(tmp_path / 'here')}


def test_no_sample_is_lost_or_doubled(undisturbed):
  _, dataset = undisturbed
  indices = {
    split: [
      example['index']
      for example in export.records.read(dataset.directory, split)
    ]
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
  counts = dataset.summary.counts[dataset.kept].sum(0)
  masks = np.stack([fake.sample(i).labels['mask'] for i in dataset.kept])
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


def test_a_damaged_shard_is_made_again(undisturbed, tmp_path):
  folder, _ = undisturbed
  shutil.copytree(folder / 'run', tmp_path / 'run')
  path = sorted((tmp_path / 'run/shards').iterdir())[2]
  path.write_bytes(path.read_bytes()[:-20])
  made = []

  def samples(indices):
    for sample in fake.samples(indices):
      made.append(sample.index)
      yield sample

  fake.make(tmp_path, samples)
  assert made == [8, 9, 10, 11]
  assert drive.digest(tmp_path) == drive.digest(folder)


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
  fake.make(tmp_path, on_progress=lambda *call: calls.append(call))
  assert calls[-1][0] == 30
  assert len(calls) == 8  # one per shard


def _share(folder, process_index, made):
  def samples(indices):
    for sample in fake.samples(indices, seconds=0.01):
      made.put([sample.index])
      yield sample

  fake.make(folder, samples, process_index=process_index, process_count=2)


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
  assert 'samples-00002-of-00008' in caught.value.filename
  names = [path.name for path in (tmp_path / 'run/shards').iterdir()]
  assert sorted(names) == [f'samples-0000{i}-of-00008.tfrecord' for i in (0, 1)]
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
  config = fake.CARD.directory(tmp_path / 'data').parent
  assert not list(config.iterdir())


def test_a_record_file_that_cannot_be_written_is_an_oserror(
  tmp_path, monkeypatch
):
  def fail(*arguments):
    raise RuntimeError('write() failed: No space left on device')

  module = export.array_record_module
  monkeypatch.setattr(module, 'ArrayRecordWriter', fail)
  with pytest.raises(OSError, match='No space left'):
    fake.make(tmp_path)
  config = fake.CARD.directory(tmp_path / 'data').parent
  assert not list(config.iterdir())


def test_an_error_of_the_device_ends_the_run_at_once(tmp_path):
  def samples(indices):
    yield fake.sample(next(iter(indices)))
    raise RuntimeError('out of memory')

  start = time.monotonic()
  with pytest.raises(RuntimeError, match='out of memory'):
    fake.make(tmp_path, samples)
  assert time.monotonic() - start < 5
  assert not (tmp_path / 'run/shards').exists()
