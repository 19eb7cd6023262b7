import numpy as np
import pytest
from PIL import Image

from dgan_jax import errors, schema
from dgan_jax.annotations import masks

CAR = schema.get_schema('car_20')
MASK = np.arange(20, dtype=np.uint8).reshape(4, 5)


def refusal(path, size=None):
  """The one line that the mask is refused with."""
  with pytest.raises(errors.UserError) as caught:
    masks.read_mask(path, CAR, size)
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
  for path in sorted(tmp_path.iterdir()):
    mask = masks.read_mask(path, CAR, (4, 5))
    assert mask.dtype == np.uint8
    np.testing.assert_array_equal(mask, MASK, err_msg=path.name)


def test_a_black_and_white_png_has_labels_0_and_1(tmp_path):
  Image.fromarray(MASK > 9).save(tmp_path / 'bits.png')
  mask = masks.read_mask(tmp_path / 'bits.png', CAR)
  np.testing.assert_array_equal(mask, MASK > 9)


def test_an_encoded_mask_is_read_and_shows_the_colours_of_the_schema(tmp_path):
  mask = MASK.copy()
  mask[0, 0] = 255
  path = tmp_path / 'mask.png'
  path.write_bytes(masks.encode(mask, CAR))
  np.testing.assert_array_equal(masks.read_mask(path, CAR, (4, 5)), mask)
  with Image.open(path) as picture:
    colours = np.asarray(picture.convert('RGB'))
  np.testing.assert_array_equal(colours, schema.colorize(mask, CAR))


def test_a_mask_of_another_size_is_refused_by_name(tmp_path):
  Image.fromarray(MASK).save(tmp_path / 'a.png')
  message = refusal(tmp_path / 'a.png', (8, 10))
  assert '4 x 5' in message
  assert '8 x 10' in message


def test_colours_are_no_labels(tmp_path):
  path = tmp_path / 'rgb.png'
  Image.fromarray(schema.colorize(MASK, CAR)).save(path)
  assert '3 channels (RGB)' in refusal(path)
  Image.fromarray(MASK).convert('LA').save(path)
  assert '2 channels (LA)' in refusal(path)


def test_an_indexed_png_whose_palette_was_reordered_is_refused(tmp_path):
  palette = list(CAR.palette)
  palette[3], palette[4] = palette[4], palette[3]
  save_indexed(tmp_path / 'a.png', MASK, palette)
  assert "index 3 in the colour of 'car_lights'" in refusal(tmp_path / 'a.png')


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
  np.save(tmp_path / 'a.npy', np.full((2, 2), 255, np.uint8))
  assert (masks.read_mask(tmp_path / 'a.npy', CAR) == 255).all()


def test_arrays_of_another_kind_are_refused(tmp_path):
  path = tmp_path / 'a.npy'
  np.save(path, MASK.astype(np.float32))
  assert 'float32 values' in refusal(path)
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
    assert 'cannot be read' in refusal(path)


def test_a_pickle_is_not_opened(tmp_path):
  np.save(tmp_path / 'a.npy', np.array([{}], object), allow_pickle=True)
  assert 'cannot be read' in refusal(tmp_path / 'a.npy')


def test_an_archive_of_arrays_is_refused(tmp_path):
  np.savez(tmp_path / 'a.npz', MASK)
  (tmp_path / 'a.npz').rename(tmp_path / 'a.npy')
  assert 'archive' in refusal(tmp_path / 'a.npy')
