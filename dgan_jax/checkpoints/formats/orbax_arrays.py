"""A folder of named arrays, written and read by Orbax.

One process does it, without barriers; the others need not take part.
"""

import contextlib
import errno
import hashlib
import os
import pathlib
import re
import shutil
from collections.abc import Iterator, Mapping
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import orbax.checkpoint as ocp
from absl import logging

from dgan_jax import errors

# Arrays, or what stands for them: `jax.ShapeDtypeStruct`s, Orbax's records.
Shapes = Mapping[str, Any]

# More than what Orbax writes beside the arrays.
_OVERHEAD_BYTES = 2**20


def write(
  folder: pathlib.Path, arrays: Mapping[str, np.ndarray]
) -> dict[str, str]:
  """Writes arrays into a new folder and returns the `digests` of its files.

  Raises:
    OSError: the folder cannot be made, or the disk has no room for them.
    errors.UserError: Orbax cannot write for another reason.
  """
  folder = folder.absolute()  # TensorStore knows no others
  folder.mkdir()
  # Asked beforehand, because Orbax meets a full disk with pages of tracebacks
  # from its threads.
  size = sum(array.nbytes for array in arrays.values()) + _OVERHEAD_BYTES
  if shutil.disk_usage(folder).free < size:
    folder.rmdir()
    raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), str(folder))
  # Orbax refuses arrays without values; their shapes say everything.
  values = {key: array for key, array in arrays.items() if array.size}
  # As few files as can be.
  args = ocp.args.PyTreeSave(values, ocdbt_target_data_file_size=0)
  try:
    with _orbax() as handler:
      handler.save(folder, args=args)
      handler.finalize(folder)
  except Exception as error:  # TensorStore has no types for its errors
    shutil.rmtree(folder, ignore_errors=True)
    raise errors.UserError(
      f'{folder} cannot be written: {_first_line(error)}'
    ) from error
  return digests(folder)


def digests(folder: pathlib.Path) -> dict[str, str]:
  """{path: sha256} of all files in a folder."""
  found = {}
  for path in sorted(folder.rglob('*')):
    if path.is_file():
      with open(path, 'rb') as file:
        digest = hashlib.file_digest(file, 'sha256').hexdigest()
      found[path.relative_to(folder).as_posix()] = digest
  return found


def read(
  folder: pathlib.Path,
  shapes: Mapping[str, jax.ShapeDtypeStruct],
  written: Mapping[str, str],
) -> dict[str, np.ndarray]:
  """Reads what `write` wrote.

  Args:
    folder: of the arrays.
    shapes: what they must be; Orbax's own record is checked against it before
      anything is read.
    written: the digests that `write` returned.

  Raises:
    errors.UserError: they are something else, or damaged.
  """
  folder = folder.absolute()
  found = digests(folder)
  for path, digest in written.items():
    if found.get(path) != digest:
      state = 'damaged or truncated' if path in found else 'missing'
      raise errors.UserError(
        f'{folder / path} is {state}; restore it, or make the checkpoint anew.'
      )
  stored = {key: leaf for key, leaf in shapes.items() if leaf.size}
  args = ocp.args.PyTreeRestore(
    restore_args={
      key: ocp.RestoreArgs(restore_type=np.ndarray) for key in stored
    }
  )
  try:
    with _orbax() as handler:
      check_shapes(folder, handler.metadata(folder).tree, stored)
      restored = handler.restore(folder, args=args)
  except errors.UserError:
    raise
  except Exception as error:  # whatever files that aren't its own do to Orbax
    raise errors.UserError(
      f'{folder} is damaged: its arrays cannot be read ({_first_line(error)}).'
    ) from error
  return {
    key: np.asarray(restored[key])
    if leaf.size
    else np.zeros(leaf.shape, leaf.dtype)
    for key, leaf in shapes.items()
  }


def check_shapes(
  directory: pathlib.Path, found: Shapes, expected: Shapes
) -> None:
  """Compares the shapes and types of two sets of arrays.

  Raises:
    errors.UserError: with the first difference.
  """
  for key in sorted({*found, *expected}):
    texts = [
      describe(shapes[key]) if key in shapes else 'missing'
      for shapes in (found, expected)
    ]
    if texts[0] != texts[1]:
      raise errors.UserError(
        f'{directory}: {key} is {texts[0]}; expected {texts[1]}.'
      )


def describe(array: Any) -> str:
  """Type and shape of an array, as in 'float32[3, 4]'."""
  return f'{np.dtype(array.dtype).name}{list(array.shape)}'


def parse(text: str) -> jax.ShapeDtypeStruct:
  """The inverse of `describe`.

  Raises:
    ValueError, TypeError: the text is something else.
  """
  match = re.fullmatch(r'([a-z0-9]+)\[([0-9, ]*)\]', text)
  if match is None:
    raise ValueError(f'{text!r} is no type and shape')
  shape = tuple(int(size) for size in match[2].split(',') if size)
  return jax.ShapeDtypeStruct(shape, jnp.dtype(match[1]))


@contextlib.contextmanager
def _orbax() -> Iterator[ocp.PyTreeCheckpointHandler]:
  """Orbax for this process alone: no barriers, everything on this host."""
  process = jax.process_index()
  level = logging.get_verbosity()
  # Orbax narrates each step, and logs as errors what it also raises.
  logging.set_verbosity(logging.FATAL)
  handler = ocp.PyTreeCheckpointHandler(
    use_zarr3=True,
    multiprocessing_options=ocp.options.MultiprocessingOptions(
      primary_host=process, active_processes={process}
    ),
  )
  try:
    yield handler
  finally:
    handler.close()
    logging.set_verbosity(level)


def _first_line(error: Exception) -> str:
  return (str(error).splitlines() or [type(error).__name__])[0][:200]
