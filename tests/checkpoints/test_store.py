import json
import os
import pathlib
import shutil
import signal
import socket
import subprocess
import sys

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

from dgan_jax import errors, storage
from dgan_jax.checkpoints import pytrees, store
from dgan_jax.checkpoints.formats import orbax_arrays
from dgan_jax.generators import generator as generators
from dgan_jax.generators import stylegan1
from dgan_jax.interpreter import ensemble
from dgan_jax.tasks import part_segmentation

_ROOT = pathlib.Path(__file__).parents[2]


def _random(shapes, seed=0):
  rng = np.random.default_rng(seed)
  return jax.tree.map(
    lambda leaf: jnp.asarray(rng.normal(size=leaf.shape), jnp.float32), shapes
  )


@pytest.fixture
def generator():
  made = stylegan1.StyleGAN1(8, (4, 3), latent_size=5, mapping_layers=2)
  shapes = generators.shapes(made, has_noise=False)['params']
  return generators.Generator(
    architecture=made,
    params=_random(shapes),
    w_avg=_random(jnp.zeros((4, 5))),
    noise=_random(tuple(jnp.zeros((1, r, r, 1)) for r in (4, 4, 8, 8))),
  )


@pytest.fixture
def interpreter():
  spec = ensemble.InterpreterSpec(
    feature_channels=(4, 4, 3, 3),
    task=part_segmentation.unnamed(3),
    hidden=(6, 5),
    members=2,
    generator_checksum='abc',
    resolution=8,
    rows=(1, 7),
  )
  shapes = store._interpreter_shapes(spec)
  return ensemble.Interpreter(spec=spec, params=_random(shapes))


def _assert_equal(ours, theirs):
  for a, b in zip(*map(jax.tree.leaves, (ours, theirs)), strict=True):
    np.testing.assert_array_equal(a, b)
    assert a.dtype == b.dtype


def _refusal(call, *args):
  with pytest.raises(errors.UserError) as error:
    call(*args)
  assert '\n' not in str(error.value)
  return str(error.value)


def _edit(directory, **fields):
  path = directory / 'checkpoint.json'
  storage.write_json(path, {**storage.read_json(path), **fields})


def test_a_generator_comes_back(tmp_path, generator):
  store.save_generator(tmp_path / 'a' / 'b', generator)
  loaded = store.load_generator(tmp_path / 'a' / 'b')
  _assert_equal(loaded, generator)
  assert generators.checksum(loaded) == generators.checksum(generator)


def test_a_generator_without_noise_comes_back(tmp_path, generator):
  store.save_generator(tmp_path, generator.replace(noise=None))
  assert store.load_generator(tmp_path).noise is None


def test_an_interpreter_comes_back(tmp_path, interpreter):
  store.save_interpreter(tmp_path, interpreter)
  loaded = store.load_interpreter(tmp_path)
  _assert_equal(loaded, interpreter)
  assert ensemble.checksum(loaded) == ensemble.checksum(interpreter)


def test_any_tree_of_arrays_comes_back(tmp_path, generator):
  tree = {
    'optimizer': optax.adam(1e-3).init(generator.params),
    'key': jax.random.key_data(jax.random.key(1)),
    'step': np.int64(7) * np.ones((), np.int64),
    'flag': np.array([True, False]),
    'half': np.ones((2, 3), jnp.bfloat16),
    'empty': np.zeros((0, 3), np.float32),
    'none': None,
  }
  pytrees.save(tmp_path, tree, {'step': 7, 'rows': (64, 448)})
  _assert_equal(pytrees.load(tmp_path, tree), tree)
  assert pytrees.load_metadata(tmp_path) == {'step': 7, 'rows': [64, 448]}
  flat = pytrees.load(tmp_path)
  assert flat['optimizer.0.count'] == 0
  assert flat['empty'].shape == (0, 3)


def test_a_path_may_be_relative(tmp_path, monkeypatch, generator):
  monkeypatch.chdir(tmp_path)
  store.save_generator('here', generator)
  _assert_equal(store.load_generator('here'), generator)


def test_a_save_takes_the_place_of_the_one_before(tmp_path, generator):
  for value in range(3):
    pytrees.save(tmp_path, {'x': np.full(4, value)}, {'step': value})
    assert pytrees.load_metadata(tmp_path) == {'step': value}
    assert (pytrees.load(tmp_path)['x'] == value).all()
    assert len(list(tmp_path.iterdir())) == 2


@pytest.mark.parametrize(
  ('module', 'function'),
  [(orbax_arrays, 'write'), (storage, 'write_json')],
)
def test_an_interrupted_save_leaves_the_one_before(
  tmp_path, monkeypatch, module, function
):
  pytrees.save(tmp_path, {'x': np.zeros(4)})
  whole = getattr(module, function)

  def interrupted(*args):
    if module is orbax_arrays:
      whole(*args)
    raise KeyboardInterrupt

  with monkeypatch.context() as patch:
    patch.setattr(module, function, interrupted)
    with pytest.raises(KeyboardInterrupt):
      pytrees.save(tmp_path, {'x': np.ones(4)})
  assert (pytrees.load(tmp_path)['x'] == 0).all()
  pytrees.save(tmp_path, {'x': np.ones(4)})
  assert (pytrees.load(tmp_path)['x'] == 1).all()


