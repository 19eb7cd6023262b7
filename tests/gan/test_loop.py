import dataclasses
import errno
import inspect
import json

import jax
import numpy as np
import pytest

from dgan_jax import errors, parallel, storage
from dgan_jax.checkpoints import pytrees, store
from dgan_jax.gan import data, loop, state, steps, training_log
from tests.gan import tiny

_OPTIONS = dataclasses.replace(tiny.OPTIONS, images=160, flip=True)
_SCHEDULE = training_log.Schedule(
  steps_per_report=5,
  images_per_evaluation=80,
  seconds_per_save=0,
  seconds_per_grid=1e9,
  grid_images=2,
)
_IMAGES = data.from_array(
  np.random.default_rng(0).integers(0, 256, (30, 8, 8, 3)).astype(np.uint8)
)


def _train(workdir, stop_at=None, fails_with=KeyboardInterrupt, **options):
  """Trains for 20 steps, or until `stop_at` images are shown."""

  def on_progress(done, total, metrics):
    assert total == 160
    if done == stop_at:
      raise fails_with

  loop.train(
    state.TrainConfig.of(
      tiny.GENERATOR,
      options.pop('discriminator', tiny.DISCRIMINATOR),
      dataclasses.replace(_OPTIONS, **options.pop('options', {})),
    ),
    options.pop('images', _IMAGES),
    workdir,
    schedule=dataclasses.replace(_SCHEDULE, **options.pop('schedule', {})),
    on_progress=on_progress,
    devices=jax.devices()[:1],
    **{'seed': 3, **options},
  )


@pytest.fixture(autouse=True, scope='module')
def compiled_once():
  """Trainings of the same settings share their programs: to compile them is
  most of the work."""
  spread, made = parallel.spread_step, {}

  def spread_step(function, devices):
    closed = inspect.getclosurevars(function).nonlocals
    config = closed['config']
    same = (
      *(closed['function'], config.generator, config.discriminator),
      *(config.options, jax.random.key_data(closed['key']).tobytes()),
    )
    if same not in made:
      made[same] = spread(function, devices)
    return made[same]

  with pytest.MonkeyPatch.context() as patch:
    patch.setattr(parallel, 'spread_step', spread_step)
    yield


@pytest.fixture(scope='module')
def undisturbed(tmp_path_factory):
  workdir = tmp_path_factory.mktemp('undisturbed')
  _train(workdir)
  return workdir


def _metrics(workdir):
  """By images shown, those that are no matter of time; the last of each."""
  lines = (workdir / 'gan' / 'metrics.jsonl').read_text().splitlines()
  values = {}
  for line in map(json.loads, lines):
    del line['time'], line['images_per_second']
    values[line['step']] = line
  return values


def _state(workdir):
  return pytrees.load(workdir / 'gan' / 'state')


def _assert_same(workdir, expected):
  found, wanted = _state(workdir), _state(expected)
  assert found.keys() == wanted.keys()
  for name, value in wanted.items():
    np.testing.assert_array_equal(found[name], value, err_msg=name)
  assert _metrics(workdir) == _metrics(expected)


def test_an_interrupted_training_goes_on_with_the_same_bits(
  tmp_path, undisturbed
):
  with pytest.raises(KeyboardInterrupt):
    _train(tmp_path, stop_at=80, schedule={'seconds_per_save': 1e9})
  assert _state(tmp_path)['step'] == 10
  _train(tmp_path)
  _assert_same(tmp_path, undisturbed)


def test_a_killed_training_goes_on_from_its_checkpoint(tmp_path, undisturbed):
  """Steps since then are done again."""
  schedule = {'images_per_evaluation': 40, 'seconds_per_save': 1e9}
  with pytest.raises(SystemExit):
    _train(tmp_path, stop_at=40, fails_with=SystemExit, schedule=schedule)
  schedule = {'images_per_evaluation': 10**6, 'seconds_per_save': 1e9}
  with pytest.raises(SystemExit):
    _train(tmp_path, stop_at=120, fails_with=SystemExit, schedule=schedule)
  assert _state(tmp_path)['step'] == 5
  _train(tmp_path)
  _assert_same(tmp_path, undisturbed)


def test_a_finished_training_is_left_alone(undisturbed):
  before = storage.sha256((undisturbed / 'gan' / 'metrics.jsonl').read_bytes())
  _train(undisturbed)
  after = storage.sha256((undisturbed / 'gan' / 'metrics.jsonl').read_bytes())
  assert before == after


def test_the_generator_is_written_as_every_command_reads_it(undisturbed):
  generator = store.load_generator(undisturbed / 'generator')
  assert generator.architecture == tiny.GENERATOR
  state = _state(undisturbed)
  np.testing.assert_array_equal(
    generator.params['synthesis']['to_rgb']['kernel'],
    state['g_ema.synthesis.to_rgb.kernel'],
  )
  np.testing.assert_array_equal(generator.w_avg[0], state['w_avg'])
  assert [x.shape[1] for x in generator.noise] == [4, 4, 8, 8]


