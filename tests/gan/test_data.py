import shutil
import threading
import time
from concurrent import futures

import numpy as np
import pytest
from PIL import Image

from dgan_jax import errors, renderers
from dgan_jax.gan import data
from dgan_jax.renderers.cars import rendered_car


def _picture(number, size=8):
  return np.full((size, size, 3), number, np.uint8)


def _pixels(count):
  return np.stack([_picture(i) for i in range(count)])


def test_every_epoch_shows_all_images_in_an_order_of_its_own():
  images = data.from_array(_pixels(10))
  shown = images.shown(0, 30, seed=3)[:, 0, 0, 0].reshape(3, 10)
  for epoch in shown:
    assert sorted(epoch) == list(range(10))
  assert len({tuple(epoch) for epoch in shown}) == 3


def test_what_is_shown_depends_on_its_number_and_the_seed_alone():
  images = data.from_array(_pixels(10))
  whole = images.shown(0, 30, seed=3)
  np.testing.assert_array_equal(images.shown(7, 23, seed=3), whole[7:23])
  assert np.any(images.shown(0, 30, seed=4) != whole)


def test_the_order_never_changes_between_versions():
  assert data._order(1, 2, 6).tolist() == [4, 2, 0, 1, 5, 3]


def test_an_array_on_the_disk_is_not_copied(tmp_path):
  np.save(tmp_path / 'x.npy', _pixels(3))
  images = data.from_array(tmp_path / 'x.npy')
  assert isinstance(images.first(1), np.memmap)
  assert (len(images), images.resolution) == (3, 8)


@pytest.mark.parametrize(
  ('array', 'words'),
  [
    (np.zeros((2, 8, 8, 3), np.float32), 'float32'),
    (np.zeros((2, 8, 8), np.uint8), r'\[2, 8, 8\]'),
    (np.zeros((0, 8, 8, 3), np.uint8), r'\[0, 8, 8, 3\]'),
    (np.zeros((2, 8, 6, 3), np.uint8), '8 pixels high and 6 wide'),
  ],
)
def test_an_array_of_anything_else_is_refused(array, words):
  with pytest.raises(errors.UserError, match=words):
    data.from_array(array)


def test_a_file_that_is_no_array_is_refused(tmp_path):
  (tmp_path / 'x.npy').write_text('hello')
  with pytest.raises(errors.UserError, match=r'x\.npy is no \.npy file'):
    data.from_array(tmp_path / 'x.npy')


class _Program:
  """Makes pictures and notes from which number on."""

  def __init__(self, breaks_at=None):
    self.starts, self.breaks_at = [], breaks_at

  def __call__(self, start):
    self.starts.append(start)
    for number in range(start, 100):
      if number == self.breaks_at:
        raise KeyboardInterrupt
      yield _picture(number)


def _assert_holds(images, count):
  np.testing.assert_array_equal(images.first(count)[:count], _pixels(count))


def _made(program, cache, count=5, at_first=0, **source):
  return data.from_pictures(
    program, count, 8, cache=cache, source=source, at_first=at_first
  )


def test_pictures_are_made_once(tmp_path):
  program = _Program()
  for _ in range(2):
    images = _made(program, tmp_path)
    _assert_holds(images, 5)
  assert program.starts == [0]


def test_after_a_kill_pictures_are_made_from_where_it_was(tmp_path):
  with pytest.raises(KeyboardInterrupt):
    _made(_Program(breaks_at=3), tmp_path)
  program = _Program()
  _assert_holds(_made(program, tmp_path), 5)
  assert program.starts == [3]


def test_early_epochs_show_the_pictures_made_first(tmp_path):
  images = _made(_Program(), tmp_path, count=10, at_first=3)
  shown = images.shown(0, 29, seed=0)[:, 0, 0, 0].tolist()
  images.close()
  for start, size in ((0, 3), (3, 6), (9, 10), (19, 10)):
    assert sorted(shown[start : start + size]) == list(range(size))


def test_what_stops_the_making_of_pictures_is_raised_where_they_are_missed(
  tmp_path,
):
  def pictures(start):
    for number in range(start, 4):
      yield _picture(number)
    raise OSError('No space left')

  images = _made(pictures, tmp_path, at_first=2)
  assert len(images.shown(0, 2, seed=0)) == 2
  with pytest.raises(OSError, match='No space left'):
    images.shown(2, 7, seed=0)


def test_a_domain_gives_its_pictures(tmp_path):
  domain = renderers.get('rendered_car', resolution=16)
  images = data.from_domain(domain, 3, cache=tmp_path)
  np.testing.assert_array_equal(images.first(3)[2], domain.render(2).image)
  assert images.source['setting'] == 'three_quarter'
  wide = renderers.get('rendered_car', resolution=16, aspect='4:3')
  with pytest.raises(errors.UserError, match='12 pixels high and 16 wide'):
    data.from_domain(wide, 3, cache=tmp_path)


