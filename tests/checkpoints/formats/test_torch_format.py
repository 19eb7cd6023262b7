import pathlib
import zipfile

import jax.numpy as jnp
import numpy as np
import pytest

from dgan_jax import errors
from dgan_jax.checkpoints.formats import torch_format, untrusted
from tests.checkpoints import pickles

_MINI = pathlib.Path(__file__).parents[2] / 'goldens' / 'mini_ckpt'
_ZIP = _MINI / 'mini_stylegan1_r32.for_g_all.pt'
_LEGACY = _MINI / 'mini_stylegan1_r32.legacy.for_g_all.pt'


@pytest.fixture
def read(tmp_path):
  """Writes bytes to a file and reads it as a state dict."""

  def read_bytes(data):
    path = tmp_path / 'made.pt'
    path.write_bytes(data)
    return torch_format.read(path)

  return read_bytes


def _tensor(shape=(6,), strides=(1,), offset=0, size=6):
  return pickles.tensor(pickles.storage(size), shape, strides, offset)


def _file(tree, data=None, **kwargs):
  data = np.arange(6, dtype='<f4').tobytes() if data is None else data
  return pickles.zip_file(tree, {'0': data}, **kwargs)


def test_both_serialisations_hold_the_same_arrays():
  new, old = torch_format.read(_ZIP), torch_format.read(_LEGACY)
  assert list(new) == list(old)
  assert len(new) == 61
  for key, array in new.items():
    assert array.dtype == np.float32
    np.testing.assert_array_equal(array, old[key])


def test_a_training_checkpoint_gives_its_state_dict_only():
  folder = _MINI / 'interpreter_20'
  new = torch_format.read(folder / 'model_0.pth')
  old = torch_format.read(folder / 'model_0.legacy.pth')
  assert 'module.layers.0.weight' in new
  assert new['module.layers.2.num_batches_tracked'].dtype == np.int64
  assert new.keys() == old.keys()
  for key in new:
    np.testing.assert_array_equal(new[key], old[key])


def test_an_averaged_network_comes_without_what_is_beside_it():
  path = _MINI / 'mini_stylegan2_editgan_r64.pt'
  checkpoint = torch_format.read_checkpoint(path)
  assert checkpoint.wrapper == 'g_ema'
  assert checkpoint.state_dict['style.1.weight'].shape == (64, 64)
  assert list(checkpoint.beside) == ['latent_avg']
  assert checkpoint.beside['latent_avg'].shape == (64,)
  assert torch_format.read(path).keys() == checkpoint.state_dict.keys()


def test_a_file_of_one_state_dict_has_nothing_beside():
  checkpoint = torch_format.read_checkpoint(_ZIP)
  assert checkpoint.wrapper is None
  assert not checkpoint.beside


@pytest.mark.parametrize('legacy', [False, True], ids=['zip', 'legacy'])
def test_a_training_checkpoint_may_hold_options_and_optimizers(read, legacy):
  namespace = pickles.name('argparse.Namespace') + b')\x81'
  where = pickles.storage(6)
  if legacy:
    where = where.removesuffix(b'tQ') + b'NtQ'
  tensor = pickles.tensor(where, (6,), (1,))
  tree = pickles.mapping(
    {
      'g_ema': pickles.mapping({'w': tensor}),
      'g_optim': b'}' + pickles.integer(0) + tensor + b's',
      'args': namespace + pickles.mapping({'lr': b'N'}) + b'b',
      'device': pickles.call('torch.device', pickles.text('cpu')),
      'size': pickles.call('torch.Size', b']'),
      'dtype': pickles.name('torch.float32'),
    }
  )
  data = np.arange(6, dtype='<f4').tobytes()
  if legacy:
    found = read(pickles.legacy_file(tree, {'0': (6, data)}))
  else:
    found = read(_file(tree, data))
  assert list(found) == ['w']


def test_what_is_beside_is_checked_when_it_is_read(tmp_path):
  tree = pickles.mapping(
    {
      'g_ema': pickles.mapping({'w': _tensor()}),
      'other': pickles.tensor(pickles.storage(6, key='1'), (6,), (1,)),
    }
  )
  path = tmp_path / 'made.pt'
  path.write_bytes(_file(tree))  # without a storage '1'
  checkpoint = torch_format.read_checkpoint(path)
  np.testing.assert_array_equal(checkpoint.state_dict['w'], np.arange(6))
  with pytest.raises(errors.UserError, match=r'made\.pt is damaged.*data/1'):
    checkpoint.beside['other']


