import json
import pathlib

import jax
import numpy as np
import pytest
from absl import logging as absl_logging
from PIL import Image

from dgan_jax import errors, schema, storage
from dgan_jax.annotations import entries, manifest
from dgan_jax.annotations import folder as folder_lib
from dgan_jax.checkpoints import store
from dgan_jax.generators import generator as generators
from dgan_jax.segmentation import annotator as annotator_lib
from dgan_jax.segmentation import predict

ASSET = pathlib.Path(folder_lib.__file__).parents[1] / 'assets/rendered_cars_64'
LATENT = 6
TOY = schema.Schema.from_json(
  {
    'name': 'toy',
    'classes': ['background', 'body', 'wheel'],
    'ignore_label': 255,
  }
)
NAMES = ('000', '001', '002')
KEYS = np.array([[0, 1], [2, 3], [4, 2**32 - 1]], np.uint32)
MASKS = np.stack([np.full((4, 6), label, np.uint8) for label in (0, 1, 2)])


@pytest.fixture
def folder(tmp_path):
  """Three entries by key, as launch.sample writes and a painter fills it."""
  for name in ('masks', 'images'):
    (tmp_path / name).mkdir()
  manifest.write(
    tmp_path,
    manifest.Manifest(
      names=NAMES,
      keys=KEYS,
      indices=(7, 8, 9),
      seed=5,
      latent_size=LATENT,
      generator='abc',
      sampling={'truncation_psi': 0.5, 'rows': (1, 3)},
    ),
  )
  storage.write_json(tmp_path / 'schema.json', TOY.to_json())
  for name, mask in zip(NAMES, MASKS, strict=True):
    Image.fromarray(mask).save(tmp_path / 'masks' / f'{name}.png')
    image = np.zeros((*mask.shape, 3), np.uint8)
    Image.fromarray(image).save(tmp_path / 'images' / f'{name}.png')
  return tmp_path


@pytest.fixture
def release(tmp_path):
  for k, mask in enumerate(MASKS):
    np.save(tmp_path / f'image_mask{k}.npy', mask)
  latents = np.arange(4 * LATENT, dtype=np.float64).reshape(4, LATENT)
  np.save(tmp_path / 'latent_stylegan1.npy', latents)
  np.save(tmp_path / 'avg_latent_stylegan1.npy', latents)
  return tmp_path


def edit(folder, **changes):
  path = folder / manifest.FILENAME
  path.write_text(json.dumps({**storage.read_json(path), **changes}))


def refusal(folder, **options):
  with pytest.raises(errors.UserError) as caught:
    folder_lib.load(folder, **options)
  assert '\n' not in str(caught.value)
  return str(caught.value)


def test_a_painted_folder_is_read(folder):
  found = folder_lib.load(folder, size=(4, 6), latent_size=LATENT)
  np.testing.assert_array_equal(found.masks, MASKS)
  np.testing.assert_array_equal(found.noise_keys, KEYS)
  np.testing.assert_array_equal(
    found.latents, entries.resolve_latents(KEYS, LATENT)
  )
  assert found.latents.dtype == np.float32
  assert found.space == 'z'
  assert found.names == NAMES
  assert found.schema == TOY
  assert found.generator_checksum == 'abc'
  assert found.sampling == {'truncation_psi': 0.5, 'rows': (1, 3)}


def test_the_manifest_survives_its_file(folder):
  listed = manifest.read(folder)
  assert listed.indices == (7, 8, 9)
  assert listed.seed == 5
  before = (folder / manifest.FILENAME).read_bytes()
  manifest.write(folder, listed)
  assert (folder / manifest.FILENAME).read_bytes() == before


def test_latents_of_a_file_belong_to_the_entries_in_order(folder):
  latents = np.arange(3 * LATENT, dtype=np.float32).reshape(3, LATENT)
  np.save(folder / 'latents.npy', latents)
  edit(folder, entries=[{'name': name} for name in reversed(NAMES)])
  found = folder_lib.load(folder)
  np.testing.assert_array_equal(found.latents, latents)
  np.testing.assert_array_equal(found.masks, MASKS[::-1])
  assert found.noise_keys is None