def test_half_a_picture_is_made_again(tmp_path):
  with pytest.raises(KeyboardInterrupt):
    _made(_Program(breaks_at=3), tmp_path)
  with open(tmp_path / 'images.u8', 'ab') as file:
    file.write(b'half')
  _assert_holds(_made(_Program(), tmp_path), 5)


class _Slow(_Program):
  def __call__(self, start):
    for picture in super().__call__(start):
      time.sleep(0.01)
      yield picture


def test_two_at_one_cache_make_the_pictures_together(tmp_path):
  slow = _Slow()
  with futures.ThreadPoolExecutor() as pool:
    made = list(pool.map(lambda _: _made(slow, tmp_path, count=20), range(4)))
  assert slow.starts == [0]
  for images in made:
    _assert_holds(images, 20)


def test_where_one_dies_another_goes_on(tmp_path):
  programs = _Slow(), _Slow()
  first, second = (
    _made(program, tmp_path, count=40, at_first=3) for program in programs
  )
  first.close()
  _assert_holds(second, 40)
  second.close()
  assert programs[0].starts[0] == 0
  assert programs[1].starts[0] >= 3


def test_other_pictures_wait_until_a_cache_is_free(tmp_path):
  def waits(start):
    for number in range(start, 5):
      yield _picture(number)
      if number == 2:
        stop.wait()

  stop = threading.Event()
  images = _made(waits, tmp_path, at_first=2)
  images.first(3)
  with pytest.raises(errors.UserError, match='Another process keeps other'):
    _made(_Program(), tmp_path, setting='b')
  stop.set()
  _assert_holds(images, 5)
  images.close()
  _made(_Program(), tmp_path, setting='b')


def test_pictures_of_another_source_take_the_place_of_those_there(tmp_path):
  _made(_Program(), tmp_path, setting='a')
  program = _Program()
  assert len(_made(program, tmp_path, count=4, setting='b')) == 4
  assert program.starts == [0]


def test_pictures_of_a_changed_renderer_are_made_again(tmp_path, monkeypatch):
  domain = renderers.get('rendered_car', resolution=16)
  first = data.from_domain(domain, 1, cache=tmp_path)
  pixels = tmp_path / 'images.u8'
  pixels.write_bytes(bytes(16 * 16 * 3))
  assert data.from_domain(domain, 1, cache=tmp_path).first(1).max() == 0
  monkeypatch.setattr(rendered_car, 'VERSION', rendered_car.VERSION + 1)
  for _ in range(2):
    again = data.from_domain(domain, 1, cache=tmp_path)
    np.testing.assert_array_equal(again.first(1)[0], domain.render(0).image)
  # Whoever trained on them may go on.
  assert again.source == first.source


def test_an_array_is_known_by_what_it_holds(tmp_path):
  sources = []
  for value, name in ((1, 'x.npy'), (2, 'x.npy'), (1, 'y.npy')):
    np.save(tmp_path / name, np.full((3, 8, 8, 3), value, np.uint8))
    sources.append(data.from_array(tmp_path / name).source)
  assert sources[0] != sources[1]
  assert sources[0] == sources[2]
  assert (
    data.from_array(_pixels(3)).source != data.from_array(_pixels(4)).source
  )


def test_a_folder_is_known_by_what_it_holds(tmp_path):
  folder, cache = tmp_path / 'photos', tmp_path / 'cache'
  _photo(folder / 'a.png', 20, 20, (1, 2, 3))
  first = _read(folder, cache)
  status = (folder / 'a.png').stat()
  _photo(folder / 'a.png', 20, 20, (4, 5, 6))
  assert (folder / 'a.png').stat().st_size == status.st_size
  second = _read(folder, cache)
  assert second.source != first.source
  assert second.first(1)[0, 0, 0].tolist() == [4, 5, 6]
  # Copied elsewhere it is the same.
  shutil.copytree(folder, tmp_path / 'copy', copy_function=shutil.copyfile)
  assert _read(tmp_path / 'copy', tmp_path / 'other').source == second.source


def _read(folder, cache):
  return data.from_folder(folder, 16, cache=cache)


def _photo(path, width, height, color=(0, 0, 0)):
  path.parent.mkdir(parents=True, exist_ok=True)
  Image.new('RGB', (width, height), color).save(path)


def test_a_folder_that_changed_is_read_again(tmp_path):
  folder = tmp_path / 'photos'
  _photo(folder / 'a.png', 20, 20)
  assert len(_read(folder, tmp_path / 'cache')) == 1
  _photo(folder / 'b.png', 20, 20)
  assert len(_read(folder, tmp_path / 'cache')) == 2
