"""Shows that the tests notice wrong code: each mutation must fail a test.

Every one in `mutations.txt` is a plausible slip in one place. It is made in a
copy of the checkout, the test named above it is run there, and has to fail.
Before any of them all these tests have to pass.

  python -m tests.mutations             # all of them, some 15 minutes
  python -m tests.mutations gan factory # of these rooms
"""

import argparse
import dataclasses
import multiprocessing
import os
import pathlib
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator

import pytest

ROOT = pathlib.Path(__file__).parents[1]
_SECONDS = 1200  # after which tests hang
_PASSED, _FAILED = 0, 1  # as pytest exits
# What takes longest to import, of what isn't ours; JAX as the tests set it up.
_PRELOADED = ['tests.conftest', 'flax.linen', 'optax', 'tensorflow_datasets']


@dataclasses.dataclass(frozen=True)
class Mutation:
  """A slip.

  Attributes:
    path: of the file, in the package.
    right: text in it, there once.
    wrong: what stands there instead.
    test: that has to notice, as `file::name` in the folder of the tests.
  """

  path: str
  right: str
  wrong: str
  test: str


def read(text: str) -> Iterator[Mutation]:
  """The mutations of a text of such lines, where \\n starts a new one:

  path  file of tests
    name of a test
      right  =>  wrong
  """
  for line in filter(None, text.splitlines()):
    indent = len(line) - len(line.lstrip())
    if not indent:
      path, tests = line.split()
    elif indent == 2:
      name = line.strip()
    else:
      right, wrong = line.strip().replace(r'\n', '\n').split('  =>  ')
      yield Mutation(path, right, wrong, f'{tests}::{name}')


MUTATIONS = tuple(read((ROOT / 'tests' / 'mutations.txt').read_text()))


def main() -> int:
  parser = argparse.ArgumentParser(
    description=__doc__, formatter_class=argparse.RawTextHelpFormatter
  )
  parser.add_argument('rooms', nargs='*', help='of dgan_jax; default: all')
  rooms = set(parser.parse_args().rooms)
  chosen = [
    mutation
    for mutation in MUTATIONS
    if not rooms or rooms & {*pathlib.Path(mutation.path).with_suffix('').parts}
  ]
  # A fork of a process that has imported the libraries starts at once.
  os.chdir(ROOT)
  multiprocessing.set_start_method('forkserver')
  multiprocessing.set_forkserver_preload(_PRELOADED)
  survived = 0
  with tempfile.TemporaryDirectory() as folder:
    copy = _copy(pathlib.Path(folder))
    if _fails(copy, {mutation.test for mutation in chosen}):
      print('These tests fail without any mutation; run them.')
      return 1
    for number, mutation in enumerate(chosen, 1):
      noticed = _is_noticed(copy, mutation)
      survived += not noticed
      word = 'noticed ' if noticed else 'SURVIVED'
      print(
        f'{number:3}/{len(chosen)}  {word}  {mutation.path}: '
        f'{mutation.right!r} -> {mutation.wrong!r}',
        flush=True,
      )
  print(f'{len(chosen) - survived} of {len(chosen)} mutations fail a test.')
  return 1 if survived else 0


def _copy(folder: pathlib.Path) -> pathlib.Path:
  """The checkout's files, with its cache of compiled programs."""
  listed = subprocess.run(
    ['git', 'ls-files', '-z'], cwd=ROOT, check=True, capture_output=True
  )
  for name in filter(None, os.fsdecode(listed.stdout).split('\0')):
    target = folder / name
    target.parent.mkdir(parents=True, exist_ok=True)
    shutil.copy2(ROOT / name, target)
  cache = ROOT / '.pytest_cache'
  cache.mkdir(exist_ok=True)
  (folder / '.pytest_cache').symlink_to(cache)
  return folder


def mutated(root: pathlib.Path, mutation: Mutation) -> tuple[pathlib.Path, str]:
  """The file that a mutation changes, and its text then.

  Raises:
    ValueError: the right text isn't there once.
  """
  path = root / 'dgan_jax' / mutation.path
  text = path.read_text()
  if (count := text.count(mutation.right)) != 1:
    raise ValueError(
      f'{mutation.path} has {mutation.right!r} {count} times; expected once.'
    )
  return path, text.replace(mutation.right, mutation.wrong)


def _is_noticed(copy: pathlib.Path, mutation: Mutation) -> bool:
  path, wrong = mutated(copy, mutation)
  right = path.read_text()
  path.write_text(wrong)
  try:
    return _fails(copy, {mutation.test})
  finally:
    path.write_text(right)


def _fails(copy: pathlib.Path, tests: set[str]) -> bool:
  """Whether one of some tests fails.

  Raises:
    RuntimeError: pytest neither passed nor failed them.
  """
  log = copy / 'log.txt'
  names = [f'tests/{test}' for test in sorted(tests)]
  process = multiprocessing.Process(target=_pytest, args=(copy, log, names))
  process.start()
  process.join(_SECONDS)
  process.kill()
  process.join()
  if process.exitcode not in (_PASSED, _FAILED):
    raise RuntimeError(f'{names}: {log.read_text()[-2000:]}')
  return process.exitcode == _FAILED


def _pytest(copy: pathlib.Path, log: pathlib.Path, names: list[str]) -> None:
  """Runs tests of the copy in this process."""
  with open(log, 'w') as file:
    os.dup2(file.fileno(), 1)
    os.dup2(file.fileno(), 2)
  for name in [name for name in sys.modules if name.startswith('tests')]:
    del sys.modules[name]
  sys.path[0] = str(copy)
  os.chdir(copy)
  sys.exit(pytest.main(['-x', '-p', 'no:cacheprovider', *names]))


if __name__ == '__main__':
  sys.exit(main())