def test_latents_may_be_rows_of_w(folder):
  latents = np.zeros((3, 4, LATENT), np.float32)
  np.save(folder / 'latents.npy', latents)
  assert 'shape (3, 4, 6)' in refusal(folder)
  edit(folder, space='w')
  found = folder_lib.load(folder)
  assert found.space == 'w'
  assert found.latents.shape == (3, 4, LATENT)
  (folder / 'latents.npy').unlink()
  assert 'latents.npy' in refusal(folder)


def test_the_layout_of_the_release_is_read(release):
  found = folder_lib.load(release, schema=TOY)
  np.testing.assert_array_equal(found.masks, MASKS)
  np.testing.assert_array_equal(
    found.latents, np.arange(3 * LATENT).reshape(3, LATENT)
  )
  assert found.latents.dtype == np.float32
  assert found.noise_keys is None
  assert found.generator_checksum == ''
  assert 'schema.json' in refusal(release)


def test_a_release_mask_has_the_latent_of_its_number(release):
  (release / 'image_mask1.npy').unlink()
  found = folder_lib.load(release, schema=TOY)
  np.testing.assert_array_equal(found.masks, MASKS[::2])
  np.testing.assert_array_equal(
    found.latents, np.arange(3 * LATENT).reshape(3, LATENT)[::2]
  )


def test_ten_release_masks_are_not_sorted_as_text(release):
  for k in range(12):
    np.save(release / f'image_mask{k}.npy', np.full((4, 6), k % 3))
  np.save(release / 'latent_stylegan1.npy', np.eye(12, dtype=np.float32))
  found = folder_lib.load(release, schema=TOY)
  np.testing.assert_array_equal(found.masks[:, 0, 0], np.arange(12) % 3)
  np.testing.assert_array_equal(found.latents, np.eye(12))


def test_release_masks_beyond_the_latents_are_refused(release):
  np.save(release / 'image_mask4.npy', MASKS[0])
  message = refusal(release, schema=TOY)
  assert 'image_mask4.npy would need row 4' in message
  assert 'mean image' in message


def test_two_files_of_release_latents_are_refused(release):
  np.save(release / 'latent_2.npy', np.eye(4))
  assert '2 latent*.npy' in refusal(release, schema=TOY)


def test_a_class_that_is_never_annotated_is_named_in_a_warning(
  folder, monkeypatch
):
  lines = []
  monkeypatch.setattr(
    absl_logging, 'warning', lambda text, *args: lines.append(text % args)
  )
  assert folder_lib.missing_classes(folder_lib.load(folder)) == ()
  assert not lines
  np.save(folder / 'masks' / '002.npy', MASKS[1])
  (folder / 'masks' / '002.png').unlink()
  assert folder_lib.missing_classes(folder_lib.load(folder)) == ('wheel',)
  assert len(lines) == 1
  assert 'annotated as wheel' in lines[0]


def test_a_mask_of_another_size_is_refused_by_name(folder):
  np.save(folder / 'masks' / '001.npy', MASKS[1][:2])
  (folder / 'masks' / '001.png').unlink()
  message = refusal(folder)
  assert '001.npy is 2 x 6' in message
  assert 'expected 4 x 6' in message
  assert '000.png is 4 x 6' in refusal(folder, size=(8, 12))


def test_a_mask_that_does_not_fit_its_image_is_refused(folder):
  Image.new('RGB', (8, 8)).save(folder / 'images' / '000.png')
  message = refusal(folder)
  assert '000.png is 4 x 6' in message
  assert '8 x 8' in message


def test_a_mask_without_an_entry_is_refused(folder):
  Image.fromarray(MASKS[0]).save(folder / 'masks' / '099.png')
  assert '099.png has no entry' in refusal(folder)


