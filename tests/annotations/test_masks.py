import dataclasses
import struct
import zlib

import numpy as np
import pytest
from PIL import Image

from dgan_jax import errors, schema
from dgan_jax.annotations import masks

CAR = schema.get_schema('car_20')
MASK = np.arange(20, dtype=np.uint8).reshape(4, 5)


def read(path, labels=CAR, size=None):
  return masks.read_masks([path], labels, size)[0]


def refusal(path, size=None):
  """The one line that the mask is refused with."""
  with pytest.raises(errors.UserError) as caught:
    read(path, size=size)
  message = str(caught.value)
  assert path.name in message
  assert '\n' not in message
  return message


def save_indexed(path, mask, palette):
  image = Image.fromarray(mask)
  image.putpalette(np.asarray(palette, np.uint8).tobytes())
  image.save(path)


def test_grey_and_indexed_png_and_npy_are_all_read_alike(tmp_path):
  Image.fromarray(MASK).save(tmp_path / 'grey.png')
  save_indexed(tmp_path / 'indexed.png', MASK, CAR.palette)
  save_indexed(tmp_path / 'greys.png', MASK, [(i, i, i) for i in range(256)])
  np.save(tmp_path / 'wide.npy', MASK.astype(np.int64))
  np.save(tmp_path / 'one_channel.npy', MASK[..., None])
  np.save(tmp_path / 'floats.npy', MASK.astype(np.float16))
  for path in sorted(tmp_path.iterdir()):
    mask = read(path, size=(4, 5))
    assert mask.dtype == np.uint8
    np.testing.assert_array_equal(mask, MASK, err_msg=path.name)


def test_a_black_and_white_mask_has_labels_0_and_1(tmp_path):
  Image.fromarray(MASK > 9).save(tmp_path / 'bits.png')
  np.save(tmp_path / 'bits.npy', MASK > 9)
  for path in tmp_path.iterdir():
    np.testing.assert_array_equal(read(path), MASK > 9)


def test_an_encoded_mask_is_read_and_shows_the_colours_of_the_schema(tmp_path):
  mask = MASK.copy()
  mask[0, 0] = 255
  path = tmp_path / 'mask.png'
  path.write_bytes(masks.encode(mask, CAR))
  np.testing.assert_array_equal(read(path, size=(4, 5)), mask)
  with Image.open(path) as picture:
    colours = np.asarray(picture.convert('RGB'))
  np.testing.assert_array_equal(colours, schema.colorize(mask, CAR))


def test_a_mask_of_another_size_is_refused_by_name(tmp_path):
  Image.fromarray(MASK).save(tmp_path / 'a.png')
  message = refusal(tmp_path / 'a.png', (8, 10))
  assert '4 x 5' in message
  assert '8 x 10' in message


def test_exactly_the_colours_of_the_schema_are_labels(tmp_path):
  mask = MASK.copy()
  mask[1, 1] = 255
  colors = schema.colorize(mask, CAR)
  Image.fromarray(colors).save(tmp_path / 'rgb.png')
  Image.fromarray(colors).convert('RGBA').save(tmp_path / 'rgba.PNG')
  for path in sorted(tmp_path.iterdir()):
    np.testing.assert_array_equal(read(path), mask)


def test_a_colour_that_no_class_has_is_refused_with_its_place(tmp_path):
  colors = schema.colorize(MASK, CAR)
  colors[2, 3:] = np.int16(CAR.palette[4]) + 2
  colors[3, 0] = (1, 2, 3)
  path = tmp_path / 'rgb.png'
  Image.fromarray(colors).save(path)
  message = refusal(path)
  assert "3 pixels in 2 colours that no class of the schema 'car_20'" in message
  assert 'row 2, column 3: [195, 129, 17]' in message
  assert "nearest: 'car_lights'" in message


def test_colours_of_two_classes_are_no_labels(tmp_path):
  palette = (*CAR.palette[:5], CAR.palette[2], *CAR.palette[6:])
  twice = dataclasses.replace(CAR, palette=palette)
  path = tmp_path / 'a.png'
  path.write_bytes(masks.encode(MASK, twice))
  np.testing.assert_array_equal(read(path, twice), MASK)
  Image.fromarray(schema.colorize(MASK, twice)).save(path)
  with pytest.raises(errors.UserError, match='two labels of one colour'):
    read(path, twice)


def test_the_grey_of_ignored_pixels_is_no_class_in_a_picture(tmp_path):
  palette = (schema.IGNORE_COLOR, *CAR.palette[1:])
  path = tmp_path / 'a.png'
  Image.fromarray(schema.colorize(MASK, CAR)).save(path)
  with pytest.raises(errors.UserError, match='two labels of one colour'):
    read(path, dataclasses.replace(CAR, palette=palette))


