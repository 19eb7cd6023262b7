import pathlib
import tracemalloc

import numpy as np
import pytest

from dgan_jax import errors
from dgan_jax.checkpoints.formats import untrusted
from dgan_jax.checkpoints.origins import network_pickle
from tests.checkpoints import ada_pickle as checkpoints
from tests.checkpoints import pickles, writers

_MINI = pathlib.Path(__file__).parents[2] / 'goldens' / 'mini_ckpt'
_ADA = _MINI / 'mini_stylegan2_ada_r32.pkl'
_STYLEGAN1 = _MINI / 'mini_stylegan1_tf_r32.pkl'
_STYLEGAN2 = _MINI / 'mini_stylegan2_tf_r32.pkl'

_NETWORK = 'dnnlib.tflib.network.Network'
_PERSISTENT = 'torch_utils.persistence._reconstruct_persistent_obj'


@pytest.fixture
def read(tmp_path):
  """Writes bytes to a file and reads its networks."""

  def read_bytes(data):
    path = tmp_path / 'made.pkl'
    path.write_bytes(data)
    return network_pickle.read(path)

  return read_bytes


def test_a_stylegan2_of_tensorflow_has_its_variables_in_order():
  networks = network_pickle.read(_STYLEGAN2)
  assert list(networks) == ['G', 'D', 'Gs']
  found = networks['Gs']
  assert found.kind == 'G_main'
  assert networks['D'].kind == 'D_stylegan2'
  names = list(found.arrays)
  assert names[:3] == ['lod', 'dlatent_avg', 'G_synthesis/noise0']
  assert len(names) == 77
  shapes = {name: array.shape for name, array in found.arrays.items()}
  assert shapes['lod'] == ()
  assert shapes['dlatent_avg'] == (32,)
  assert shapes['G_synthesis/noise6'] == (1, 1, 32, 32)
  assert shapes['G_synthesis/32x32/Conv0_up/weight'] == (3, 3, 16, 8)
  assert shapes['G_mapping/Dense7/bias'] == (32,)
  assert found.settings['resolution'] == 32
  assert found.settings['synthesis.build_func_name'] == 'G_synthesis_stylegan2'
  for array in found.arrays.values():
    assert array.dtype == np.float32
    assert not array.flags.writeable


def test_a_stylegan1_of_tensorflow_is_told_apart():
  found = network_pickle.read(_STYLEGAN1)['Gs']
  assert found.kind == 'G_style'
  assert found.arrays['G_synthesis/4x4/Const/StyleMod/weight'].shape == (32, 32)
  assert found.settings['synthesis.build_func_name'] == 'G_synthesis'


def test_a_stylegan2_ada_has_the_state_dict_of_pytorch():
  networks = network_pickle.read(_ADA)
  assert list(networks) == ['G', 'D', 'G_ema']
  found = networks['G_ema']
  assert found.kind == 'Generator'
  with np.load(_ADA.with_suffix('.expected.npz')) as archive:
    expected = {
      key.removeprefix('sd_G_ema/'): archive[key]
      for key in archive
      if key.startswith('sd_G_ema/')
    }
  assert found.arrays.keys() == expected.keys()
  for key, value in expected.items():
    np.testing.assert_array_equal(found.arrays[key], value)
  assert found.settings['c_dim'] == 0
  assert found.settings['synthesis.b8.architecture'] == 'skip'
  assert found.settings['synthesis.b8.conv0.conv_clamp'] == 256
  assert found.settings['_init_kwargs.synthesis_kwargs.channel_base'] == 256
  assert found.settings['synthesis.b8.conv0.act_gain'] == np.sqrt(2.0)
  assert not any(
    isinstance(value, np.generic | np.ndarray)
    for value in found.settings.values()
  )


