import shlex

import jax
import numpy as np
import pytest
import tensorflow_datasets as tfds
from absl import flags
from absl.testing import flagsaver
from PIL import Image

from configs import tiny
from dgan_jax import errors, rng, storage
from dgan_jax.annotations import folder as folder_lib
from dgan_jax.annotations import manifest
from dgan_jax.checkpoints import store
from dgan_jax.generators import generator as generators
from dgan_jax.generators import selection, stylegan1
from launch import sample
from tests.launch import terminal


@pytest.fixture(scope='module')
def saved(tmp_path_factory):
  """A random 8 px generator and the folder that it is saved in."""
  architecture = stylegan1.StyleGAN1(
    resolution=8, channels=(8, 4), latent_size=16, mapping_layers=2
  )
  params_key, noise_key = jax.random.split(jax.random.key(0))
  generator = generators.Generator(
    architecture=architecture,
    params=architecture.init(params_key),
    w_avg=np.zeros((architecture.num_ws, 16), np.float32),
    noise=rng.noise(noise_key[None], architecture.noise_resolutions),
  )
  folder = tmp_path_factory.mktemp('generator')
  store.save_generator(folder, generator)
  return generator, folder


def run(saved, workdir, *, noise='const', schema='car_20', **options):
  config = tiny.get_config()
  config.generator = str(saved[1])
  config.schema = schema
  config.sampling.noise = noise
  flags.FLAGS.mark_as_parsed()
  with flagsaver.flagsaver(**{'num_samples': 3, 'candidates': 0, **options}):
    sample.main(config, workdir)


def pictures(workdir):
  return {
    path.stem: np.asarray(Image.open(path))
    for path in sorted((workdir / 'images').iterdir())
  }


@pytest.mark.parametrize('noise', ['const', 'random'])
def test_the_manifest_makes_every_image_again(saved, tmp_path, noise):
  run(saved, tmp_path, noise=noise, first_index=5)
  generator, _ = saved
  listed = manifest.read(tmp_path)
  assert listed.names == ('005', '006', '007')
  assert listed.indices == (5, 6, 7)
  assert listed.generator == generators.checksum(generator)
  sampling = generators.Sampling(**listed.sampling)
  assert sampling.noise == noise
  draw = jax.jit(lambda g, key: generators.sample(g, key, sampling)[1])
  assert listed.keys is not None
  for name, key in zip(listed.names, listed.keys, strict=True):
    again = draw(generator, rng.key_from_data(key[None]))
    np.testing.assert_array_equal(again[0], pictures(tmp_path)[name])


def test_image_k_does_not_depend_on_the_range_it_was_drawn_in(saved, tmp_path):
  run(saved, tmp_path / 'a', num_samples=4)
  run(saved, tmp_path / 'b', num_samples=1, first_index=2)
  np.testing.assert_array_equal(
    pictures(tmp_path / 'a')['002'], pictures(tmp_path / 'b')['002']
  )


def test_images_are_chosen_among_candidates(saved, tmp_path):
  run(saved, tmp_path, candidates=12, first_index=4)
  listed = manifest.read(tmp_path)
  sampling = generators.Sampling(**listed.sampling)
  chosen = selection.choose(saved[0], sampling, 0, 3, 12, first=4)
  assert listed.indices == tuple(chosen)
  assert listed.names == tuple(f'{index:03}' for index in chosen)


def test_the_folder_is_ready_to_be_painted(saved, tmp_path):
  run(saved, tmp_path)
  for name in manifest.read(tmp_path).names:
    mask = np.arange(64, dtype=np.uint8).reshape(8, 8) % 20
    Image.fromarray(mask).save(tmp_path / 'masks' / f'{name}.png')
  found = folder_lib.load(tmp_path, size=(8, 8), latent_size=16)
  assert len(found) == 3
  assert found.schema.name == 'car_20'
  text = (tmp_path / 'README.txt').read_text()
  assert '10  licensePlate' in text
  assert '255  not sure' in text
  assert '8 x 8' in text
  with Image.open(tmp_path / 'contact_sheet.png') as sheet:
    assert sheet.width > 3 * 128