def test_transparent_pixels_have_no_colour(tmp_path):
  picture = Image.fromarray(schema.colorize(MASK, CAR)).convert('RGBA')
  picture.putalpha(254)
  picture.save(tmp_path / 'a.png')
  assert 'transparent' in refusal(tmp_path / 'a.png')
  Image.fromarray(MASK).convert('LA').save(tmp_path / 'a.png')
  assert '2 channels (LA)' in refusal(tmp_path / 'a.png')


@pytest.mark.parametrize('kind', ['JPEG', 'GIF', 'WEBP', 'BMP'])
def test_a_file_is_what_it_holds_and_not_what_it_is_called(tmp_path, kind):
  Image.fromarray(np.tile(MASK, (4, 4))).save(tmp_path / 'a.png', kind)
  assert f'is a {kind} file' in refusal(tmp_path / 'a.png')


def write_png(path, width, height, bits):
  """A grey one, with a row of pixels."""
  header = struct.pack('>IIBBBBB', width, height, bits, 0, 0, 0, 0)
  data = zlib.compress(bytes(1 + bits))
  chunks = [(b'IHDR', header), (b'IDAT', data), (b'IEND', b'')]
  path.write_bytes(
    b'\x89PNG\r\n\x1a\n'
    + b''.join(
      struct.pack('>I', len(body))
      + name
      + body
      + struct.pack('>I', zlib.crc32(name + body))
      for name, body in chunks
    )
  )


@pytest.mark.parametrize('bits', [2, 4])
def test_grey_of_a_few_bits_may_be_stretched_or_not(tmp_path, bits):
  path = tmp_path / 'a.png'
  write_png(path, 8, 1, bits)
  assert f'grey PNG of {bits} bits' in refusal(path)


def test_a_mask_that_is_shown_turned_is_refused(tmp_path):
  exif = Image.Exif()
  exif[0x0112] = 6
  Image.fromarray(MASK).save(tmp_path / 'a.png', exif=exif)
  assert 'orientation 6' in refusal(tmp_path / 'a.png')
  exif[0x0112] = 1
  Image.fromarray(MASK).save(tmp_path / 'a.png', exif=exif)
  np.testing.assert_array_equal(read(tmp_path / 'a.png'), MASK)


def test_a_png_that_moves_is_no_mask(tmp_path):
  frames = [Image.fromarray(MASK), Image.fromarray(MASK[::-1])]
  path = tmp_path / 'a.png'
  frames[0].save(path, save_all=True, append_images=frames[1:])
  assert 'moving PNG' in refusal(path)


def test_a_damaged_orientation_is_refused_in_one_line(tmp_path):
  Image.fromarray(MASK).save(tmp_path / 'a.png', exif=b'Exif\0\0garbage')
  assert 'orientation unreadable' in refusal(tmp_path / 'a.png')


def test_a_picture_of_billions_of_pixels_is_not_decoded(tmp_path):
  write_png(tmp_path / 'a.png', 60_000, 60_000, 8)
  assert 'decompression bomb' in refusal(tmp_path / 'a.png')
  write_png(tmp_path / 'a.png', 10_000, 10_000, 8)  # Pillow only warns
  assert 'decompression bomb' in refusal(tmp_path / 'a.png')


def test_an_indexed_png_whose_palette_was_reordered_is_refused(tmp_path):
  palette = list(CAR.palette)
  palette[3], palette[4] = palette[4], palette[3]
  save_indexed(tmp_path / 'a.png', MASK, palette)
  message = refusal(tmp_path / 'a.png')
  assert "index 3, 'car_body', in [193, 127, 15]" in message
  assert "the colour of 'car_lights', which is label 4" in message


def test_a_compacted_palette_is_refused_though_unsure_pixels_are_grey(tmp_path):
  used = np.array([0, 3, 7, 255])
  palette = [*(CAR.palette[label] for label in used[:3]), (128, 128, 128)]
  save_indexed(tmp_path / 'a.png', np.uint8([[0, 1, 2, 3]]), palette)
  assert "index 1, 'back_bumper', in" in refusal(tmp_path / 'a.png')
  save_indexed(tmp_path / 'a.png', np.uint8([[0, 3]]), palette)
  assert 'of ignored pixels, which is label 255' in refusal(tmp_path / 'a.png')


def test_a_palette_of_the_schemas_colours_and_their_blends_is_refused(tmp_path):
  blends = np.random.default_rng(1).integers(0, 256, (20, 3))
  blends[0] = 255  # as every palette has
  save_indexed(tmp_path / 'a.png', MASK, blends)
  np.testing.assert_array_equal(read(tmp_path / 'a.png'), MASK)
  blends[7] = np.add(CAR.palette[4], 3)  # as reducing colours leaves it
  save_indexed(tmp_path / 'a.png', MASK, blends)
  message = refusal(tmp_path / 'a.png')
  assert "'grilles', in [196, 130, 18], the colour of 'car_lights'" in message