def _check_tensorflow(networks, name='Gs'):
  found = networks[name]
  assert found.kind == 'G_main'
  turned = np.arange(6, dtype=np.float32).reshape(2, 3)
  for key, value in {
    'lod': np.float32(1.5),
    'dlatent_avg': np.arange(2.0),
    'G_synthesis/noise0': np.full((1, 1, 2, 2), 3, np.float32),
    'G_synthesis/4x4/Conv/weight': turned,
    'G_synthesis/4x4/Conv/turned': turned,
    'G_mapping/Dense0/bias': np.float32([0.5]),
  }.items():
    np.testing.assert_array_equal(found.arrays[key], value)
    assert found.arrays[key].dtype == value.dtype
    assert found.arrays[key].dtype.isnative
  assert found.settings == {
    'resolution': 4,
    'mapping_func': 'G_mapping',
    'truncation_psi': None,
    'nonlinear': True,
    'synthesis.build_func_name': 'G_synthesis_stylegan2',
    'mapping.build_func_name': 'G_mapping',
  }


@pytest.mark.parametrize('old', [False, True], ids=['numpy 2', 'numpy 1'])
@pytest.mark.parametrize('easy', [False, True], ids=['dict', 'EasyDict'])
@pytest.mark.parametrize('protocol', range(6))
def test_networks_of_tensorflow_are_read_whoever_wrote_them(
  read, protocol, easy, old
):
  networks = tuple(
    writers.tensorflow_generator(name, easy) for name in ('G', 'D', 'Gs')
  )
  data = writers.dumps(networks, protocol)
  if old:
    changed = writers.by_old_numpy(data)
    assert changed != data
    data = changed
  _check_tensorflow(read(data))


@pytest.mark.parametrize('protocol', range(6))
def test_modules_of_stylegan2_ada_are_read_whoever_wrote_them(read, protocol):
  networks = read(writers.dumps(writers.persistence_file(), protocol))
  assert list(networks) == ['G_ema', 'D']
  assert not networks['D'].arrays
  found = networks['G_ema']
  weight = np.arange(6, dtype=np.float32).reshape(2, 3)
  assert list(found.arrays) == [
    'w_avg',
    'synthesis.conv.weight',
    'synthesis.conv.noise_const',
  ]
  np.testing.assert_array_equal(found.arrays['synthesis.conv.weight'], weight)
  assert not found.arrays['synthesis.conv.weight'].flags.writeable
  assert found.settings == {
    'training': False,
    'c_dim': 0,
    '_init_kwargs.c_dim': 0,
    '_init_kwargs.mapping_kwargs.num_layers': 2,
    'synthesis.training': False,
    'synthesis.conv.training': False,
    'synthesis.conv.conv_clamp': 256,
    'synthesis.conv.act_gain': np.sqrt(2.0),
    'synthesis.conv.activation': 'lrelu',
  }


def test_networks_of_python_2_are_read(read):
  """Protocol 2 with the byte strings of Python 2, long and short."""

  def string(data):
    return b'T' + len(data).to_bytes(4, 'little') + data

  def array(shape, data):
    dtype = pickles.call(
      'numpy.dtype', string(b'f4'), pickles.integer(0), pickles.integer(1)
    )
    none = b'N' * 3
    state = pickles.items(
      pickles.integer(3), string(b'<'), none, *[pickles.integer(-1)] * 2
    )
    start = pickles.call(
      'numpy.core.multiarray._reconstruct',
      pickles.name('numpy.ndarray'),
      pickles.integers(0),
      string(b'b'),
    )
    return (
      start
      + pickles.items(
        pickles.integer(1),
        pickles.integers(*shape),
        dtype + state + b'b',
        b'\x89',
        string(data),
      )
      + b'b'
    )

  values = np.linspace(-1, 1, 400, dtype='<f4')
  variables = b'](' + b''.join(
    pickles.items(string(name), array((size,), values[:size].tobytes()))
    for name, size in ((b'short', 3), (b'long', 400))
  )
  state = {
    'name': string(b'G'),
    'build_func_name': string(b'G_style'),
    'static_kwargs': b'}' + string(b'caf\xe9') + string(b'\xff') + b's',
    'components': pickles.call('collections.OrderedDict', b']'),
    'variables': variables + b'e',
  }
  network = pickles.name(_NETWORK) + b')\x81' + pickles.mapping(state) + b'b'
  found = read(pickles.program(b'(' + network * 3 + b't'))['Gs']
  np.testing.assert_array_equal(found.arrays['short'], values[:3])
  np.testing.assert_array_equal(found.arrays['long'], values)
  assert found.settings == {'caf\xe9': '\xff'}


