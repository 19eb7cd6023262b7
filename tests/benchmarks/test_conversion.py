import json
import sys

import jax
import pytest

from benchmarks import common, conversion, models
from dgan_jax.checkpoints import opening
from dgan_jax.generators import stylegan2


@pytest.fixture
def small(monkeypatch):
  architecture = stylegan2.StyleGAN2(
    16, (6, 5, 4), 8, mapping_layers=2, conv_clamp=256
  )
  monkeypatch.setattr(models, 'architecture', lambda *_: architecture)
  return architecture


def test_the_checkpoint_is_one_of_stylegan2_ada(small, tmp_path):
  path = tmp_path / 'network.pkl'
  parameters = conversion.write_pickle(path, 16, ['G', 'D', 'G_ema'])
  opened = opening.open_checkpoint(path)
  assert opened.architecture == small
  assert opened.network == 'G_ema'
  assert len(opened.others) == 2
  assert len(opened.noise) == 5
  made = models.random_generator(16, 'StyleGAN2')
  assert parameters == sum(x.size for x in jax.tree.leaves(made.params))


def test_a_conversion_is_measured(small, quick, monkeypatch, capsys):
  output = conversion.OUTPUTS['.safetensors']
  monkeypatch.setattr(conversion, 'OUTPUTS', {'.safetensors': output})
  conversion.main(['--resolution=16', '--repeats=1', '--json'])
  result = json.loads(capsys.readouterr().out)
  (row,) = result['rows']
  assert row['output'] == '.safetensors'
  assert 0 <= row['of which converting'] < row['seconds'] < 60
  assert 0.05 < row['peak GiB'] < 2


def test_peak_memory_is_that_of_the_command():
  peaks = []
  for megabytes in (1, 300):
    code = f'x = b"1" * {megabytes} * 2**20; print("done")'
    measured, printed = conversion.run([sys.executable, '-c', code])
    assert printed == 'done\n'
    peaks.append(measured.peak_gib)
  assert peaks[1] > 300 * 2**20 / common.GIB


def test_a_command_that_fails_is_no_measurement():
  with pytest.raises(RuntimeError, match='failed'):
    conversion.run([sys.executable, '-c', 'raise SystemExit(3)'])