def test_a_palette_of_somebodys_own_passes_if_all_masks_have_it(tmp_path):
  own = np.random.default_rng(0).integers(0, 256, (256, 3))
  own[0] = 0  # the black of another class
  paths = [tmp_path / 'a.png', tmp_path / 'b.png']
  for path, mask in zip(paths, (MASK, MASK[::-1]), strict=True):
    save_indexed(path, mask, own)
  found = masks.read_masks(paths, CAR)
  np.testing.assert_array_equal(found, [MASK, MASK[::-1]])
  own[7] = 1
  save_indexed(paths[1], MASK, own)
  with pytest.raises(
    errors.UserError, match=r"Index 7, '.*', is .* in mask .*a.png"
  ):
    masks.read_masks(paths, CAR)


@pytest.mark.parametrize(
  ('labels', 'words'),
  [
    ((0, 255), "If it was meant as 'goat', save 1"),
    ((0,), 'no other labels than 0; paint at least two'),
    ((1, 255), 'no other labels than 1 and 255; paint at least two'),
  ],
)
def test_masks_that_show_one_class_only_are_refused(tmp_path, labels, words):
  goat = schema.Schema.from_json(
    {'name': 'goat', 'classes': ['ground', 'goat'], 'ignore_label': 255}
  )
  paths = [tmp_path / 'a.png', tmp_path / 'b.png']
  for path in paths:
    Image.fromarray(np.resize(np.uint8(labels), (4, 4))).save(path)
  for some in (paths, paths[:1]):
    with pytest.raises(errors.UserError, match=words):
      masks.read_masks(some, goat)


def test_sixteen_bits_are_refused(tmp_path):
  Image.fromarray(MASK.astype(np.uint16)).save(tmp_path / 'a.png')
  assert '16 bits' in refusal(tmp_path / 'a.png')


def test_a_label_outside_the_schema_is_refused_with_its_place(tmp_path):
  bad = MASK.copy()
  bad[2, 3] = 23
  np.save(tmp_path / 'a.npy', bad)
  message = refusal(tmp_path / 'a.npy')
  assert 'label 23 (first at row 2, column 3)' in message
  assert 'classes 0 to 19, and 255 for ignored' in message
  np.save(tmp_path / 'a.npy', MASK.astype(np.int16) - 1)
  assert 'label -1' in refusal(tmp_path / 'a.npy')
  np.save(tmp_path / 'a.npy', MASK.astype(np.int64) + 256)
  assert 'label 256' in refusal(tmp_path / 'a.npy')


def test_the_ignore_label_is_allowed(tmp_path):
  mask = np.uint8([[0, 1], [255, 255]])
  np.save(tmp_path / 'a.npy', mask)
  np.testing.assert_array_equal(read(tmp_path / 'a.npy'), mask)


def test_arrays_of_another_kind_are_refused(tmp_path):
  path = tmp_path / 'a.npy'
  for value in (0.5, np.nan, np.inf, 1e300):
    np.save(path, np.where(MASK == 3, value, MASK))
    assert 'float64 values' in refusal(path)
  np.save(path, np.stack([MASK] * 3, -1))
  assert 'shape (4, 5, 3)' in refusal(path)
  np.save(path, MASK[:0])
  assert 'shape (0, 5)' in refusal(path)


@pytest.mark.parametrize('keep', [0, 3, 60, 200, 500])
def test_truncated_files_are_refused(keep, tmp_path):
  mask = np.random.default_rng(0).integers(0, 20, (32, 32), np.uint8)
  Image.fromarray(mask).save(tmp_path / 'a.png')
  np.save(tmp_path / 'a.npy', mask)
  for name in ('a.png', 'a.npy'):
    path = tmp_path / name
    path.write_bytes(path.read_bytes()[:keep])
    message = refusal(path)
    assert 'cannot be read' in message or 'no whole .npy file' in message


def test_a_header_that_is_no_literal_is_refused(tmp_path):
  header = b"{'descr': ('|u1'," + b' ' * 60 + b'\n'
  start = b'\x93NUMPY\x01\x00' + struct.pack('<H', len(header))
  (tmp_path / 'a.npy').write_bytes(start + header + bytes(20))
  assert 'no whole .npy file' in refusal(tmp_path / 'a.npy')


def test_a_pickle_is_not_opened(tmp_path):
  np.save(tmp_path / 'a.npy', np.array([{}], object), allow_pickle=True)
  assert 'no whole .npy file' in refusal(tmp_path / 'a.npy')


def test_an_archive_of_arrays_is_refused(tmp_path):
  np.savez(tmp_path / 'a.npz', MASK)
  (tmp_path / 'a.npz').rename(tmp_path / 'a.npy')
  assert 'no whole .npy file' in refusal(tmp_path / 'a.npy')
