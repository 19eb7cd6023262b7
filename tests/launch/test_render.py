"""In processes of their own, for other commands have flags of these names."""

import functools

import numpy as np
import pytest
from PIL import Image

from dgan_jax.renderers.cars import rendered_car
from tests.launch import terminal

run = functools.partial(terminal.run, 'launch.render')


def read(path):
  with Image.open(path) as picture:
    return np.asarray(picture)


def test_a_sheet_images_and_masks_are_written(tmp_path):
  done = run(
    *('--setting=all_views', '--aspect=4:3', '--num_images=3', '--files'),
    *('--first_index=7', f'--output={tmp_path / "new"}'),
  )
  assert done.returncode == 0, done.stderr
  assert 'sheet.png: 3 of 3 pictures' in done.stdout
  assert read(tmp_path / 'new' / 'sheet.png').shape[1] > 3 * 2 * 256
  domain = rendered_car.Domain('all_views', 64, '4:3')
  for index in (7, 8, 9):
    rendered = domain.render(index)
    name = f'{index:06}.png'
    image = read(tmp_path / 'new' / 'images' / name)
    mask = read(tmp_path / 'new' / 'masks' / name)
    np.testing.assert_array_equal(image, rendered.image)
    np.testing.assert_array_equal(mask, rendered.mask)


@pytest.mark.parametrize(
  ('args', 'message'),
  [
    ((), 'Say where to write: --output=FOLDER.'),
    (('--output={}', '--resolution=7'), 'resolution is 7; expected'),
  ],
)
def test_what_is_missing_or_wrong_gets_one_line(args, message, tmp_path):
  done = run(*(arg.format(tmp_path / 'new') for arg in args))
  assert done.returncode == 2
  assert message in done.stderr
  assert done.stderr.count('\n') == 1
  assert not (tmp_path / 'new').exists()
