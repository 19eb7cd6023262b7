import os
import pathlib
import subprocess
import sys

import numpy as np
import pytest

from dgan_jax.checkpoints import store
from tests.checkpoints import pickles

_ROOT = pathlib.Path(__file__).parents[2]
_MINI = _ROOT / 'tests' / 'goldens' / 'mini_ckpt'
_INPUT = f'--input={_MINI / "mini_stylegan1_r32.for_g_all.pt"}'
_AVG_LATENT = f'--avg_latent={_MINI / "avg_latent_stylegan1.npy"}'


@pytest.fixture
def convert():
  def run(*args):
    return subprocess.run(
      [sys.executable, '-m', 'launch.convert', *map(str, args)],
      cwd=_ROOT,
      env=os.environ,
      capture_output=True,
      text=True,
    )

  return run


def _refused(done, *words):
  assert done.returncode == 2
  assert done.stdout == ''
  assert len(done.stderr.splitlines()) == 1
  for word in words:
    assert word in done.stderr


def test_a_generator_and_its_interpreter_are_converted(convert, tmp_path):
  with np.load(_MINI / 'expected.npz') as archive:
    noise = {f'noise{i}': archive[f'in/noise_{i:02d}'] for i in range(8)}
  np.savez(tmp_path / 'noise.npz', **noise)
  output = tmp_path / 'generator'
  done = convert(
    _INPUT,
    _AVG_LATENT,
    f'--noise={tmp_path / "noise.npz"}',
    f'--output={output}',
  )
  assert done.returncode == 0, done.stderr
  assert done.stderr == ''
  for word in ('StyleGAN1, 32 px', '(16, 16, 16, 16)', '8 constant maps'):
    assert word in done.stdout
  assert store.load_generator(output).architecture.resolution == 32

  done = convert(
    f'--interpreter={_MINI / "interpreter_20"}',
    f'--generator={output}',
    '--schema=car_20',
    '--rows=4,28',
    f'--output={tmp_path / "interpreter"}',
  )
  assert done.returncode == 0, done.stderr
  assert '3 members, 128 features' in done.stdout
  spec = store.load_interpreter(tmp_path / 'interpreter').spec
  assert (spec.members, spec.rows, spec.schema_name) == (3, (4, 28), 'car_20')


def test_a_hostile_checkpoint_is_refused_and_nothing_is_written(
  convert, tmp_path
):
  attack = pickles.call('os.system', pickles.text(f'touch {tmp_path / "ran"}'))
  (tmp_path / 'bad.pt').write_bytes(pickles.zip_file(attack, {}))
  done = convert(
    f'--input={tmp_path / "bad.pt"}', _AVG_LATENT, f'--output={tmp_path / "o"}'
  )
  _refused(done, 'bad.pt', 'os.system')
  assert sorted(os.listdir(tmp_path)) == ['bad.pt']


def test_a_folder_with_something_in_it_is_not_written_to(convert, tmp_path):
  (tmp_path / 'mine').touch()
  done = convert(_INPUT, _AVG_LATENT, f'--output={tmp_path}')
  _refused(done, str(tmp_path), '--output')
  assert os.listdir(tmp_path) == ['mine']


def test_a_truncated_mean_latent_is_refused(convert, tmp_path):
  data = (_MINI / 'avg_latent_stylegan1.npy').read_bytes()
  (tmp_path / 'cut.npy').write_bytes(data[:-1])
  done = convert(
    _INPUT, f'--avg_latent={tmp_path / "cut.npy"}', f'--output={tmp_path / "o"}'
  )
  _refused(done, 'cut.npy')


@pytest.mark.parametrize(
  ('args', 'word'),
  [
    ([], '--input'),
    ([_INPUT, '--interpreter=x'], '--input'),
    ([_INPUT], '--avg_latent'),
    (['--interpreter=x'], '--generator'),
    ([_INPUT, _AVG_LATENT, 'more'], 'more'),
  ],
)
def test_flags_that_do_not_fit_are_refused(convert, tmp_path, args, word):
  _refused(convert(*args, f'--output={tmp_path / "o"}'), word)
