"""Compares this project with vector files of the reference implementation.

  python -m tests.parity FILE.npz [FILE ...]

prints for every quantity the largest error and how much is allowed (the rule
is in `parity_checks.py`). What a file holds is told from its arrays; sizes,
seeds, classes and members may be any. What `<stem>.expected.npz` is about is
the checkpoint `<stem>.pkl` or `<stem>.pt` beside it. Exit status: 0 all within
tolerance, 1 something is not or a file is of no known kind, 2 a file cannot be
read.
"""

import argparse
import functools
import pathlib
import sys
from collections.abc import Callable

from dgan_jax import errors
from tests import (
  parity_checkpoints,
  parity_checks,
  parity_end_to_end,
  parity_generator,
  parity_interpreter,
  parity_stylegan2,
)

_Checker = Callable[[parity_checks.Vectors], list[parity_checks.Check]]


def checker(
  vectors: parity_checks.Vectors, generator_file: pathlib.Path | None = None
) -> _Checker | None:
  """How to check a file, or None if it is of no known kind.

  Args:
    vectors: the file.
    generator_file: where the generator is, if not where the file says: the
      .npz of an end-to-end file, a checkpoint of any format for others.
  """
  checkpoint = generator_file
  if generator_file is not None and generator_file.suffix == '.npz':
    checkpoint = None

  def has(*keys: str) -> bool:
    return all(any(k.startswith(key) for k in vectors) for key in keys)

  if has('in/z', 'out/rgb_official_tf'):
    return functools.partial(
      parity_checkpoints.check_stylegan1, path=checkpoint
    )
  if has('process_image/in'):
    return parity_generator.check_units
  if has('init/', 'final/', 'in/batch_index'):
    return parity_interpreter.check_training
  if has('in/z', 'out/label', 'out/min_margin'):
    return functools.partial(
      parity_end_to_end.check, generator_file=generator_file
    )
  if has('in/z', 'out/cls', 'out/features_px_first'):
    return parity_end_to_end.check_checkpoints
  if has('in/features', 'sd/member_', 'out/logits'):
    return parity_interpreter.check
  if has('in/z', 'sd/g_synthesis', 'out/rgb'):
    return parity_generator.check
  if has('in/z') and (has('out/img_psi') or has('out/rgb')):
    return functools.partial(parity_stylegan2.check, path=checkpoint)
  return None


def report(
  path: pathlib.Path, generator_file: pathlib.Path | None = None
) -> int:
  """Prints one file's table; returns its exit status."""
  try:
    vectors = parity_checks.Vectors(path)
    check = checker(vectors, generator_file)
    if check is None:
      print(f'{path.name}: no kind of vector file has these arrays')
      return 1
    results = check(vectors)
  except parity_checks.UnreadableError as error:
    print(error)
    return 2
  except KeyError as error:
    print(f'{path.name}: FAIL: the array {error} is missing')
    return 1
  except (errors.UserError, parity_checks.MismatchError) as error:
    print(f'{path.name}: FAIL: {error}')
    return 1
  for result in results:
    verdict = 'ok' if result.passed else 'FAIL'
    print(
      f'{path.name:40} {result.quantity:24} {result.error:9.2e} '
      f'{result.tolerance:9.2e}  {verdict}'
    )
  return 0 if all(result.passed for result in results) else 1


def main(arguments: list[str] | None = None) -> int:
  """The command line; returns the exit status."""
  parser = argparse.ArgumentParser(
    prog='python -m tests.parity',
    description=__doc__,
    formatter_class=argparse.RawDescriptionHelpFormatter,
  )
  parser.add_argument('files', nargs='+', type=pathlib.Path, metavar='FILE.npz')
  parser.add_argument(
    '--generator',
    type=pathlib.Path,
    metavar='FILE',
    help='where the generator is: the .npz of an end-to-end file, or a '
    'checkpoint of any format; default: where the file says, in its own '
    'folder',
  )
  options = parser.parse_args(arguments)
  print(f'{"file":40} {"quantity":24} {"error":>9} {"tolerance":>9}')
  return max(report(path, options.generator) for path in options.files)


if __name__ == '__main__':
  sys.exit(main())
