import json
import sys

import pytest

from benchmarks import gan_training, torch_gan


def test_our_training_is_measured(quick, capsys):
  gan_training.main(
    [
      *('--channels=4,4', '--latent_size=4', '--batch_size=8'),
      *('--steps=2', '--rounds=1', '--json'),
    ]
  )
  result = json.loads(capsys.readouterr().out)
  speed = result['runs']['ours']
  assert all(speed[name] > 0 for name in ('step', 'penalty'))


def test_the_rate_counts_a_share_of_the_penalty():
  options = gan_training.state_lib.Options(batch_size=32, r1_interval=16)
  speed = gan_training.Speed(1.0, 16.0, 0.5, 8.0)
  assert speed.rate(options) == 16
  assert speed.cpu_rate(options) == 32


def test_pytorch_is_only_asked_for_by_an_option(monkeypatch):
  monkeypatch.setitem(sys.modules, 'torch', None)
  times = torch_gan.seconds_per_step(
    (4, 4), 4, 8, bfloat16=False, penalty=True, threads=1
  )
  with pytest.raises(ImportError):
    next(times)
