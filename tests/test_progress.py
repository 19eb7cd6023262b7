import json
import pathlib

import pytest
from tensorboardX.proto import event_pb2

from dgan_jax import progress


class _Clock:
  def __init__(self):
    self.seconds = 100.0

  def __call__(self):
    return self.seconds


def _lines(folder):
  text = (pathlib.Path(folder) / 'metrics.jsonl').read_text()
  return [json.loads(line) for line in text.splitlines()]


def test_the_first_line_promises_no_rate():
  state = progress.Progress(300, 'samples', clock=_Clock())
  assert state.update(0) == '0/300 samples'


def test_rate_and_time_left_come_from_the_counts():
  clock = _Clock()
  state = progress.Progress(300, 'samples', clock=clock)
  state.update(0)
  clock.seconds += 10
  assert state.update(20) == '20/300 samples  2/s  2:20 left'


def test_slow_work_is_told_in_seconds_for_each():
  clock = _Clock()
  state = progress.Progress(1000, 'samples', clock=clock)
  state.update(0)
  clock.seconds += 40
  assert state.update(10) == '10/1000 samples  4 s each  1:06:00 left'


def test_what_a_resumed_run_finds_done_does_not_speed_up_the_rate():
  clock = _Clock()
  state = progress.Progress(300, 'samples', clock=clock)
  state.update(280)
  clock.seconds += 10
  assert state.update(290).startswith('290/300 samples  1/s  0:10 left')


def test_the_rate_forgets_a_slow_start():
  clock = _Clock()
  state = progress.Progress(1000, 'steps', clock=clock)
  state.update(0)
  clock.seconds += 100  # compilation
  state.update(1)
  for done in range(2, 60):
    clock.seconds += 1
    line = state.update(done)
  assert '1/s' in line


def test_the_last_line_gives_the_time_in_all_and_the_metrics():
  clock = _Clock()
  state = progress.Progress(2, 'steps', clock=clock)
  state.update(0)
  clock.seconds += 61
  line = state.update(2, loss=0.123456)
  assert 'left' not in line
  assert line.endswith('1:01 in all  loss 0.1235')


def test_metrics_are_one_json_object_a_line(tmp_path):
  with progress.MetricWriter(tmp_path / 'new') as writer:
    writer.write(1, {'loss': 0.5})
    writer.write(2, {'loss': 0.25, 'accuracy': 1})
  first, second = _lines(tmp_path / 'new')
  assert first['step'] == 1
  assert first['loss'] == 0.5
  assert second['accuracy'] == 1.0
  assert second['time'] >= first['time'] > 1.6e9


def test_a_resumed_run_appends_and_drops_a_half_written_line(tmp_path):
  with progress.MetricWriter(tmp_path) as writer:
    writer.write(1, {'loss': 0.5})
  with open(tmp_path / 'metrics.jsonl', 'a') as file:
    file.write('{"step": 2, "lo')
  with progress.MetricWriter(tmp_path) as writer:
    writer.write(2, {'loss': 0.25})
  assert [line['step'] for line in _lines(tmp_path)] == [1, 2]


def test_tensorboard_gets_the_same_values(tmp_path):
  with progress.MetricWriter(tmp_path) as writer:
    writer.write(7, {'loss': 0.5})
  (path,) = tmp_path.glob('events.out.tfevents.*')
  assert (7, 'loss', pytest.approx(0.5)) in list(_events(path))


def _events(path):
  """(step, tag, value) of each scalar; a record is its length in 8 bytes, a
  checksum in 4, the data, a checksum in 4."""
  data = path.read_bytes()
  while data:
    size = int.from_bytes(data[:8], 'little')
    event = event_pb2.Event.FromString(data[12 : 12 + size])
    for value in event.summary.value:
      yield event.step, value.tag, value.simple_value
    data = data[16 + size :]