def test_an_array_outlives_the_name_of_its_file(tmp_path):
  path = tmp_path / 'made.pt'
  path.write_bytes(_file(pickles.mapping({'w': _tensor()})))
  array = torch_format.read(path)['w']
  path.unlink()
  np.testing.assert_array_equal(array, np.arange(6))


def test_tensors_without_values_are_read(read):
  tree = pickles.mapping({'x': _tensor((0, 3), (3, 1), offset=6)})
  assert read(_file(tree))['x'].shape == (0, 3)


def test_dicts_inside_dicts_become_dotted_keys_and_the_rest_is_left_out(read):
  tree = pickles.mapping(
    {
      'epoch': pickles.integer(3),
      'outer': pickles.mapping({'w': _tensor(), 'list': b']'}),
      'parameter': pickles.call(
        'torch._utils._rebuild_parameter', _tensor(), b'\x88', b'N'
      ),
    }
  )
  assert list(read(_file(tree))) == ['outer.w', 'parameter']


@pytest.mark.parametrize(
  ('kind', 'dtype'),
  [
    ('Double', np.float64),
    ('Float', np.float32),
    ('Half', np.float16),
    ('BFloat16', jnp.bfloat16),
    ('Long', np.int64),
    ('Int', np.int32),
    ('Short', np.int16),
    ('Char', np.int8),
    ('Byte', np.uint8),
    ('Bool', np.bool_),
  ],
)
@pytest.mark.parametrize('byteorder', ['little', 'big', None])
def test_every_type_comes_back_in_either_byte_order(
  read, kind, dtype, byteorder
):
  values = np.array([0, 1, 0, 1, 1, 0]).astype(dtype)
  raw = values.view(f'u{values.itemsize}')
  order = '>' if byteorder == 'big' else '<'
  tree = pickles.mapping(
    {'x': pickles.tensor(pickles.storage(6, kind=kind), (6,), (1,))}
  )
  data = raw.astype(f'{order}u{values.itemsize}').tobytes()
  array = read(_file(tree, data, byteorder=byteorder))['x']
  assert array.dtype == values.dtype
  np.testing.assert_array_equal(array, values)


def test_strides_and_offsets_are_followed(read):
  tree = pickles.mapping(
    {
      'transposed': _tensor((3, 2), (1, 3)),
      'part': _tensor((2,), (2,), offset=3),
      'scalar': _tensor((), (), offset=4),
    }
  )
  arrays = read(_file(tree))
  np.testing.assert_array_equal(
    arrays['transposed'], np.arange(6).reshape(2, 3).T
  )
  np.testing.assert_array_equal(arrays['part'], [3, 5])
  assert arrays['scalar'] == 4
  assert not arrays['part'].flags.writeable


def test_a_made_legacy_file_is_read(read):
  values = np.arange(6, dtype='<f4')
  where = pickles.storage(6).removesuffix(b'tQ') + b'NtQ'
  tree = pickles.mapping({'x': pickles.tensor(where, (2, 3), (3, 1))})
  data = pickles.legacy_file(tree, {'0': (6, values.tobytes())})
  np.testing.assert_array_equal(read(data)['x'], values.reshape(2, 3))


@pytest.mark.parametrize(
  'tensor',
  [
    pytest.param(_tensor((7,), (1,)), id='longer than its storage'),
    pytest.param(_tensor((6,), (1,), offset=1), id='past the end'),
    pytest.param(_tensor((2, 2), (5, 1)), id='strides past the end'),
    pytest.param(_tensor((2**40,), (0,)), id='petabytes of one value'),
    pytest.param(_tensor((2**62, 2**62), (1, 1)), id='sizes that overflow'),
    pytest.param(_tensor((2,), (-1,), offset=5), id='backwards'),
    pytest.param(_tensor((2,), (1,), offset=-1), id='before the start'),
    pytest.param(_tensor((-1,), (1,)), id='negative size'),
    pytest.param(_tensor((2, 2), (1,)), id='two sizes and one stride'),
    pytest.param(_tensor((1,) * 9, (1,) * 9), id='nine axes'),
    pytest.param(
      pickles.call(
        'torch._utils._rebuild_tensor_v2',
        pickles.storage(6),
        pickles.text('0'),
        pickles.integers(6),
        pickles.integers(1),
      ),
      id='offset in words',
    ),
    pytest.param(
      pickles.call(
        'torch._utils._rebuild_tensor_v2',
        pickles.text('storage'),
        pickles.integer(0),
        pickles.integers(6),
        pickles.integers(1),
      ),
      id='no storage',
    ),
    pytest.param(
      pickles.call('torch._utils._rebuild_tensor_v2', b'N'), id='too little'
    ),
    pytest.param(
      pickles.call('torch._utils._rebuild_parameter', b'N'), id='parameter'
    ),
  ],
)
def test_tensors_that_cannot_be_are_refused(refusal, tensor):
  assert 'tensor' in refusal(_file(pickles.mapping({'x': tensor})))


