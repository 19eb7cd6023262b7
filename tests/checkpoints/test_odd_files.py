"""Checkpoints as people have them, and as somebody who means ill makes them."""

import io
import os
import shutil
import tarfile
import zipfile
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pytest
import safetensors.numpy
import tensorstore as ts

from dgan_jax import errors, storage
from dgan_jax.checkpoints import generator_file, opening, pytrees, store
from dgan_jax.checkpoints.formats import (
  orbax_arrays,
  torch_writer,
  untrusted,
)
from dgan_jax.checkpoints.origins import known_origins
from dgan_jax.generators import generator as generators
from dgan_jax.generators import stylegan1, stylegan2
from tests import small
from tests.checkpoints import ada_pickle as checkpoints
from tests.checkpoints import pickles, writers


def _refusal(path, read=opening.open_checkpoint):
  with pytest.raises(errors.UserError) as error:
    read(path)
  message = str(error.value)
  assert message.startswith(str(path))
  assert message.isprintable()
  assert len(message) < len(str(path)) + 400
  return message


def _tensor(key):
  return pickles.tensor(pickles.storage(6, key), (6,), (1,))


def _editgan():
  made = small.generator(kind=stylegan2.StyleGAN2)
  return made, checkpoints.state_dict(known_origins.EDITGAN, made)


