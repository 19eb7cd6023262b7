"""Training a generator from the terminal, on the tiny config."""

import os
import pathlib
import signal
import subprocess
import sys
import time

import numpy as np
import pytest
from PIL import Image

from dgan_jax import errors
from dgan_jax.checkpoints import store
from launch import command, train_gan

_ROOT = pathlib.Path(__file__).parents[2]
_COMMAND = (sys.executable, '-m', 'launch.train_gan')
_CONFIG = '--config=configs/gan_tiny.py'


def _start(workdir, *args):
  return subprocess.Popen(
    [*_COMMAND, _CONFIG, f'--workdir={workdir}', *args],
    cwd=_ROOT,
    # Its programs are large and run for a moment only.
    env={**os.environ, 'JAX_DISABLE_MOST_OPTIMIZATIONS': '1'},
    stdout=subprocess.PIPE,
    stderr=subprocess.PIPE,
    text=True,
  )


@pytest.fixture(scope='module')
def finished(tmp_path_factory):
  """What a training printed, and its folder."""
  workdir = tmp_path_factory.mktemp('gan')
  process = _start(workdir)
  output, complaints = process.communicate()
  assert process.returncode == 0, complaints
  return output, workdir


@pytest.fixture
def config():
  return command.load_config(str(_ROOT / 'configs' / 'gan_tiny.py'))


def test_it_tells_of_progress_and_where_the_generator_is(finished):
  output, workdir = finished
  assert '96/96 images' in output
  assert 'distance' in output
  assert f'The generator is in {workdir}/generator.' in output
  for name in ('generator', 'best'):
    generator = store.load_generator(workdir / name)
    assert generator.architecture.resolution == 16
  sheets = workdir / 'gan' / 'samples'
  assert (sheets / '000000096.png').is_file()


def test_killed_and_started_again_it_ends_with_the_same_bits(
  finished, tmp_path
):
  process = _start(tmp_path, '--config.schedule.seconds_per_save=0.')
  state = tmp_path / 'gan' / 'state' / 'checkpoint.json'
  while not state.exists() and process.poll() is None:
    time.sleep(0.01)
  process.send_signal(signal.SIGKILL)
  process.communicate()
  assert store.load_pytree(state.parent)['step'] < 12  # so it was not done
  process = _start(tmp_path)
  process.communicate()
  assert process.returncode == 0
  _, workdir = finished
  expected = store.load_pytree(workdir / 'gan' / 'state')
  found = store.load_pytree(tmp_path / 'gan' / 'state')
  for name, value in expected.items():
    np.testing.assert_array_equal(found[name], value, err_msg=name)


def test_a_folder_of_photos_of_mixed_sizes_trains(tmp_path):
  random = np.random.default_rng(0)
  photos = tmp_path / 'photos'
  photos.mkdir()
  for i in range(12):
    pixels = random.integers(0, 256, (*random.integers(16, 60, 2), 3))
    image = Image.fromarray(pixels.astype(np.uint8))
    image.save(photos / f'{i}.{"png" if i % 2 else "jpg"}')
  process = _start(
    tmp_path / 'out',
    f'--config.images={photos}',
    '--config.training.images=16',
  )
  output, complaints = process.communicate()
  assert process.returncode == 0, complaints
  assert '16/16 images' in output
  store.load_generator(tmp_path / 'out' / 'generator')


@pytest.mark.parametrize(
  ('section', 'field', 'value', 'complaint'),
  [
    ('network', 'resolution', 48, '48 is not a power of two'),
    ('network', 'kind', 'StyleGAN3', 'expected StyleGAN1 or StyleGAN2'),
    ('training', 'dtype', 'float16', "'float16' is none of"),
    ('domain', 'setting', 'parked', "no 'parked'; there are frontal"),
    ('domain', 'name', 'boats', "There is no domain 'boats'"),
  ],
)
def test_a_value_that_makes_no_sense_is_refused(
  tmp_path, config, section, field, value, complaint
):
  config[section][field] = value
  with pytest.raises(errors.UserError, match=complaint):
    train_gan.main(config, tmp_path)