@pytest.mark.parametrize(
  ('size', 'expected'),
  [(5, '24 bytes; expected 20'), (7, '24 bytes; expected 28')],
)
def test_a_storage_of_another_length_is_refused(refusal, size, expected):
  tree = pickles.mapping({'x': _tensor((5,), (1,), size=size)})
  assert expected in refusal(_file(tree))


@pytest.mark.parametrize('size', [-1, 2**62, 2**100])
def test_a_storage_of_impossible_length_is_refused(refusal, size):
  where = pickles.storage(size).removesuffix(b'tQ') + b'NtQ'
  tree = pickles.mapping({'x': pickles.tensor(where, (1,), (1,))})
  assert 'impossible' in refusal(_file(tree))
  data = pickles.legacy_file(tree, {'0': (6, b'\0' * 24)})
  assert 'impossible' in refusal(data)


def test_one_storage_described_in_two_ways_is_refused(refusal):
  tree = pickles.mapping({'x': _tensor(), 'y': _tensor(size=7)})
  assert 'two ways' in refusal(_file(tree))


def test_a_reference_to_something_else_than_a_storage_is_refused(refusal):
  module = pickles.items(pickles.text('module'), pickles.text('code')) + b'Q'
  assert 'no tensor storage' in refusal(_file(module))
  view = pickles.storage(6).removesuffix(b'tQ') + pickles.integers(1) + b'tQ'
  assert 'no tensor storage' in refusal(_file(view))


def test_a_storage_that_is_missing_is_refused(refusal):
  tree = pickles.mapping({'x': _tensor()})
  assert 'data/0' in refusal(pickles.zip_file(tree, {}))
  where = pickles.storage(6).removesuffix(b'tQ') + b'NtQ'
  tree = pickles.mapping({'x': pickles.tensor(where, (6,), (1,))})
  assert 'other storages' in refusal(pickles.legacy_file(tree, {}))


def test_compressed_archives_are_refused(refusal):
  data = _file(
    pickles.mapping({'x': _tensor()}), compression=zipfile.ZIP_DEFLATED
  )
  assert 'compressed' in refusal(data)


def test_entries_that_overlap_are_refused(refusal):
  data = _file(pickles.mapping({'x': _tensor()}), b'\0' * 24 * 100)
  # The size of every entry in the central directory, at offset 20 and 24.
  damaged = bytearray(data)
  start = data.index(b'PK\x01\x02')
  while start >= 0:
    damaged[start + 20 : start + 28] = (b'\0\0\1\0') * 2
    start = data.find(b'PK\x01\x02', start + 4)
  assert 'exceed its size' in refusal(bytes(damaged))


@pytest.mark.parametrize('byteorder', ['little', None])
def test_an_archive_without_a_pickle_is_refused(refusal, tmp_path, byteorder):
  with zipfile.ZipFile(tmp_path / 'x', 'w') as archive:
    archive.writestr('made/other', '')
  assert 'an archive of other things (made/other)' in refusal(
    (tmp_path / 'x').read_bytes()
  )


def test_hostile_pickles_are_refused_in_either_serialisation(refusal, tmp_path):
  marker = tmp_path / 'ran'
  attack = pickles.call('os.system', pickles.text(f'touch {marker}'))
  expected = (
    'made.pt asks for os.system: refused; a checkpoint may hold only arrays '
    'and plain containers.'
  )
  for data in (
    _file(attack),
    pickles.legacy_file(attack, {}),
    pickles.program(attack),
  ):
    assert refusal(data).endswith(expected)
  assert not marker.exists()


def test_dicts_that_double_are_stopped(refusal):
  # d = {a: d, b: d}, 40 times.
  tree = b'}' + b''.join(
    b'q'
    + bytes([i])
    + b'0}('
    + b''.join(pickles.text(key) + b'h' + bytes([i]) for key in 'ab')
    + b'u'
    for i in range(40)
  )
  assert 'deep' in refusal(_file(tree))
  wide = b'}q\x000' + pickles.mapping({str(i): b'h\x00' for i in range(700)})
  wide += b'q\x010' + pickles.mapping({str(i): b'h\x01' for i in range(700)})
  assert 'steps' in refusal(_file(wide))