def _torch_tree(arrays, wrap):
  """A file of torch.save; `wrap` makes its pickle of {key: tensor}."""
  tensors = {
    key: pickles.tensor(
      pickles.storage(array.size, str(i)),
      array.shape,
      tuple(n // 4 for n in array.strides),
    )
    for i, (key, array) in enumerate(arrays.items())
  }
  storages = {str(i): a.tobytes() for i, a in enumerate(arrays.values())}
  return pickles.zip_file(wrap(tensors), storages)


def _object(name, state):
  return pickles.name(name) + b')\x81' + pickles.mapping(state) + b'b'


def _whole(tensors, class_name='model.Generator'):
  """A module with these tensors, saved by its class, as Python does it."""
  own = {k: v for k, v in tensors.items() if '.' not in k}
  inner: dict[str, dict[str, bytes]] = {}
  for key, value in tensors.items():
    if '.' in key:
      first, rest = key.split('.', 1)
      inner.setdefault(first, {})[rest] = value
  return _object(
    class_name,
    {
      'training': b'\x89',
      'activation': pickles.name('torch.nn.functional.leaky_relu'),
      '_parameters': pickles.mapping(own),
      '_buffers': pickles.mapping({'none': b'N'}),
      '_modules': pickles.mapping(
        {k: _whole(v, 'torch.nn.modules.linear.Linear')
         for k, v in inner.items()}
      ),
    },
  )  # fmt: skip


@pytest.mark.parametrize(
  'value',
  [
    pickles.call(
      'numpy._core.multiarray.scalar',
      pickles.call('numpy.dtype', pickles.text('f8'), b'\x89', b'\x88'),
      b'C\x08' + bytes(8),
    ),
    pickles.call(
      'pathlib.PosixPath', pickles.text('/'), pickles.text('data')
    ),
    pickles.call('pathlib._local.PosixPath', pickles.text('data')),
    pickles.call('builtins.set', b'](K\x01K\x02e'),
    _object('argparse.Namespace', {'path': b'N'}),
    _object('easydict.EasyDict', {'a': b'N'}),
    pickles.name('box.Box') + b')\x81(' + pickles.text('a') + b'Nu',
    pickles.call('collections.defaultdict', pickles.name('builtins.dict')),
    pickles.name('torch.nn.functional.relu'),
  ],
  ids=['number', 'path', 'path of 3.13', 'set', 'options', 'object', 'box',
       'defaultdict', 'function'],
)  # fmt: skip
def test_what_lies_beside_the_weights_is_inert(tmp_path, value):
  made, arrays = _editgan()
  path = tmp_path / 'made.pt'
  arrays.pop('latent_avg')

  def wrap(tensors):
    return pickles.mapping({'g_ema': pickles.mapping(tensors), 'beside': value})

  path.write_bytes(_torch_tree(arrays, wrap))
  opened = opening.open_checkpoint(path)
  assert opened.architecture == made.architecture


@pytest.mark.parametrize('prefix', ['', 'module.'])
def test_a_network_saved_whole_is_read_without_its_class(tmp_path, prefix):
  made, arrays = _editgan()
  arrays = {f'{prefix}{key}': value for key, value in arrays.items()}
  path = tmp_path / 'made.pt'
  path.write_bytes(_torch_tree(arrays, _whole))
  opened = opening.open_checkpoint(path)
  assert opened.architecture == made.architecture
  np.testing.assert_array_equal(
    opened.params['mapping']['dense_0']['kernel'],
    made.params['mapping']['dense_0']['kernel'],
  )


@pytest.mark.parametrize(
  ('tree', 'words'),
  [
    (_object('a.Trainer', {'x': b'N'}), 'an object of a.Trainer'),
    (_object('a.B', {'x': b'N'}) + b'0}', 'no arrays'),
    (pickles.call('a.B'), 'asks for a.B'),
    (pickles.name('a.B'), 'asks for a.B'),
    (pickles.name('a.B') + pickles.integers(1) + b'\x81', 'asks for a.B'),
    (pickles.name('a.B') + b')}\x92', 'asks for a.B'),
    (b'}' + pickles.name('a.B') + b'Ns', 'asks for a.B'),
  ],
)
def test_other_objects_are_named(tmp_path, tree, words):
  path = tmp_path / 'made.pt'
  path.write_bytes(pickles.zip_file(tree, {}))
  assert words in _refusal(path)


def test_networks_pickled_alone_are_read(tmp_path):
  made = small.generator(kind=stylegan2.StyleGAN2)
  arrays = checkpoints.state_dict(known_origins.ADA, made)
  network = checkpoints.network(
    'Generator', arrays, {'synthesis.b4.conv1.conv_clamp': None}
  )
  path = tmp_path / 'made.pkl'
  for tree in (network, {'g': network}):
    path.write_bytes(checkpoints.dumps(tree, 4))
    opened = opening.open_checkpoint(path)
    assert opened.architecture == made.architecture
  path.write_bytes(writers.dumps(writers.tensorflow_generator(), 2))
  assert '(G_main)' in _refusal(path)


def test_an_unpacked_pt_is_read_as_it_was_packed(tmp_path):
  made, arrays = _editgan()
  path = tmp_path / 'made.pt'
  torch_writer.write(path, arrays)
  with zipfile.ZipFile(path) as archive:
    archive.extractall(tmp_path)
  folder = tmp_path / 'archive'
  opened = opening.open_checkpoint(folder)
  assert opened.architecture == made.architecture
  first = folder / 'data' / '0'
  first.rename(tmp_path / 'moved')
  assert 'no data/0' in _refusal(folder)
  first.symlink_to(tmp_path / 'moved')
  assert 'holds a link, data/0' in _refusal(folder)
  tree = pickles.mapping({'x': _tensor('../../moved')})
  (folder / 'data.pkl').write_bytes(pickles.program(tree))
  assert 'no data/../../moved' in _refusal(folder)


def test_archives_say_what_to_take_out(tmp_path):
  path = tmp_path / 'made.zip'
  with zipfile.ZipFile(path, 'w') as archive:
    for name in ('readme.txt', 'car/network\n.pkl'):
      archive.writestr(name, 'x')
  assert r'give car/network\n.pkl' in _refusal(path)
  with tarfile.open(path, 'w') as archive:
    archive.addfile(tarfile.TarInfo('network.pt'), io.BytesIO())
  assert 'an archive (tar)' in _refusal(path)
  (tmp_path / 'network.pt').touch()
  assert 'made.zip' not in _refusal(tmp_path)
  assert 'give network.pt' in _refusal(tmp_path)


def test_grey_networks_are_read_with_three_equal_channels(tmp_path):
  for names_of, kind in (
    (known_origins.ADA, stylegan2.StyleGAN2),
    (known_origins.RELEASE, stylegan1.StyleGAN1),
  ):
    arrays = checkpoints.state_dict(names_of, small.generator(kind=kind))
    grey = {
      key: value[:1] if 'torgb' in key and 'affine' not in key else value
      for key, value in arrays.items()
    }
    opened = opening.open_arrays(grey)
    assert 'grey' in opening.describe(opened)
    layer = opened.params['synthesis']
    layer = layer if 'to_rgb' in layer else layer['block_16']
    bias = layer['to_rgb']['bias']
    assert bias.shape == (3,)
    assert len(set(bias.tolist())) == 1
    four = {
      key: np.repeat(value, [2, 1, 1], 0)
      if 'torgb' in key and 'affine' not in key
      else value
      for key, value in arrays.items()
    }
    with pytest.raises(errors.UserError, match='images of 4 channels'):
      opening.open_arrays(four)


def test_networks_of_images_that_are_not_square_are_named():
  made = small.generator(kind=stylegan2.StyleGAN2)
  arrays = checkpoints.state_dict(known_origins.ADA, made)
  arrays['synthesis.b4.const'] = np.ones((6, 4, 8), np.float32)
  with pytest.raises(errors.UserError, match='from 4 x 8 pixels'):
    opening.open_arrays(arrays)


def test_any_whole_generator_is_loaded_and_others_say_what_to_do(tmp_path):
  made, arrays = _editgan()
  path = tmp_path / 'made.safetensors'
  generator_file.write(path, made)
  again = opening.load_generator(path)
  assert generators.checksum(again) == generators.checksum(made)
  safetensors.numpy.save_file(arrays, path)
  np.testing.assert_array_equal(
    opening.load_generator(path).w_avg[0], made.w_avg[0]
  )
  arrays.pop('latent_avg')
  safetensors.numpy.save_file(arrays, path)
  assert f'launch.convert --input={path}' in _refusal(
    path, opening.load_generator
  )


def test_names_are_never_printed_raw(tmp_path):
  made = small.generator(kind=stylegan2.StyleGAN2)
  arrays = checkpoints.state_dict(known_origins.ADA, made)
  opened = opening.open_arrays(
    {
      **{f'\x1b[2J\n.{key}': value for key, value in arrays.items()},
      **{f'\u202e{i}.x': np.ones(1) for i in range(99)},
    }
  )
  lines = opening.describe(opened)
  assert all(line.isprintable() for line in lines.split('\n'))
  assert lines.isascii()
  assert len(lines) < 2000


def test_many_layers_of_one_storage_are_refused(tmp_path):
  size = 10**6
  where = pickles.storage(size)
  tensors = {f'x{i}': pickles.tensor(where, (size,), (1,)) for i in range(500)}
  path = tmp_path / 'made.pt'
  path.write_bytes(
    pickles.zip_file(pickles.mapping(tensors), {'0': bytes(4 * size)})
  )
  assert 'unpacks to more than' in _refusal(path)


@pytest.mark.parametrize('names_of', ['synthesis.b{}', 'x.synthesis.b{}'])
def test_ninety_thousand_blocks_are_refused_quickly(names_of):
  one = np.ones((2, 2), np.float32)
  arrays = {f'{names_of.format(i)}.x': one for i in range(99_000)}
  arrays[f'{names_of.format(4)}.const'] = one
  with pytest.raises(errors.UserError, match=r'4, 8, 16, \.\.\.'):
    opening.open_arrays(arrays)


@pytest.fixture(scope='module')
def saved(tmp_path_factory):
  path = tmp_path_factory.mktemp('saved')
  store.save_generator(path, small.generator())
  return path


@pytest.fixture
def folder(tmp_path, saved):
  return shutil.copytree(saved, tmp_path, dirs_exist_ok=True)


def _edit(folder, /, **fields):
  """Changes fields of checkpoint.json, its metadata or its architecture."""
  path = folder / 'checkpoint.json'
  content = storage.read_json(path)
  metadata = content['metadata']
  for name, value in fields.items():
    nest = (content, metadata, metadata.get('architecture', {}))
    next(part for part in nest if name in part)[name] = value
  storage.write_json(path, content)


_SENSELESS: Mapping[str, Sequence[Any]] = {
  'mapping_layers': (200_000, 10**400, -1, '8', None, [8]),
  'channels': ([10**9] * 3, [0] * 3, 3, ['x'], [[1]], {}),
  'kind': (3, None, {}, [[]], '\x1b[2J', 'x' * 10**5),
  'noise': (3, None, 'yes'),
  'dtype': ('object', 'float8_e4m3fn', 3, None, {}),
  'architecture': (3, None, [], {}, 'x', {'a\n': 'b'}),
  'metadata': (3, None, [], {}, 'x'),
  'arrays': (
    *(3, None, [], 'x', {'x': 3}, {'\n': 'y'}),
    {'x': 'float32[0, 99999999999999999999]'},
    {'x': 'float32[0, 4000000000, 4000000000]'},
    {'x': 'float32[4000000000, 4000000000]'},
    {'x': 'object[3]'},
    {'x': 'float8_e4m3fn[3]'},
    {'x': 'float32' + '[' * 10**5},
    {'x': 'float32[' + '1, ' * 99 + '1]'},
  ),
  'files': (3, None, [], {}, {'x': {}}, {'x': 'y'}),
  'folder': (3, [], {}, '..'),
  'format': ({}, '\x1b[2J', 'x' * 10**6),
  'version': (10**300, '1', []),
  'sha256': (3, {}, ''),
}


@pytest.mark.parametrize(
  'fields',
  [{name: value} for name in _SENSELESS for value in _SENSELESS[name]],
)
def test_a_header_of_no_sense_is_one_short_line(folder, fields):
  _edit(folder, **fields)
  assert str(folder) in _refusal(folder)


def test_a_header_of_any_size_is_refused(folder):
  with open(folder / 'checkpoint.json', 'a') as file:
    file.write(' ' * (untrusted.MAX_HEADER_BYTES + 1))
  assert 'has over' in _refusal(folder)


@pytest.mark.parametrize('name', ['more', 'd/more', 'n\new'])
def test_files_that_are_not_listed_are_refused_unread(folder, name):
  path = folder / 'arrays-0' / name
  with open(path, 'wb') as file:
    file.truncate(2**40)  # takes no room, and would take hours to read
  assert 'does not list' in _refusal(folder)


def test_files_beside_the_arrays_are_never_looked_at(folder):
  with open(folder / 'contact_sheet.png', 'wb') as file:
    file.truncate(2**40)
  os.symlink('/dev/zero', folder / 'notes')
  opening.open_checkpoint(folder)


def test_links_in_a_checkpoint_are_refused(folder, tmp_path_factory):
  elsewhere = tmp_path_factory.mktemp('elsewhere')
  for name in ('arrays-0/manifest.ocdbt', 'arrays-0', 'checkpoint.json'):
    path = folder / name
    moved = elsewhere / path.name
    path.rename(moved)
    path.symlink_to(moved)
    assert 'a link' in _refusal(folder)
    path.unlink()
    moved.rename(path)
  opening.open_checkpoint(folder)


def _packed(folder, codec, shape):
  """A folder of one array of zeros, that somebody else has packed."""
  pytrees.save(folder, {'x': np.ones(3, np.float32)})
  base = folder.absolute() / 'arrays-0'
  spec = {
    'driver': 'zarr3',
    'kvstore': {'driver': 'ocdbt', 'base': f'file://{base}/'},
    'path': 'x/',
    'metadata': {
      'data_type': 'float32',
      'shape': shape,
      'chunk_grid': {
        'name': 'regular',
        'configuration': {'chunk_shape': shape},
      },
      'codecs': [codec],
    },
    'create': True,
    'delete_existing': True,
  }
  array = ts.open(spec).result()
  array.write(np.zeros(shape, np.float32) + 1).result()
  _edit(
    folder,
    arrays={'x': f'float32{list(shape)}'},
    files=orbax_arrays.digests(base),
  )


@pytest.mark.parametrize(
  ('codec', 'shape', 'words'),
  [
    ('zstd', (2**25,), 'unpacks to more than'),
    ('gzip', (1000,), 'by gzip'),
    ('blosc', (1000,), 'by blosc'),
  ],
)
def test_bombs_within_the_arrays_are_refused(tmp_path, codec, shape, words):
  _packed(tmp_path, {'name': codec}, shape)
  assert words in _refusal(tmp_path / 'arrays-0', lambda _: pytrees.load(
    tmp_path
  ))  # fmt: skip
