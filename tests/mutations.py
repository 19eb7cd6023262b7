"""Shows that the tests notice wrong code: each mutation must fail a test.

Every one in `mutations.txt` is a plausible slip in one place. It is made in a
copy of the checkout, the test named above it is run there, and has to fail.
Before any of them all these tests have to pass.

  python -m tests.mutations             # all of them, some 20 minutes
  python -m tests.mutations gan factory # of these rooms
"""

import argparse
import dataclasses
import os
import pathlib
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator

ROOT = pathlib.Path(__file__).parents[1]
_SECONDS = 1800
_PASSED, _FAILED = 0, 1  # as pytest exits


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
  """The mutations of a text of such lines:

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
      right, wrong = line.strip().split('  =>  ')
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
        f'{mutation.right}  ->  {mutation.wrong}',
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
  names = [f'tests/{test}' for test in sorted(tests)]
  done = subprocess.run(
    [sys.executable, '-m', 'pytest', '-x', '-p', 'no:cacheprovider', *names],
    cwd=copy,
    capture_output=True,
    text=True,
    timeout=_SECONDS,
  )
  if done.returncode not in (_PASSED, _FAILED):
    raise RuntimeError(f'{names}: {done.stdout[-2000:]}{done.stderr[-2000:]}')
  return done.returncode == _FAILED


if __name__ == '__main__':
  sys.exit(main())