def test_a_dict_that_contains_itself_is_stopped(refusal):
  assert 'deep' in refusal(_file(b'}q\x00' + pickles.text('x') + b'h\x00s'))


def test_keys_that_grow_along_the_nest_are_stopped(refusal):
  tree = b'N'
  for _ in range(8):
    tree = pickles.mapping({'x' * 100: tree})
  assert 'name of 403 characters' in refusal(_file(tree))


def test_large_directories_are_not_read(refusal, monkeypatch):
  monkeypatch.setattr(untrusted, 'MAX_HEADER_BYTES', 100)
  data = _file(pickles.mapping({'x': _tensor()}))
  assert 'directory of over 100 bytes' in refusal(data)


def test_a_protocol_that_is_a_nest_is_refused(refusal):
  # t = (t, t), 60 times: its text would have no end.
  data = pickles.program(pickles.integer(pickles.MAGIC))
  data += pickles.program(b')', b'2\x86' * 60)
  assert 'protocol a tuple; expected 1001' in refusal(data)


def test_two_names_for_one_key_are_refused(refusal):
  tree = pickles.mapping(
    {'a.b': _tensor(), 'a': pickles.mapping({'b': _tensor()})}
  )
  assert 'two arrays a.b' in refusal(_file(tree))


@pytest.mark.parametrize(
  ('data', 'reason'),
  [
    (b'', 'is empty'),
    (b'hello', 'no pickle'),
    (b'PK\x03\x04', 'damaged or truncated'),
    (pickles.program(pickles.integer(1)), 'not a PyTorch checkpoint'),
    (
      pickles.program(pickles.integer(pickles.MAGIC))
      + pickles.program(pickles.integer(7)),
      'protocol 7; expected 1001',
    ),
    (_file(b']'), 'state dict'),
  ],
)
def test_other_files_are_refused(refusal, data, reason):
  assert reason in refusal(data)


def test_a_missing_file_and_a_folder_are_refused(tmp_path):
  for path in (tmp_path / 'none.pt', tmp_path):
    with pytest.raises(errors.UserError, match='does not exist or is not'):
      torch_format.read(path)


def test_files_beyond_the_limit_are_not_read(read, monkeypatch):
  monkeypatch.setattr(untrusted, 'MAX_FILE_BYTES', 10)
  with pytest.raises(errors.UserError, match='expected 10 at most'):
    read(b'\0' * 11)


@pytest.mark.parametrize('path', [_ZIP, _LEGACY], ids=['zip', 'legacy'])
def test_every_truncation_is_refused(refusal, path):
  data = path.read_bytes()
  for end in np.linspace(0, len(data) - 1, 60).astype(int):
    refusal(data[:end])


@pytest.mark.parametrize(
  'path',
  [
    _MINI / 'interpreter_20' / 'model_0.pth',
    _MINI / 'interpreter_20' / 'model_0.legacy.pth',
  ],
  ids=['zip', 'legacy'],
)
def test_damage_is_one_clear_line_or_changes_values_only(read, path):
  data = path.read_bytes()
  shapes = {k: v.shape for k, v in torch_format.read(path).items()}
  rng = np.random.default_rng(0)
  # Half of it where the structure is: the ends, where pickles and headers lie.
  ends = np.r_[0:2500, len(data) - 2500 : len(data)]
  messages = []
  for i in range(400):
    damaged = bytearray(data)
    place = rng.choice(ends) if i % 2 else rng.integers(len(data))
    damaged[place] ^= 1 << rng.integers(8)
    try:
      found = read(bytes(damaged))
    except errors.UserError as error:
      messages.append(str(error))
    else:
      # A flip within a name gives another name; shapes can't grow.
      assert sum(v.size for v in found.values()) <= sum(
        int(np.prod(s)) for s in shapes.values()
      )
  assert messages
  assert all(message.isprintable() for message in messages)


def test_damaged_values_are_noticed_in_an_archive(refusal):
  data = bytearray(_ZIP.read_bytes())
  with zipfile.ZipFile(_ZIP) as archive:
    entry = archive.getinfo('mini_stylegan1_r32.for_g_all/data/0')
  data[entry.header_offset + 300] ^= 1
  assert 'CRC' in refusal(bytes(data))