def test_metrics_and_samples_are_there(undisturbed):
  metrics = _metrics(undisturbed)
  assert list(metrics) == [40, 80, 120, 160]
  assert metrics[40].keys() >= {
    *('generator_loss', 'discriminator_loss', 'real_logit', 'fake_logit'),
    *('r1', 'generator_gradient', 'discriminator_gradient', 'augment_p'),
  }
  sheets = [p.name for p in (undisturbed / 'gan' / 'samples').iterdir()]
  assert sorted(sheets) == [
    *('000000040.png', '000000080.png', '000000160.png')
  ]


class _Distance:
  """Gives the values one after the other."""

  def __init__(self, values, name='made up'):
    self._values, self.name = iter(values), name
    self.seen = []

  def __call__(self, generator):
    self.seen.append(np.asarray(generator.w_avg))
    return float(next(self._values))


def test_the_best_generator_is_kept_beside_the_last(tmp_path):
  distance = _Distance([5, 2, 3, 4])
  schedule = {'images_per_evaluation': 40}
  with pytest.raises(KeyboardInterrupt):
    _train(tmp_path, stop_at=80, distance=distance, schedule=schedule)
  _train(tmp_path, distance=distance, schedule=schedule)
  best = store.load_generator(tmp_path / 'best')
  last = store.load_generator(tmp_path / 'generator')
  np.testing.assert_array_equal(best.w_avg, distance.seen[1])
  np.testing.assert_array_equal(last.w_avg, distance.seen[3])
  assert [m['distance'] for m in _metrics(tmp_path).values()] == [5, 2, 3, 4]
  assert (tmp_path / 'gan' / 'distance.png').read_bytes().startswith(b'\x89PNG')


def test_evaluations_are_frequent_early_on(tmp_path):
  schedule = {'steps_per_report': 1, 'images_per_evaluation': 128}
  _train(tmp_path, distance=_Distance(range(99)), schedule=schedule)
  found = [shown for shown, m in _metrics(tmp_path).items() if 'distance' in m]
  assert found == [8, 16, 32, 64, 128, 160]


def test_distances_of_another_scale_are_forgotten(tmp_path):
  schedule = {'images_per_evaluation': 40}
  distance = _Distance([0.2, 0.1])
  with pytest.raises(KeyboardInterrupt):
    _train(tmp_path, stop_at=80, distance=distance, schedule=schedule)
  other = _Distance([30, 40], 'another')
  _train(tmp_path, distance=other, schedule=schedule)
  best = store.load_generator(tmp_path / 'best')
  np.testing.assert_array_equal(best.w_avg, other.seen[0])


@pytest.mark.parametrize(
  ('change', 'words'),
  [
    ({'options': {'r1_gamma': 2.0}}, r'options\.r1_gamma is 1\.0 there'),
    ({'seed': 4}, 'seed is 3 there and 4 now'),
    (
      {'discriminator': dataclasses.replace(tiny.DISCRIMINATOR, group_size=4)},
      r'discriminator\.group_size is 2 there and 4 now',
    ),
    (
      {'images': data.from_array(np.zeros((4, 8, 8, 3), np.uint8))},
      r'images\.count is 30 there and 4 now',
    ),
  ],
  ids=['options', 'seed', 'architecture', 'images'],
)
def test_another_training_in_the_same_folder_is_refused(
  undisturbed, change, words
):
  with pytest.raises(errors.UserError, match=words):
    _train(undisturbed, **change)


def test_images_of_another_size_are_refused(tmp_path):
  images = data.from_array(np.zeros((4, 16, 16, 3), np.uint8))
  with pytest.raises(errors.UserError, match='16 pixels a side'):
    _train(tmp_path, images=images)


def test_a_batch_that_the_devices_cannot_share_is_refused(tmp_path):
  with pytest.raises(errors.UserError, match='r1_batch is 3; expected a mult'):
    _train(tmp_path, options={'batch_size': 6, 'r1_batch': 3})


def test_a_training_that_diverges_says_where_and_saves_nothing(
  tmp_path, monkeypatch
):
  # Larger than options may ask for.
  monkeypatch.setattr(steps, 'learning_rate', lambda *_: np.float32(1e30))
  with pytest.raises(FloatingPointError, match='between steps 0 and 5'):
    _train(tmp_path, seed=4)  # no program that others share
  assert not (tmp_path / 'gan' / 'state').exists()


def test_a_full_disk_leaves_the_last_checkpoint(tmp_path, monkeypatch):
  with pytest.raises(KeyboardInterrupt):
    _train(tmp_path, stop_at=80)
  whole = _state(tmp_path)

  def full(*args):
    raise OSError(errno.ENOSPC, 'No space left on device')

  with monkeypatch.context() as patch:
    patch.setattr(pytrees.orbax_arrays, 'write', full)
    with pytest.raises(OSError, match='No space left'):
      _train(tmp_path)
  left = _state(tmp_path)
  for name, value in whole.items():
    np.testing.assert_array_equal(left[name], value)