def test_tensors_that_share_a_storage_are_read(read):
  values = np.arange(6, dtype=np.float32)
  where = checkpoints.storage(values)
  turned = values.reshape(2, 3).T
  made = checkpoints.module(
    'Generator',
    {
      'whole': checkpoints.parameter(values, where),
      'turned': checkpoints.parameter(turned, where),
    },
  )
  found = read(writers.dumps({'G': made}, 3))['G']
  np.testing.assert_array_equal(found.arrays['whole'], values)
  np.testing.assert_array_equal(found.arrays['turned'], turned)


def test_only_what_is_converted_is_copied(tmp_path):
  values = np.zeros(2**20, np.float32)
  made = checkpoints.module('Generator', {'x': checkpoints.parameter(values)})
  networks = {
    'ada': {'G': made, 'D': made},
    'tensorflow': (writers.tensorflow_network('G', 'f', {'x': values}),) * 3,
  }
  for name, value in networks.items():
    path = tmp_path / name
    path.write_bytes(writers.dumps(value, 4))
    tracemalloc.start()
    found = network_pickle.read(path)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert found['G'].arrays['x'].nbytes == 2**22
    assert peak < 2**17


def test_pickles_are_told_from_other_files():
  for path in (_ADA, _STYLEGAN1):
    assert network_pickle.is_network_pickle(path.read_bytes())
  for name in (
    'mini_stylegan1_r32.for_g_all.pt',
    'mini_stylegan1_r32.legacy.for_g_all.pt',
    'avg_latent_1x18.npy',
  ):
    assert not network_pickle.is_network_pickle((_MINI / name).read_bytes())
  assert not network_pickle.is_network_pickle(b'')
  for protocol in range(6):
    data = writers.dumps((writers.tensorflow_generator(),) * 3, protocol)
    assert network_pickle.is_network_pickle(data)


def _network(**changes):
  """A pickled network of TensorFlow with another state."""
  state = {
    'name': pickles.text('G'),
    'build_func_name': pickles.text('f'),
    'static_kwargs': b'}',
    'components': b'}',
    'variables': b']',
  } | changes
  return pickles.name(_NETWORK) + b')\x81' + pickles.mapping(state) + b'b'


def _module(**changes):
  """A pickled module of StyleGAN2-ADA with another state."""
  state = {'_parameters': b'}', '_buffers': b'}', '_modules': b'}'} | changes
  meta = {
    'type': pickles.text('class'),
    'class_name': pickles.text('G'),
    'state': pickles.mapping(state),
  }
  return pickles.call(_PERSISTENT, pickles.mapping(meta))


_ENTRY = pickles.text('x')


@pytest.mark.parametrize(
  ('network', 'reason'),
  [
    (_network(variables=b'N'), 'variables is NoneType; expected list'),
    (_network(variables=b']Na'), 'variable that is no array'),
    (
      _network(variables=b']' + pickles.items(_ENTRY, b'N') + b'a'),
      'variable that is no array',
    ),
    (
      _network(
        variables=b']'
        + pickles.items(
          _ENTRY,
          pickles.call(
            'numpy.core.multiarray._reconstruct',
            pickles.name('numpy.ndarray'),
            b')',
            b'N',
          ),
        )
        + b'a'
      ),
      'variable that is no array',
    ),
    (_network(components=b'}' + _ENTRY + b'Ns'), 'x that is no network'),
    (_network(components=b'}NNs'), 'without a name'),
    (_network(build_func_name=b'N'), 'build_func_name is NoneType'),
    (_network(build_func_name=pickles.text('x' * 401)), '401 characters'),
    (pickles.name(_NETWORK) + b')\x81Nb', 'without a state'),
    (pickles.name(_NETWORK) + b')\x81', 'variables is NoneType'),
    (pickles.name(_NETWORK) + b'N\x85\x81', 'unfit arguments'),
    (_module(_parameters=b']'), 'holds no networks'),
    (_module(_parameters=b'}' + _ENTRY + b']s'), 'x that is no tensor'),
    (_module(_modules=b'}' + _ENTRY + b']s'), 'x that is no tensor or module'),
    (pickles.call(_PERSISTENT, b'}'), 'unknown kind of module'),
    (pickles.call(_PERSISTENT, b'N'), 'unknown kind of module'),
  ],
)
def test_networks_that_are_not_as_they_should_be_are_refused(
  refusal, network, reason
):
  assert reason in refusal(pickles.program(pickles.mapping({'G': network})))


