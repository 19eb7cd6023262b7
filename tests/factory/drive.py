"""Makes fake datasets in children that are killed; run by test_run.py.

    python -m tests.factory.drive FOLDER ALREADY NUM_SAMPLES

Kills a child at each file operation in turn, lets another finish, and prints
the digest of what is then in the folder, a line per kill. ALREADY samples are
made before.
"""

import hashlib
import os
import pathlib
import shutil
import signal
import sys

from tests.factory import fake

_EVENTS = ('open', 'os.mkdir', 'os.rename', 'os.remove', 'os.rmdir')


def digest(folder: pathlib.Path) -> str:
  """Of every file and its name but the lock files."""
  total = hashlib.sha256()
  for path in sorted(folder.rglob('*')):
    if path.is_file() and path.name != '.lock':
      total.update(str(path.relative_to(folder)).encode())
      total.update(path.read_bytes())
  return total.hexdigest()


def make_in_child(
  folder: pathlib.Path, num_samples: int, kill_at: int = 0
) -> bool:
  """Whether the child lived; it is killed before operation `kill_at`."""
  child = os.fork()
  if not child:
    count = 0

    def kill(event: str, arguments: tuple) -> None:
      nonlocal count
      if event not in _EVENTS or str(folder) not in str(arguments[0]):
        return
      if event != 'open' or arguments[2] & (os.O_WRONLY | os.O_RDWR):
        count += 1
        if count == kill_at:
          os.kill(os.getpid(), signal.SIGKILL)

    sys.addaudithook(kill)
    fake.make(folder, num_samples=num_samples)
    os._exit(0)
  _, status = os.waitpid(child, 0)
  if status not in (0, signal.SIGKILL):
    raise RuntimeError(f'The child ended with {status}.')
  return status == 0


def main(root: pathlib.Path, already: int, num_samples: int) -> None:
  # The computer is not killed.
  os.fsync = lambda _: None  # type: ignore[assignment]
  lived, step, start = False, 0, root / 'start'
  start.mkdir()
  if already:
    fake.make(start, num_samples=already)
  while not lived:
    step += 1
    folder = root / str(step)
    shutil.copytree(start, folder)
    lived = make_in_child(folder, num_samples, kill_at=step)
    fake.make(folder, num_samples=num_samples)
    sys.stdout.write(f'{digest(folder)}\n')


if __name__ == '__main__':
  main(pathlib.Path(sys.argv[1]), *map(int, sys.argv[2:]))