def test_an_interrupted_first_save_leaves_nothing_to_load(
  tmp_path, monkeypatch
):
  def interrupted(*args):
    raise KeyboardInterrupt

  monkeypatch.setattr(storage, 'write_json', interrupted)
  with pytest.raises(KeyboardInterrupt):
    pytrees.save(tmp_path, {'x': np.ones(4)})
  assert 'holds no checkpoint' in _refusal(pytrees.load, tmp_path)


def test_a_killed_process_leaves_a_whole_checkpoint(tmp_path):
  code = (
    'import sys, itertools, numpy as np\n'
    'from dgan_jax.checkpoints import pytrees\n'
    'for i in itertools.count():\n'
    '  tree = {str(k): np.full(5000, i) for k in range(20)}\n'
    '  pytrees.save(sys.argv[1], tree, {"step": i})\n'
    '  print(i, flush=True)\n'
  )
  process = subprocess.Popen(
    [sys.executable, '-c', code, str(tmp_path)],
    cwd=_ROOT,
    stdout=subprocess.PIPE,
    text=True,
  )
  with process:
    for _ in range(3):
      done = int(process.stdout.readline() if process.stdout else -1)
    process.send_signal(signal.SIGKILL)
  step = pytrees.load_metadata(tmp_path)['step']
  assert step >= done
  for array in pytrees.load(tmp_path).values():
    assert (array == step).all()


def test_a_checkpoint_is_few_files_that_do_not_tell_where_they_were_made(
  tmp_path, generator
):
  store.save_generator(tmp_path, generator)
  paths = [path for path in tmp_path.rglob('*') if path.is_file()]
  # How many depends on how its writers meet; a file for each array it is not.
  assert len(paths) < len(jax.tree.leaves(generator)) / 2
  for path in paths:
    content = path.read_bytes()
    for secret in (str(tmp_path), socket.gethostname() * 2, str(_ROOT)):
      assert secret.encode() not in content
  text = (tmp_path / 'checkpoint.json').read_text()
  assert 'time' not in text


def test_equal_content_has_equal_digests(tmp_path, generator):
  for name in ('a', 'b'):
    store.save_generator(tmp_path / name, generator)
  headers = [storage.read_json(tmp_path / n / 'checkpoint.json') for n in 'ab']
  assert headers[0]['sha256'] == headers[1]['sha256']


def test_a_missing_checkpoint_is_named(tmp_path):
  for path in (tmp_path, tmp_path / 'none'):
    assert str(path) in _refusal(store.load_generator, path)


def test_an_interpreter_is_no_generator(tmp_path, interpreter):
  store.save_interpreter(tmp_path, interpreter)
  assert _refusal(store.load_generator, tmp_path) == (
    f"{tmp_path} holds a checkpoint of kind 'interpreter'; expected "
    "'generator'."
  )


