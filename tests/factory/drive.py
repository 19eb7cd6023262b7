"""Makes fake datasets in children that are killed; run by test_run.py.

    python -m tests.factory.drive FOLDER

Kills a child at each file operation in turn, lets another finish, and prints
the digest of what is then in the folder, a line per kill.
"""

import hashlib
import os
import pathlib
import signal
import sys

from tests.factory import fake

_EVENTS = ('open', 'os.mkdir', 'os.rename', 'os.remove', 'os.rmdir')


def digest(folder: pathlib.Path) -> str:
  """Of every file and its name but the lock files."""
  total = hashlib.sha256()
  for path in sorted(folder.rglob('*')):
    if path.is_file() and path.name not in ('claims', '.lock'):
      total.update(str(path.relative_to(folder)).encode())
      total.update(path.read_bytes())
  return total.hexdigest()


def make_in_child(folder: pathlib.Path, kill_at: int = 0) -> bool:
  """Whether the child lived; it is killed before operation `kill_at`."""
  child = os.fork()
  if not child:
    count = 0

    def kill(event: str, arguments: tuple) -> None:
      nonlocal count
      if event in _EVENTS and str(folder) in str(arguments[0]):
        count += 1
        if count == kill_at:
          os.kill(os.getpid(), signal.SIGKILL)

    sys.addaudithook(kill)
    fake.make(folder, num_samples=6)
    os._exit(0)
  _, status = os.waitpid(child, 0)
  if status not in (0, signal.SIGKILL):
    raise RuntimeError(f'The child ended with {status}.')
  return status == 0


def main(root: pathlib.Path) -> None:
  lived, step = False, 0
  while not lived:
    step += 1
    folder = root / str(step)
    folder.mkdir()
    lived = make_in_child(folder, kill_at=step)
    make_in_child(folder)
    sys.stdout.write(f'{digest(folder)}\n')


if __name__ == '__main__':
  main(pathlib.Path(sys.argv[1]))
