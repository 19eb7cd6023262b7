import io
import os

import numpy as np
import pytest
from PIL import Image

from dgan_jax import errors
from dgan_jax.gan import data, photos

_COLOUR = (200, 30, 60)
_GREY = photos.BACKGROUND[0]


def _photo(path, size=(20, 20), color=_COLOUR, mode='RGB', **options):
  path.parent.mkdir(parents=True, exist_ok=True)
  Image.new(mode, size, color).save(path, **options)


@pytest.fixture
def folder(tmp_path):
  """Of twenty photos, so that one more that cannot be used does no harm."""
  for i in range(20):
    _photo(tmp_path / 'photos' / f'{i:02}.png')
  return tmp_path / 'photos'


def _read(folder):
  return data.from_folder(folder, 16, cache=folder.parent / 'cache')


def _pixels(folder):
  images = _read(folder)
  return np.asarray(images.first(len(images)))


def _squared(array, mode=None):
  return photos.square(Image.fromarray(array, mode), 16)[0, 0].tolist()


@pytest.mark.parametrize(
  'name',
  ['a.png', 'a.JPG', 'a.webp', 'a.tif', 'a.bmp', 'a.gif', 'a.jp2', 'a.ppm'],
)
def test_a_photo_of_any_kind_that_pillow_reads_is_read(tmp_path, name):
  _photo(tmp_path / 'photos' / 'below' / name, (40, 300))
  found = _pixels(tmp_path / 'photos')
  assert found.shape == (1, 16, 16, 3)
  np.testing.assert_allclose(found[0, 5, 5], _COLOUR, atol=4)


def test_what_a_file_is_counts_not_what_it_is_called(folder):
  data = io.BytesIO()
  Image.new('RGB', (16, 16), _COLOUR).save(data, 'png')
  for name in ('z.jpg', 'z', 'z.jpg_large'):
    (folder / name).write_bytes(data.getvalue())
  assert len(_read(folder)) == 23


@pytest.mark.parametrize('suffix', ['png', 'tif'])
def test_16_bits_are_scaled(tmp_path, suffix):
  grey = np.full((16, 16), 257 * 100, np.uint16)
  (tmp_path / 'photos').mkdir()
  Image.fromarray(grey).save(tmp_path / 'photos' / f'a.{suffix}')
  assert _pixels(tmp_path / 'photos')[0, 3, 3].tolist() == [100] * 3


@pytest.mark.parametrize(
  ('value', 'dtype', 'expected'),
  [
    (65535, np.uint16, 255),
    (65535, '>u2', 255),
    (257 * 7, np.int32, 7),
    (0.5, np.float32, 128),
  ],
)
def test_numbers_of_any_type_are_scaled(value, dtype, expected):
  assert _squared(np.full((16, 16), value, dtype)) == [expected] * 3


@pytest.mark.parametrize('value', [-1, 65536, 1.5, np.nan])
def test_numbers_of_an_unknown_range_are_refused(value):
  dtype = np.int32 if isinstance(value, int) else np.float32
  with pytest.raises(errors.UserError, match='unknown range'):
    _squared(np.full((16, 16), value, dtype))


@pytest.mark.parametrize(
  ('mode', 'color', 'expected'),
  [
    ('RGBA', (200, 30, 60, 0), [_GREY] * 3),
    ('RGBA', (255, 0, 128, 128), [192, 64, 128]),
    ('LA', (9, 0), [_GREY] * 3),
    ('LA', (9, 255), [9, 9, 9]),
    ('L', 9, [9, 9, 9]),
    ('1', 1, [255, 255, 255]),
    ('CMYK', (0, 255, 255, 0), [255, 0, 0]),
  ],
)
def test_every_mode_becomes_the_colours_that_are_seen(mode, color, expected):
  image = Image.new(mode, (20, 30), color)
  found = photos.square(image, 16)[3, 3]
  np.testing.assert_allclose(found, expected, atol=1)


def test_a_transparent_colour_of_a_palette_is_not_seen(tmp_path):
  image = Image.new('P', (16, 16))
  image.putpalette([200, 30, 60])
  image.save(tmp_path / 'a.gif', transparency=0)
  with Image.open(tmp_path / 'a.gif') as image:
    assert photos.square(image, 16)[3, 3].tolist() == [_GREY] * 3