def test_every_lost_cut_or_changed_file_is_named(tmp_path, generator):
  store.save_generator(tmp_path, generator)
  paths = [p for p in (tmp_path / 'arrays-0').rglob('*') if p.is_file()]
  for path in paths:
    content = path.read_bytes()
    flipped = bytearray(content)
    flipped[len(content) // 2] ^= 1
    for damaged in (b'', content[:-1], content[:99], bytes(flipped)):
      path.write_bytes(damaged)
      if damaged != content:
        assert f'{path} is damaged' in _refusal(store.load_generator, tmp_path)
    path.write_bytes(content)
  store.load_generator(tmp_path)
  paths[0].unlink()
  assert f'{paths[0]} is missing' in _refusal(store.load_generator, tmp_path)


def test_a_cut_header_is_named(tmp_path, generator):
  store.save_generator(tmp_path, generator)
  path = tmp_path / 'checkpoint.json'
  content = path.read_bytes()
  for end in range(0, len(content) - 2, 97):
    path.write_bytes(content[:end])
    assert str(path) in _refusal(store.load_generator, tmp_path)


def test_changed_values_are_noticed(tmp_path):
  pytrees.save(tmp_path / 'a', {'x': np.zeros(9)})
  pytrees.save(tmp_path / 'b', {'x': np.ones(9)})
  other = storage.read_json(tmp_path / 'a' / 'checkpoint.json')
  _edit(tmp_path / 'b', sha256=other['sha256'])
  assert 'not what was saved' in _refusal(pytrees.load, tmp_path / 'b')


def test_an_array_folder_that_orbax_did_not_write_is_refused(tmp_path):
  pytrees.save(tmp_path, {'x': np.zeros(9)})
  for path in (tmp_path / 'arrays-0').rglob('*'):
    if path.is_file():
      path.write_text('{}')
  _edit(tmp_path, files=orbax_arrays.digests(tmp_path / 'arrays-0'))
  assert 'cannot be read' in _refusal(pytrees.load, tmp_path)


def test_a_changed_architecture_is_noticed(tmp_path, generator):
  store.save_generator(tmp_path, generator)
  metadata = pytrees.load_metadata(tmp_path)
  metadata['architecture']['instance_norm_eps'] = 1e-8
  _edit(tmp_path, metadata=metadata)
  assert 'not what was saved' in _refusal(store.load_generator, tmp_path)


def test_arrays_of_another_shape_are_refused_by_key(tmp_path, generator):
  store.save_generator(tmp_path, generator)
  metadata = pytrees.load_metadata(tmp_path)
  metadata['architecture']['channels'] = [4, 2]
  _edit(tmp_path, metadata=metadata)
  assert _refusal(store.load_generator, tmp_path) == (
    f'{tmp_path}: params.synthesis.block_8.conv.bias is float32[3]; expected '
    'float32[2].'
  )


def test_arrays_that_orbax_knows_by_another_shape_are_not_read(tmp_path):
  pytrees.save(tmp_path, {'x': np.zeros((2, 3))})
  _edit(tmp_path, arrays={'x': 'float64[1000, 1000]'})
  words = _refusal(pytrees.load, tmp_path)
  assert 'x as float64[2, 3] in [2, 3]; expected float64[1000, 1000]' in words


@pytest.mark.parametrize(
  ('like', 'words'),
  [
    ({'x': np.zeros(3)}, 'x is float64[4]; expected float64[3]'),
    ({'x': np.zeros(4, int)}, 'x is float64[4]; expected int64[4]'),
    (
      {'x': np.zeros(4), 'y': np.zeros(1)},
      'y is missing; expected float64[1]',
    ),
    ({}, 'x is float64[4]; expected missing'),
  ],
)
def test_a_tree_unlike_the_wanted_one_is_refused_by_key(tmp_path, like, words):
  pytrees.save(tmp_path, {'x': np.zeros(4)})
  assert words in _refusal(pytrees.load, tmp_path, like)


@pytest.mark.parametrize(
  'fields',
  [
    {'format': 'another'},
    {'version': 2},
    {'folder': '../elsewhere'},
    {'folder': None},
    {'arrays': []},
    {'arrays': {'x': 'float64'}},
    {'arrays': {'x': 'nonsense[4]'}},
    {'arrays': {'x': 4}},
    {'metadata': 3},
    {'metadata': {'kind': 'generator'}},
    {'metadata': {'kind': 'generator', 'architecture': {'resolution': 7}}},
    {
      'metadata': {
        'kind': 'generator',
        'noise': True,
        'architecture': {'resolution': '8', 'channels': 3},
      }
    },
    {'sha256': None},
    {'files': None},
    {'files': {'../checkpoint.json': 'x'}},
  ],
)
def test_a_header_that_makes_no_sense_is_one_clear_line(
  tmp_path, generator, fields
):
  store.save_generator(tmp_path, generator)
  _edit(tmp_path, **fields)
  assert str(tmp_path) in _refusal(store.load_generator, tmp_path)


@pytest.mark.parametrize(
  'spec', [None, {}, {'members': 'x'}, {'hidden': 3}, {'hidden': [1, 2, 3]}]
)
def test_an_interpreter_of_no_sense_is_one_clear_line(
  tmp_path, interpreter, spec
):
  store.save_interpreter(tmp_path, interpreter)
  metadata = pytrees.load_metadata(tmp_path)
  if spec is not None:
    spec = {**metadata['spec'], **spec} if spec else {}
  _edit(tmp_path, metadata={**metadata, 'spec': spec})
  assert str(tmp_path) in _refusal(store.load_interpreter, tmp_path)


def test_a_folder_that_cannot_be_made_says_so(tmp_path):
  (tmp_path / 'file').touch()
  with pytest.raises(OSError, match='file'):
    pytrees.save(tmp_path / 'file' / 'x', {'x': np.zeros(1)})


def test_a_full_disk_is_noticed_before_anything_is_written(
  tmp_path, monkeypatch
):
  usage = shutil.disk_usage(tmp_path)._replace(free=10**6)
  monkeypatch.setattr(shutil, 'disk_usage', lambda path: usage)
  with pytest.raises(OSError, match='No space left on device'):
    pytrees.save(tmp_path, {'x': np.zeros(10**5)})
  assert os.listdir(tmp_path) == []


def test_a_failed_write_leaves_no_half_checkpoint(tmp_path, monkeypatch):
  class Failing(orbax_arrays.ocp.PyTreeCheckpointHandler):
    def save(self, folder, args):
      (pathlib.Path(folder) / 'half').write_text('')
      raise ValueError('UNAVAILABLE: reason\nand more')

  monkeypatch.setattr(orbax_arrays.ocp, 'PyTreeCheckpointHandler', Failing)
  words = _refusal(pytrees.save, tmp_path, {'x': np.zeros(1)})
  assert words.endswith('UNAVAILABLE: reason')
  assert os.listdir(tmp_path) == []


def test_the_header_can_be_read_by_people(tmp_path, generator):
  store.save_generator(tmp_path, generator)
  header = json.loads((tmp_path / 'checkpoint.json').read_text())
  assert header['metadata']['checksum'] == generators.checksum(generator)
  assert header['arrays']['w_avg'] == 'float32[4, 5]'
