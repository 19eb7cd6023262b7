import json
import sys

import numpy as np
import pytest

from benchmarks import gan_training


def test_our_training_is_measured(quick, capsys):
  gan_training.main(
    [
      *('--channels=4,4', '--latent_size=4', '--batch_size=8'),
      *('--steps=2', '--rounds=1', '--json'),
    ]
  )
  result = json.loads(capsys.readouterr().out)
  (row,) = result['rows']
  assert all(row[name] > 0 for name in ('images/s', 's/step', 's/penalty'))


def test_the_rate_counts_a_share_of_the_penalty():
  options = gan_training.state_lib.Options(batch_size=32, r1_interval=16)
  seconds = np.array([[1.0, 0.5], [16.0, 8.0]])
  rates = gan_training.images_per_second(seconds, options)
  assert rates.tolist() == [16, 32]


def test_pytorch_is_only_asked_for_by_an_option(monkeypatch):
  monkeypatch.setitem(sys.modules, 'torch', None)
  options = gan_training.state_lib.Options(batch_size=8, r1_batch=4)
  with pytest.raises(ImportError):
    gan_training.measure('PyTorch', (4, 4), 4, options, 1)
