import functools
import os
import pathlib

import numpy as np
import pytest
from PIL import Image

from dgan_jax.checkpoints import opening, store
from dgan_jax.checkpoints.formats import torch_format
from dgan_jax.generators import generator as generators
from tests.checkpoints import pickles
from tests.launch import terminal

_ROOT = pathlib.Path(__file__).parents[2]
_MINI = _ROOT / 'tests' / 'goldens' / 'mini_ckpt'
_INPUT = f'--input={_MINI / "mini_stylegan1_r32.for_g_all.pt"}'
_AVG_LATENT = f'--avg_latent={_MINI / "avg_latent_stylegan1.npy"}'


@pytest.fixture
def convert():
  return functools.partial(terminal.run, 'launch.convert')


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
  for words in ("DatasetGAN's release", '32 px', '16, 16, 16, 16 from 4 px'):
    assert words in done.stdout
  saved = store.load_generator(output)
  assert saved.architecture.resolution == 32
  np.testing.assert_array_equal(saved.noise[0][..., 0], noise['noise0'][0])
  with Image.open(output / 'contact_sheet.png') as sheet:
    assert sheet.width > 8 * 32

  done = convert(
    f'--interpreter={_MINI / "interpreter_20"}',
    f'--generator={output}',
    '--schema=car_20',
    '--rows=4,28',
    f'--output={tmp_path / "interpreter"}',
  )
  assert done.returncode == 0, done.stderr
  assert 'Members:  3' in done.stdout
  assert 'Features: 128' in done.stdout
  spec = store.load_interpreter(tmp_path / 'interpreter').spec
  assert (spec.members, spec.rows, spec.task.schema.name) == (
    3,
    (4, 28),
    'car_20',
  )

  done = convert(
    f'--interpreter={tmp_path / "interpreter"}',
    f'--output={tmp_path / "exported"}',
  )
  assert done.returncode == 0, done.stderr
  for name in ('model_0.pth', 'model_1.pth', 'model_2.pth'):
    theirs = torch_format.read(_MINI / 'interpreter_20' / name)
    ours = torch_format.read(tmp_path / 'exported' / name)
    for key, value in ours.items():
      np.testing.assert_array_equal(value, theirs[key], err_msg=key)


def test_a_generator_becomes_a_safetensors_file_and_a_folder_again(
  convert, tmp_path
):
  single, folder = tmp_path / 'made.safetensors', tmp_path / 'folder'
  pickle = f'--input={_MINI / "mini_stylegan2_ada_r32.pkl"}'
  done = convert(pickle, f'--output={single}', '--num_images=2')
  assert done.returncode == 0, done.stderr
  assert (tmp_path / 'made.png').is_file()
  done = convert(f'--input={single}', f'--output={folder}', '--num_images=0')
  assert done.returncode == 0, done.stderr
  assert not (folder / 'contact_sheet.png').exists()
  checksum = generators.checksum(store.load_generator(folder))
  assert checksum == generators.checksum(
    opening.generator(opening.open_checkpoint(single))
  )
  assert checksum in done.stdout


@pytest.mark.parametrize(
  ('file', 'words'),
  [
    ('mini_stylegan2_ada_r32.pkl', ['StyleGAN2-ADA', 'G_ema', 'at 256']),
    ('interpreter_34/model_0.pth', ['Interpreter', '34', '128 of every pixel']),
  ],
)
def test_a_file_is_described_and_nothing_is_written(
  convert, tmp_path, file, words
):
  done = convert(
    f'--input={_MINI / file}', '--describe', f'--output={tmp_path / "o"}'
  )
  assert done.returncode == 0, done.stderr
  for word in words:
    assert word in done.stdout, done.stdout
  assert not (tmp_path / 'o').exists()


def test_a_folder_of_members_is_described(convert):
  done = convert(f'--interpreter={_MINI / "interpreter_20"}', '--describe')
  assert done.returncode == 0, done.stderr
  assert '3' in done.stdout
  assert 'Classes:' in done.stdout


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
    ([], 'Exactly one of (input, interpreter)'),
    ([_INPUT, '--interpreter=x'], 'Exactly one of (input, interpreter)'),
    ([_INPUT, '--avg_latent=none.npy'], 'none.npy'),
    (['--interpreter=x'], '--generator'),
    ([_INPUT, _AVG_LATENT, 'more'], 'more'),
  ],
)
def test_flags_that_do_not_fit_are_refused(convert, tmp_path, args, word):
  _refused(convert(*args, f'--output={tmp_path / "o"}'), word)
