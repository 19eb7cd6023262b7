"""The loop on a training of one number, which halves at every step."""

import json
import signal

import flax.struct
import numpy as np
import pytest

from dgan_jax import errors, storage
from dgan_jax.checkpoints import pytrees
from dgan_jax.training import loop, run_folder

_STEPS = 10
_LENGTH = {'steps_per_report': 4, 'unit': 'images', 'unit_size': 3}


@flax.struct.dataclass
class _State:
  step: np.int32
  x: np.float32


_START = _State(np.int32(0), np.float32(2**20))


def _advance(state, batch):
  x = state.x * batch
  return _State(np.int32(state.step + 1), np.float32(x)), {'loss': x}


def _batches(first):
  return ((step + 1, 0.5) for step in range(first, _STEPS))


def _run(tmp_path, advance=_advance, **options):
  """(state at the end, {units: metrics} of every report)."""
  seen = {}

  def on_progress(done, total, metrics):
    assert total == 30
    seen[done] = metrics

  with run_folder.RunFolder(tmp_path, {'a': 1}) as folder:
    state, _ = folder.restore(_START)
    options = {**_LENGTH, 'on_progress': on_progress, **options}
    training = loop.Loop(_STEPS, folder=folder, **options)
    end = training.run(advance, _batches, state)
  return end, seen


def _saved(tmp_path):
  return pytrees.load(tmp_path / 'state')['step']


def test_reports_are_means_since_the_last_and_there_is_one_at_the_end(tmp_path):
  end, seen = _run(tmp_path)
  assert (end.step, end.x) == (10, 2**10)
  losses = 2.0 ** np.arange(19, 9, -1)
  expected = {12: losses[:4], 24: losses[4:8], 30: losses[8:]}
  assert seen == {done: {'loss': x.mean()} for done, x in expected.items()}
  text = (tmp_path / 'metrics.jsonl').read_text()
  lines = [json.loads(line) for line in text.splitlines()]
  assert [line['step'] for line in lines] == [12, 24, 30]
  assert [line['loss'] for line in lines] == [
    metrics['loss'] for metrics in seen.values()
  ]
  assert all(line['images_per_second'] > 0 for line in lines)
  assert _saved(tmp_path) == 10


@pytest.mark.parametrize(
  ('number', 'end', 'status'),
  [
    (signal.SIGTERM, SystemExit, 143),
    (signal.SIGINT, KeyboardInterrupt, None),
  ],
)
def test_a_signal_ends_it_after_the_step_and_it_goes_on_there(
  tmp_path, number, end, status
):
  finished = []

  def advance(state, batch):
    if state.step == 6:
      signal.raise_signal(number)
      finished.append(True)
    return _advance(state, batch)

  before = signal.getsignal(number)
  with pytest.raises(end) as caught:
    _run(tmp_path, advance)
  assert getattr(caught.value, 'code', None) == status
  assert finished
  assert signal.getsignal(number) is before
  assert _saved(tmp_path) == 7
  state, seen = _run(tmp_path)
  assert (state.step, state.x) == (10, 2**10)
  assert list(seen) == [24, 30]


def test_a_second_interrupt_does_not_wait_and_saves_no_half_step(tmp_path):
  def advance(state, batch):
    if state.step == 6:
      signal.raise_signal(signal.SIGINT)
      signal.raise_signal(signal.SIGINT)
    return _advance(state, batch)

  with pytest.raises(KeyboardInterrupt):
    _run(tmp_path, advance)
  assert not (tmp_path / 'state').exists()


def test_a_metric_that_is_not_finite_names_itself_and_the_steps(tmp_path):
  def advance(state, batch):
    state, metrics = _advance(state, batch)
    worst = np.inf if state.step == 6 else 1
    return state, {**metrics, 'real_logit': worst}

  with pytest.raises(
    FloatingPointError, match='real logit is not finite between steps 4 and 8'
  ):
    _run(tmp_path, advance)


def test_a_state_that_is_not_finite_is_not_saved(tmp_path):
  def advance(state, batch):
    state, metrics = _advance(state, batch)
    x = np.float32(np.nan) if state.step == 10 else state.x
    return state.replace(x=x), metrics

  _run(tmp_path, advance, observe=lambda state, step: {} if step == 4 else None)
  assert _saved(tmp_path) == 4


def test_what_is_observed_is_reported_and_saved_with_its_facts(tmp_path):
  facts = {}

  def observe(state, step):
    assert state.step == step
    facts['score'] = step
    return {'score': step} if step == 8 else None

  def stop(done, total, metrics):
    assert ('score' in metrics) == (done == 24)
    if done == 24:
      raise OSError('as good as killed')

  with pytest.raises(OSError, match='killed'):
    _run(tmp_path, observe=observe, facts=lambda: facts, on_progress=stop)
  assert _saved(tmp_path) == 8
  with run_folder.RunFolder(tmp_path, {'a': 1}) as folder:
    state, kept = folder.restore(_START)
  assert (state.step, kept['score']) == (8, 8)


def test_what_is_done_early_is_done_after_a_kill_too(tmp_path):
  done = lambda state: state.x < 2**17  # noqa: E731
  for _ in range(2):
    end, _ = _run(tmp_path, steps_per_report=1, is_done=done)
    assert end.step == 4
    pytrees.save(tmp_path / 'state', end)


def test_another_training_and_a_damaged_checkpoint_are_refused(tmp_path):
  _run(tmp_path)
  with pytest.raises(errors.UserError, match='a is 1 there and 2 now'):
    run_folder.RunFolder(tmp_path, {'a': 2})
  path = tmp_path / 'state' / pytrees.FILE
  storage.write_json(path, {**storage.read_json(path), 'sha256': 'x'})
  with pytest.raises(errors.UserError, match='not what was saved'):
    _run(tmp_path)


def test_a_checkpoint_goes_when_there_is_a_result(tmp_path):
  _run(tmp_path)
  with run_folder.RunFolder(tmp_path, {'a': 1}) as folder:
    folder.forget_state()
    assert folder.restore(_START) == (_START, {})
  assert not run_folder.is_finished(tmp_path / 'state')