def test_an_entry_without_a_mask_is_refused(folder):
  (folder / 'masks' / '001.png').unlink()
  assert "the entry '001', but there is no" in refusal(folder)


def test_two_masks_of_one_entry_are_refused(folder):
  np.save(folder / 'masks' / '001.npy', MASKS[1])
  assert "both masks of '001'" in refusal(folder)


def test_files_that_are_no_masks_are_refused_but_hidden_ones_are_not(folder):
  for hidden in ('.DS_Store', 'Thumbs.db', 'desktop.ini'):
    (folder / 'masks' / hidden).write_bytes(b'')
  assert len(folder_lib.load(folder)) == 3
  (folder / 'masks' / '000.jpg').write_bytes(b'')
  assert '000.jpg is neither .png nor .npy' in refusal(folder)
  (folder / 'masks' / '000.jpg').unlink()
  (folder / 'masks' / 'mine').mkdir()
  assert 'mine is a folder; masks lie in' in refusal(folder)


@pytest.mark.parametrize(
  ('latents', 'message'),
  [
    (np.zeros((3, 5), np.float32), 'latents of 5; the generator has 6'),
    (np.zeros((2, 6), np.float32), 'has 2 rows'),
    (np.zeros(6, np.float32), 'shape (6,)'),
    (np.zeros((3, 6), np.int64), 'int64 values'),
    (np.array([[0.0] * 6, [np.nan] * 6, [1.0] * 6]), 'in row 1'),
    (np.full((3, 6), 1e300), 'in row 0'),
  ],
)
def test_bad_latents_are_refused(folder, latents, message):
  np.save(folder / 'latents.npy', latents)
  found = refusal(folder, latent_size=LATENT)
  assert message in found
  assert 'latents.npy' in found


def test_keys_for_a_generator_of_another_latent_size_are_refused(folder):
  assert '"latent_size" 6; expected 5' in refusal(folder, latent_size=5)
  edit(folder, latent_size=None)
  assert "expected the generator's" in refusal(folder)
  assert folder_lib.load(folder, latent_size=5).latents.shape == (3, 5)


@pytest.mark.parametrize(
  ('changes', 'message'),
  [
    ({'format': 'mine'}, '"format" \'mine\''),
    ({'entries': []}, 'no list of "entries"'),
    ({'entries': 'all'}, '"entries" \'all\''),
    ({'entries': [{'name': '../000'}]}, 'entry 0 has the "name" \'../000\''),
    ({'entries': ['000']}, 'entry 0 has the "name" None'),
    ({'entries': [{'name': '000'}] * 2}, "two entries named '000'"),
    ({'entries': [{'name': '000', 'key': [1]}]}, '"key" [1]'),
    ({'entries': [{'name': '000', 'key': [1, -1]}]}, '"key" [1, -1]'),
    ({'entries': [{'name': name} for name in NAMES]}, 'without a "key"'),
    ({'space': 'x'}, "the space 'x'"),
    ({'sampling': 3}, '"sampling" 3'),
    ({'generator': 3}, '"generator" 3'),
    ({'latent_size': 'big'}, '"latent_size" \'big\''),
  ],
)
def test_a_bad_manifest_is_refused_by_its_name(folder, changes, message):
  edit(folder, **changes)
  found = refusal(folder)
  assert message in found
  assert 'manifest.json' in found


def test_folders_that_are_no_annotations_are_refused(tmp_path):
  assert 'There is no folder' in refusal(tmp_path / 'none', schema=TOY)
  assert 'neither a manifest.json' in refusal(tmp_path, schema=TOY)


def test_the_bundled_annotations_fit_together():
  found = folder_lib.load(ASSET / 'annotated', size=(64, 64), latent_size=128)
  assert found.schema == schema.get_schema('car_20')
  assert found.masks.shape == (16, 64, 64)
  assert found.sampling['noise'] == 'const'
  assert folder_lib.missing_classes(found) == ()