def test_running_again_changes_nothing_and_keeps_what_was_painted(
  saved, tmp_path
):
  run(saved, tmp_path)
  (tmp_path / 'masks' / '000.png').write_bytes(b'painted')
  before = {p: p.read_bytes() for p in tmp_path.rglob('*') if p.is_file()}
  run(saved, tmp_path)
  after = {p: p.read_bytes() for p in tmp_path.rglob('*') if p.is_file()}
  assert before == after


def test_a_folder_of_other_images_is_refused(saved, tmp_path):
  run(saved, tmp_path)
  before = storage.read_json(tmp_path / 'manifest.json')
  with pytest.raises(errors.UserError, match='holds other images'):
    run(saved, tmp_path, num_samples=2)
  with pytest.raises(errors.UserError, match='holds other images'):
    run(saved, tmp_path, noise='none')
  assert storage.read_json(tmp_path / 'manifest.json') == before


def test_an_edited_schema_stays_as_it_is(saved, tmp_path):
  run(saved, tmp_path)
  path = tmp_path / 'schema.json'
  edited = path.read_bytes().replace(b'"mirror"', b'"ear"')
  path.write_bytes(edited)
  with pytest.raises(errors.UserError, match="label 11 is 'ear' in the one"):
    run(saved, tmp_path)
  run(saved, tmp_path, schema='')
  assert path.read_bytes() == edited
  assert '11  ear' in (tmp_path / 'README.txt').read_text()


def test_what_to_paint_has_to_be_said(saved, tmp_path):
  with pytest.raises(errors.UserError, match='Say what is to be painted'):
    run(saved, tmp_path, schema='')


def test_the_readme_says_commands_that_work_as_they_stand(saved, tmp_path):
  folder = tmp_path / 'my $paint'
  done = terminal.run(
    *('launch.sample', '--config', 'configs/tiny.py', f'--workdir={folder}'),
    *(f'--config.generator={saved[1]}', '--config.schema=car_20'),
    *(
      '--config.sampling.truncation_psi=1.0',
      '--noconfig.interpreter.soft_voting',
      '--config.interpreter.steps=5',
      '--config.interpreter.members=1',
    ),
    *('--config.factory.num_samples=8', '--num_samples=3', '--candidates=0'),
  )
  assert done.returncode == 0, done.stderr
  edited = (folder / 'schema.json').read_text().replace('"mirror"', '"ear"')
  (folder / 'schema.json').write_text(edited)
  for picture in (folder / 'images').iterdir():
    mask = np.arange(64, dtype=np.uint8).reshape(8, 8) % 20
    Image.fromarray(mask).save(folder / 'masks' / picture.name)
  train, generate = (
    shlex.split(line)
    for line in (folder / 'README.txt').read_text().splitlines()
    if 'python -m' in line
  )

  def run_here(argv):
    argv = [arg.replace('=out/', f'={tmp_path}/out/') for arg in argv]
    assert argv[:2] == ['python', '-m']
    return terminal.run(*argv[2:])

  made = tmp_path / 'out' / 'my $paint_dataset'
  picture = folder / 'images' / '001.png'
  kept = picture.read_bytes()
  other = np.where(np.asarray(Image.open(picture)) < 128, 255, 0)
  Image.fromarray(other.astype(np.uint8)).save(picture)
  done = run_here(train)
  assert done.returncode == 2
  assert '001.png is not the image that the generator draws' in done.stderr
  assert f'Look at {made}/annotations.png' in done.stdout
  # Nothing is left that would refuse what was mended.
  assert not (made / 'training').exists()

  picture.write_bytes(kept)
  for argv in (train, generate):
    done = run_here(argv)
    assert done.returncode == 0, done.stderr
  builder = tfds.builder('datasetgan_car/tiny', data_dir=made / 'data')
  assert builder.info.features['segmentation_mask'].names[11] == 'ear'
  assert sum(split.num_examples for split in builder.info.splits.values()) == 8
