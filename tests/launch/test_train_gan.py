"""Training a generator from the terminal, on the tiny config."""

import pathlib
import re
import signal
import subprocess
import sys
import time

import numpy as np
import pytest
from PIL import Image

from dgan_jax import errors
from dgan_jax.checkpoints import pytrees, store
from launch import config_file, train_gan
from tests import hurry

_ROOT = pathlib.Path(__file__).parents[2]
_COMMAND = (sys.executable, '-m', 'launch.train_gan')
_CONFIG = '--config=configs/gan_tiny.py'


def _start(workdir, *args):
  return subprocess.Popen(
    [*_COMMAND, _CONFIG, f'--workdir={workdir}', *args],
    cwd=_ROOT,
    env=hurry.environment(),
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
  config = config_file.load(str(_ROOT / 'configs' / 'gan_tiny.py'))
  # For the eight devices of this process.
  config.training.batch_size = config.training.r1_batch = 16
  return config


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
  assert pytrees.load(state.parent)['step'] < 12  # so it was not done
  process = _start(tmp_path)
  process.communicate()
  assert process.returncode == 0
  _, workdir = finished
  expected = pytrees.load(workdir / 'gan' / 'state')
  found = pytrees.load(tmp_path / 'gan' / 'state')
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
  ('field', 'value', 'complaint'),
  [
    ('network.resolution', 48, 'network.resolution is 48; expected a power of'),
    ('network.channels', (6, 5), 'network.channels is (6, 5); expected 3, one'),
    ('network.kind', 'stylegan2', "expected 'StyleGAN1' or 'StyleGAN2'"),
    ('network.mapping_layers', 0, 'network.mapping_layers is 0; expected'),
    ('network.group_size', 0, 'network.group_size is 0; expected'),
    ('network.group_size', 3, 'batch_size is 16; expected a multiple of 24'),
    ('training.learning_rate', float('nan'), 'learning_rate is nan; expected'),
    ('training.r1_batch', 32, 'r1_batch is 32; expected a divisor'),
    ('training.r1_gamma', -1.0, 'training.r1_gamma is -1.0; expected'),
    ('schedule.grid_images', 0, 'schedule.grid_images is 0; expected'),
    ('evaluation_images', 1, 'evaluation_images is 1; expected 0 or a whole'),
    ('features', 'fid', "features is 'fid'; expected 'pixels', 'bundled'"),
    ('features', 'x.pth', 'x.pth'),
    ('images', 'tfds:nothing', 'expected tfds:NAME/SPLIT'),
    ('domain.count', 0, 'domain.count is 0; expected'),
    ('domain.setting', 'side', "domain.setting is 'side'; expected 'frontal'"),
    ('domain.name', 'boats', "domain.name is 'boats'; expected 'rendered_car'"),
  ],
)
def test_a_value_that_makes_no_sense_is_refused(
  tmp_path, config, field, value, complaint
):
  with config.unlocked():
    config.update_from_flattened_dict({field: value})
  with pytest.raises(errors.UserError, match=re.escape(complaint)):
    train_gan.main(config, tmp_path)