def test_of_a_moving_picture_the_first_frame_is_read(tmp_path):
  frames = [Image.new('RGB', (16, 16), (i, i, i)) for i in (9, 200)]
  _photo(tmp_path / 'photos' / 'a.gif')
  frames[0].save(
    tmp_path / 'photos' / 'a.gif', save_all=True, append_images=frames[1:]
  )
  assert _pixels(tmp_path / 'photos').max() == 9


def test_the_centre_of_a_photo_is_kept():
  pixels = np.zeros((16, 48, 3), np.uint8)
  pixels[:, 16:32] = 255
  assert photos.square(Image.fromarray(pixels), 16).min() == 255


def test_a_photo_taken_sideways_is_turned(tmp_path):
  pixels = np.zeros((16, 16, 3), np.uint8)
  pixels[:, :8] = 255
  exif = Image.Exif()
  exif[0x0112] = 6  # turn by 90 degrees clockwise
  (tmp_path / 'photos').mkdir()
  Image.fromarray(pixels).save(tmp_path / 'photos' / 'a.png', exif=exif)
  (image,) = _pixels(tmp_path / 'photos')
  assert image[:8].min() == 255
  assert image[8:].max() == 0


def test_links_are_followed_and_loops_are_not(folder, tmp_path):
  _photo(tmp_path / 'other' / 'a.jpg')
  (folder / 'linked').symlink_to(tmp_path / 'other')
  (tmp_path / 'other' / 'back').symlink_to(folder)
  (folder / 'loop').symlink_to(folder)
  (folder / 'folder.jpg').mkdir()
  assert len(_read(folder)) == 21


def _damaged(path):
  _photo(path)
  path.write_bytes(path.read_bytes()[:60])


def _bomb(path):
  Image.new('1', (20_000, 20_000)).save(path)


@pytest.mark.parametrize(
  ('name', 'make', 'words'),
  [
    ('a.png', _damaged, "1 damaged ('a.png')"),
    ('a.png', _bomb, "1 with too many pixels ('a.png')"),
    ('a.png', lambda path: path.write_bytes(b'x'), "unknown to Pillow ('a.png"),
    ('a.HEIC', lambda path: path.write_bytes(b'x'), "to Pillow ('a.HEIC')"),
    ('a.jpg', lambda path: path.symlink_to('/nowhere'), "dead links ('a.jpg')"),
    ('a.jpg', lambda path: os.mkfifo(path), "1 not files ('a.jpg')"),
    ('a.jpg', lambda path: path.symlink_to(path), "dead links ('a.jpg')"),
    ('a.jpg', lambda path: _photo(path, (30, 15)), 'smaller than 16 pixels'),
    ('a.txt', lambda path: path.write_text('x'), "of the kind '.txt' ('a.txt"),
  ],
)
def test_what_cannot_be_used_is_left_out_and_said(
  folder, caplog, name, make, words
):
  make(folder / name)
  assert len(_read(folder)) == 20
  (said,) = (record.getMessage() for record in caplog.records)
  assert words in said


def test_a_name_that_is_not_unicode_is_read_and_shown(folder, caplog):
  odd = os.fsencode(folder) + b'/\xff\x1b[1m'
  with open(odd + b'.png', 'wb') as file:
    Image.new('RGB', (16, 16)).save(file, 'png')
  with open(odd + b'.jpg', 'wb') as file:
    file.write(b'x')
  assert len(_read(folder)) == 21
  assert r"('\udcff\x1b[1m.jpg')" in caplog.text


def test_many_unusable_photos_are_an_error(folder):
  for name in ('a.jpg', 'b.jpg'):
    (folder / name).write_bytes(b'no image')
  words = r"5% of the 22 photos in .* 2 unknown to Pillow \('a\.jpg', \.\.\.\)"
  with pytest.raises(errors.UserError, match=words):
    _read(folder)


def test_where_there_are_no_photos_one_line_says_so(tmp_path):
  folder = tmp_path / 'photos'
  with pytest.raises(errors.UserError, match=r'There is no folder .*photos\.'):
    _read(folder)
  folder.mkdir()
  with pytest.raises(errors.UserError, match='has no photos; it is empty'):
    _read(folder)
  (folder / 'a.txt').write_text('x')
  with pytest.raises(errors.UserError, match='no photos; it has 1 of the kind'):
    _read(folder)
  with pytest.raises(errors.UserError, match=r'no folder .*, only such a file'):
    _read(folder / 'a.txt')