@pytest.mark.parametrize(
  ('tree', 'reason'),
  [
    (b'N', 'holds no networks'),
    (b']', 'holds no networks'),
    (b'}', 'holds no networks'),
    (b'NNN\x87', 'holds no networks'),
    (_network() + _network() + b'\x86', 'holds no networks'),
    (
      pickles.call('torch.storage._load_from_bytes', b'N'),
      'storage that is no bytes',
    ),
    (
      pickles.call('torch.storage._load_from_bytes', b'C\x03abc'),
      'is no pickle',
    ),
    (
      pickles.call(
        'torch.storage._load_from_bytes',
        b'B' + b'\x7f\x00\x00\x00' + b'abc',
      ),
      'expected 127 bytes',
    ),
    (pickles.call('copyreg._reconstructor', b'N', b'N', b'N'), 'instance'),
    (
      pickles.call(
        'copyreg._reconstructor',
        pickles.name('collections.OrderedDict'),
        pickles.name('builtins.dict'),
        b'}',
      ),
      'instance',
    ),
    (pickles.call('builtins.set', b']]a'), 'list as a key'),
    (pickles.call('builtins.set', b'N'), 'set'),
    (pickles.call('builtins.object'), 'no function'),
  ],
)
def test_other_pickles_are_refused(refusal, tree, reason):
  assert reason in refusal(pickles.program(tree))


def test_a_nested_file_that_holds_no_storage_is_refused(refusal):
  nested = pickles.legacy_file(b'}', {})
  data = b'B' + len(nested).to_bytes(4, 'little') + nested
  tree = pickles.call('torch.storage._load_from_bytes', data)
  assert 'holds something else' in refusal(pickles.program(tree))


def test_networks_that_double_are_stopped(refusal, monkeypatch):
  monkeypatch.setattr(untrusted, 'MAX_STEPS', 1000)
  network = _network()
  for _ in range(12):
    pair = pickles.mapping({'a': b'h\x05', 'b': b'h\x05'})
    network += b'q\x050' + _network(components=pair)
  assert 'over 1,000 steps' in refusal(
    pickles.program(pickles.mapping({'G': network}))
  )


def test_networks_inside_themselves_are_stopped(refusal):
  network = pickles.name(_NETWORK) + b')\x81q\x05'
  network += _network(components=pickles.mapping({'a': b'h\x05'})).removeprefix(
    pickles.name(_NETWORK) + b')\x81'
  )
  data = pickles.program(pickles.mapping({'G': network}))
  assert 'over 16 deep' in refusal(data)
  options = b'}q\x05' + pickles.text('a') + b'h\x05s'
  data = pickles.program(pickles.mapping({'G': _module(_init_kwargs=options)}))
  assert 'over 16 deep' in refusal(data)


def test_nested_files_count_towards_the_whole(refusal, monkeypatch):
  values = np.zeros(2, np.float32)
  made = {'G': checkpoints.module('G', {'x': checkpoints.parameter(values)})}
  data = writers.dumps(made, 3)
  monkeypatch.setattr(untrusted, 'MAX_STEPS', 100)
  assert 'over 100 steps' in refusal(data)


def test_files_that_are_none_are_refused(refusal, tmp_path):
  assert 'is empty' in refusal(b'')
  assert 'is no pickle' in refusal(b'hello')
  with pytest.raises(errors.UserError, match='does not exist'):
    network_pickle.read(tmp_path / 'none.pkl')


@pytest.mark.parametrize('path', [_STYLEGAN1, _STYLEGAN2])
def test_every_truncation_is_refused(refusal, path):
  data = path.read_bytes()
  for end in np.linspace(0, len(data) - 1, 40).astype(int):
    refusal(data[:end])
