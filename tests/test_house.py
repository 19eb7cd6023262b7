"""The house rules that a machine can check."""

import ast
import pathlib
import re
import subprocess
import sys
import tomllib
from importlib import metadata

import pytest

_ROOT = pathlib.Path(__file__).parents[1]
_PACKAGE = _ROOT / 'dgan_jax'

# Ground floor first: a room imports from rooms before it, or its own. What
# only knows bytes and arrays stands apart from the rest of checkpoints/.
_ROOMS = (
  *('errors', 'validation', 'storage', 'workdir', 'progress', 'rng'),
  *('parallel', 'schema', 'pyramid', 'metrics', 'visualize', 'tasks'),
  *('checkpoints.formats', 'checkpoints.pytrees', 'training'),
  *('renderers', 'generators', 'samples', 'report', 'annotations'),
  'interpreter',
  *('checkpoints', 'factory', 'segmentation', 'evaluation', 'gan', 'datasets'),
  *('api', '__main__'),
)
_MODULES = sorted(_PACKAGE.rglob('*.py'))


def _room(path):
  return _room_of(path.relative_to(_PACKAGE).with_suffix('').parts)


def _room_of(names):
  inner = '.'.join(names[:2])
  return inner if inner in _ROOMS else names[0]


def _imports(path):
  """Dotted names of all that a module imports, wherever it does."""
  for node in ast.walk(ast.parse(path.read_text())):
    if isinstance(node, ast.Import):
      yield from (alias.name for alias in node.names)
    elif isinstance(node, ast.ImportFrom):
      assert node.level == 0, f'{path}: relative import'
      yield from (f'{node.module}.{alias.name}' for alias in node.names)


@pytest.mark.parametrize(
  'path', _MODULES, ids=lambda path: str(path.relative_to(_PACKAGE))
)
def test_a_module_imports_only_from_rooms_above_it(path):
  if path.parent == _PACKAGE and path.name == '__init__.py':
    return  # has the names of the last room, and imports them when used
  allowed = _ROOMS[: _ROOMS.index(_room(path)) + 1]
  for name in _imports(path):
    top, *rest = name.split('.')
    assert top not in ('launch', 'configs', 'tests', 'benchmarks'), name
    if top == 'dgan_jax':
      assert _room_of(rest) in allowed, f'{path} imports {name}'


@pytest.mark.parametrize('folder', ['dgan_jax', 'launch'])
def test_every_path_from_outside_goes_through_storage(folder):
  # For ~, and for addresses such as gs://bucket.
  for path in (_ROOT / folder).rglob('*.py'):
    if path == _PACKAGE / 'storage.py':
      continue
    for found in re.findall(r'pathlib\.Path\(([^,)]*)\)', path.read_text()):
      assert found in ('__file__', "'out'"), f'{path} has pathlib.Path({found})'


@pytest.mark.parametrize('folder', ['launch', 'configs'])
def test_only_tests_import_tests(folder):
  for path in (_ROOT / folder).glob('*.py'):
    assert not any(name.startswith('tests.') for name in _imports(path)), path


def test_only_one_module_knows_about_devices():
  for path in _MODULES:
    if _room(path) != 'parallel':
      for word in (
        'pmap',
        'shard_map',
        'Mesh(',
        'jax.devices',
        'local_devices',
      ):
        assert word not in path.read_text(), f'{path} has {word}'


def test_every_import_is_among_the_requirements():
  text = (_ROOT / 'requirements.txt').read_text()
  project = tomllib.loads((_ROOT / 'pyproject.toml').read_text())['project']
  extras = project['optional-dependencies']['tensorboard']
  text = '\n'.join([text, *extras])
  required = set(re.findall(r'^[\w-]+', text, re.MULTILINE))
  required = {name.lower().replace('_', '-') for name in required}
  distributions = metadata.packages_distributions()
  for folder in ('dgan_jax', 'launch', 'configs', 'benchmarks'):
    for path in (_ROOT / folder).rglob('*.py'):
      for name in _imports(path):
        top = name.split('.')[0]
        if top in sys.stdlib_module_names or (_ROOT / top).is_dir():
          continue
        if folder == 'benchmarks' and top in ('flaxmodels', 'torch'):
          continue  # optional, for one comparison each
        owners = {
          owner.lower().replace('_', '-') for owner in distributions[top]
        }
        assert owners & required, f'{path} imports {top}'


def test_the_package_shows_its_names_and_imports_nothing_until_they_are_used():
  code = (
    'import sys\n'
    'import dgan_jax as dg\n'
    'assert set(dg.__all__) < set(dir(dg))\n'
    'assert "jax" not in sys.modules\n'
    'from dgan_jax import *\n'
    'assert callable(label) and label is dg.label\n'
    'try: dg.lable\n'
    'except AttributeError: pass\n'
    'else: raise AssertionError\n'
    'assert "tensorflow" not in sys.modules\n'
  )
  done = subprocess.run(
    [sys.executable, '-c', code], cwd=_ROOT, capture_output=True, text=True
  )
  assert done.returncode == 0, done.stderr


def test_importing_the_package_starts_no_backend_and_reads_no_flag():
  names = [
    '.'.join(path.relative_to(_ROOT).with_suffix('').parts)
    for path in _MODULES
    if path.name != '__init__.py'
  ]
  code = (
    'import importlib, sys\n'
    f'for name in {names}: importlib.import_module(name)\n'
    'from jax._src import xla_bridge\n'
    'from absl import flags\n'
    'assert not xla_bridge._backends, "a backend was started"\n'
    'assert "tensorflow" not in sys.modules, "TensorFlow was imported"\n'
    'ours = [m for m in flags.FLAGS.flags_by_module_dict() if "dgan" in m]\n'
    'assert not ours, ours\n'
  )
  done = subprocess.run(
    [sys.executable, '-c', code], cwd=_ROOT, capture_output=True, text=True
  )
  assert done.returncode == 0, done.stderr