def test_the_bundled_images_come_from_the_bundled_generator():
  generator = store.load_generator(ASSET / 'generator')
  found = folder_lib.load(ASSET / 'annotated')
  assert found.generator_checksum == generators.checksum(generator)
  sampling = generators.Sampling(**found.sampling)
  draw = jax.jit(
    lambda z: generators.sample_latents(generator, z, None, sampling)[0]
  )
  # On another kind of processor rounding may differ.
  difference = np.asarray(draw(found.latents), int) - _bundled_images(found)
  assert np.abs(difference).max() <= 1


def test_the_bundled_masks_are_what_the_bundled_annotator_paints():
  found = folder_lib.load(ASSET / 'annotated')
  annotator = annotator_lib.load(ASSET.parent / 'rendered_car_annotator')
  note = storage.read_json(ASSET / 'annotated' / 'annotator.json')
  assert note['network'] == annotator_lib.checksum(annotator)
  painted, _ = predict.annotate(annotator, _bundled_images(found))
  assert (painted == found.masks).mean() > 0.9999


def _bundled_images(found):
  images = []
  for name in found.names:
    with Image.open(ASSET / 'annotated' / 'images' / f'{name}.png') as file:
      images.append(np.asarray(file))
  return np.stack(images)


def test_the_schema_of_the_folder_is_what_counts(folder):
  edited = {**TOY.to_json(), 'name': 'mine'}
  storage.write_json(folder / 'schema.json', edited)
  found = folder_lib.load(folder, schema=TOY)  # the same classes
  assert found.schema.name == 'mine'
  edited['classes'] = ['background', 'goat', 'wheel']
  storage.write_json(folder / 'schema.json', edited)
  assert folder_lib.load(folder).schema.classes[1] == 'goat'
  message = refusal(folder, schema=TOY)
  assert "label 1 is 'goat' in the one and 'body' in the other" in message
  (folder / 'schema.json').unlink()
  assert folder_lib.load(folder, schema=TOY).schema == TOY
  assert 'no schema.json' in refusal(folder)


@pytest.mark.parametrize(
  ('space', 'shape', 'expected'),
  [
    ('z', (3, LATENT), (3, LATENT)),
    ('z', (3, 1, LATENT), (3, LATENT)),
    ('w', (3, 1, LATENT), (3, LATENT)),
    ('w', (3, 4, LATENT), (3, 4, LATENT)),
    ('w', (3, 5, LATENT), None),
    ('w', (3, 3, LATENT), None),
    ('z', (3, 4, LATENT), None),
    ('w', (3, 1, 4, LATENT), None),
    ('z', (3, LATENT + 1), None),
    ('z', (LATENT,), None),
  ],
)
def test_latents_have_the_shape_that_the_generator_takes(
  folder, space, shape, expected
):
  edit(folder, space=space)
  np.save(folder / 'latents.npy', np.zeros(shape, np.float16))
  if expected is None:
    message = refusal(folder, latent_size=LATENT, num_ws=4)
    assert str(shape) in message or f'latents of {LATENT + 1}' in message
  else:
    found = folder_lib.load(folder, latent_size=LATENT, num_ws=4).latents
    assert (found.shape, found.dtype) == (expected, np.float32)


def test_a_row_of_a_release_may_be_z_or_w_and_is_refused(release):
  path = release / 'latent_stylegan1.npy'
  np.save(path, np.load(path)[:, None])
  assert 'has the shape (4, 1, 6)' in refusal(release, schema=TOY, num_ws=4)


def test_pictures_are_found_beside_their_masks(folder, release):
  assert folder_lib.load(folder).images[2].name == '002.png'
  Image.new('RGB', (6, 4)).save(release / 'image_1.jpg')
  (release / manifest.FILENAME).unlink()
  found = folder_lib.load(release, schema=TOY).images
  assert [path and path.name for path in found] == [None, 'image_1.jpg', None]
