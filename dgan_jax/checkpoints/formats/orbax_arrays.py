"""A folder of named arrays, written by one process by Orbax, and read."""

import contextlib
import errno
import hashlib
import json
import math
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
import tensorstore as ts
from absl import logging

from dgan_jax import errors
from dgan_jax.checkpoints.formats import byte_stream, untrusted
from dgan_jax.checkpoints.formats.untrusted import Budget, FormatError, shown

# Arrays, or what stands for them: `jax.ShapeDtypeStruct`s, Orbax's records.
Shapes = Mapping[str, Any]

_ZSTD_MAGIC = b'\x28\xb5\x2f\xfd'
_ZSTD_BLOCK = 2**17
_REPEATED, _PACKED = 1, 2  # kinds of blocks
# More than what Orbax writes beside the arrays.
_OVERHEAD_BYTES = 2**20
# All that Orbax names in the record of an array; others may unpack to anything.
_PARTS = frozenset(
  ('regular', 'default', 'sharding_indexed', 'bytes', 'zstd', 'crc32c')
)
_TYPES = {
  np.dtype(kind).name: np.dtype(kind)
  for kind in (
    *(np.bool_, jnp.bfloat16, np.complex64),
    *np.typecodes['AllInteger'],
    *('float16', 'float32', 'float64'),
  )
}


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
  process, level = jax.process_index(), logging.get_verbosity()
  # Orbax narrates each step, and logs as errors what it also raises.
  logging.set_verbosity(logging.FATAL)
  try:
    with contextlib.closing(
      ocp.PyTreeCheckpointHandler(
        use_zarr3=True,
        # This process alone: no barriers, everything on this host.
        multiprocessing_options=ocp.options.MultiprocessingOptions(
          primary_host=process, active_processes={process}
        ),
      )
    ) as handler:
      handler.save(folder, args=args)
      handler.finalize(folder)
  except Exception as error:  # TensorStore has no types for its errors
    shutil.rmtree(folder, ignore_errors=True)
    reason = shown((str(error).splitlines() or [type(error).__name__])[0], 200)
    raise errors.UserError(f'{folder} cannot be written: {reason}') from error
  finally:
    logging.set_verbosity(level)
  return digests(folder)


def digests(folder: pathlib.Path) -> dict[str, str]:
  """{path: sha256} of all files in a folder that was just written."""
  return {
    path.relative_to(folder).as_posix(): hashlib.sha256(
      byte_stream.map_file(path)
    ).hexdigest()
    for path in sorted(folder.rglob('*'))
    if path.is_file()
  }


def read(
  folder: pathlib.Path,
  shapes: Shapes,
  written: Mapping[str, str],
  budget: Budget,
) -> dict[str, np.ndarray]:
  """Reads what `write` wrote and returned digests of, arrays of these shapes.

  By TensorStore, that Orbax writes with: Orbax would open whatever its own
  record names, and unpack without bounds.

  Raises:
    errors.UserError: they are something else, or damaged.
  """
  folder = folder.absolute()  # TensorStore knows no others
  with untrusted.refusing(folder):
    _check_files(folder, written, budget)
    for leaf in shapes.values():
      budget.array(leaf.shape)
    base = f'file://{folder.as_posix()}/'
    store = ts.KvStore.open({'driver': 'ocdbt', 'base': base}).result()
    return {key: _array(store, key, leaf) for key, leaf in shapes.items()}


def _check_files(
  folder: pathlib.Path, written: Mapping[str, str], budget: Budget
) -> None:
  """Refuses a folder without the files that it should have, or with others,
  links, or what unpacks to more than the budget has."""
  found = set()
  for path in folder.rglob('*'):
    name = path.relative_to(folder).as_posix()
    budget.spend(1)
    byte_stream.refuse_links(folder.parent, path)
    if name in written:
      found.add(name)
    elif not path.is_dir():
      what = f'holds {shown(name)}, that its checkpoint does not list.'
      raise FormatError(what)
  for name, digest in written.items():
    data = byte_stream.map_file(folder / name, budget) if name in found else b''
    if name not in found or hashlib.sha256(data).hexdigest() != digest:
      state = 'damaged or truncated' if name in found else 'missing'
      raise errors.UserError(
        f'{folder / shown(name)} is {state}; restore it, or make the '
        'checkpoint anew.'
      )
    spend_on_frames(data, budget)


def _array(store: ts.KvStore, key: str, leaf: Any) -> np.ndarray:
  """One array of a folder, refused if it is of another shape or type."""
  if not math.prod(leaf.shape):  # Orbax refuses them
    return np.zeros(leaf.shape, leaf.dtype)
  text = store.read(f'{key}/zarr.json').result().value
  if not 0 < len(text) < untrusted.MAX_HEADER_BYTES:
    raise FormatError(f'has no array {shown(key)}.')
  record = json.loads(text)
  chunk = record['chunk_grid']['configuration']['chunk_shape']
  stated = f'{record["data_type"]}{record["shape"]} in {chunk}'
  expected = f'{describe(leaf)} in {list(leaf.shape)}'
  if others := {*_names(record)} - _PARTS:
    stated += f' by {", ".join(others)}'
  if stated != expected:
    found = f'{shown(key)} as {shown(stated)}'
    raise FormatError(f'stores {found}; expected {expected}.')
  spec = {'driver': 'zarr3', 'kvstore': store.spec(), 'path': f'{key}/'}
  spec['metadata'] = record  # the same for TensorStore's reader of JSON
  return np.asarray(ts.open(spec, open=True).result().read().result())


def _names(node: Any) -> Iterator[str]:
  """The names of everything in an array's record that has one."""
  if isinstance(node, dict):
    yield from (str(v) for k, v in node.items() if k == 'name')
    node = list(node.values())
  if isinstance(node, list):
    for inner in node:
      yield from _names(inner)


def spend_on_frames(data: bytes | memoryview, budget: Budget) -> None:
  """Counts what all zstd frames in some bytes can unpack to, wherever they are.

  12 KB can be 4 GB, but every frame is a header and blocks that say their sizes
  (RFC 8878). What only looks like a frame soon ends in a block that cannot be.
  """
  for match in re.finditer(re.escape(_ZSTD_MAGIC), data):
    _spend_on_frame(memoryview(data), match.end(), budget)


def _spend_on_frame(data: memoryview, place: int, budget: Budget) -> None:
  flags = int.from_bytes(data[place : place + 1], 'little')
  single = flags >> 5 & 1  # the content is the window
  id_width = (0, 1, 2, 4)[flags & 3]
  size_width = (single, 2, 4, 8)[flags >> 6]
  place += 2 - single + id_width
  largest = _ZSTD_BLOCK
  if single:
    size = int.from_bytes(data[place : place + size_width], 'little')
    largest = min(largest, size + 256 * (size_width == 2))
  place += size_width
  last = 0
  while not last and place + 3 <= len(data):
    header = int.from_bytes(data[place : place + 3], 'little')
    last, kind, size = header & 1, header >> 1 & 3, header >> 3
    if kind > _PACKED or size > _ZSTD_BLOCK:
      return
    budget.spend(1)
    budget.make(largest if kind == _PACKED else size)
    place += 3 + (1 if kind == _REPEATED else size)


def check_shapes(
  directory: pathlib.Path, found: Shapes, expected: Shapes
) -> None:
  """Raises `errors.UserError` with the first difference of shape or type."""
  for key in sorted({*found, *expected}):
    has, needs = (
      describe(shapes[key]) if key in shapes else 'missing'
      for shapes in (found, expected)
    )
    if has != needs:
      what = f'{directory}: {shown(key)}'
      raise errors.UserError(f'{what} is {has}; expected {needs}.')


def describe(array: Any) -> str:
  """Type and shape of an array, as in 'float32[3, 4]'."""
  return f'{np.dtype(array.dtype).name}{list(array.shape)}'


def parse(text: Any) -> jax.ShapeDtypeStruct:
  """The inverse of `describe`."""
  match = re.fullmatch(r'(\w{3,20})\[([0-9, ]{0,200})\]', str(text)[:300])
  if match is None or match[1] not in _TYPES:
    raise FormatError(f'has an array {shown(text)}; expected a type and shape.')
  shape = tuple(int(size) for size in match[2].split(',') if size.strip())
  return jax.ShapeDtypeStruct(untrusted.checked_shape(shape), _TYPES[match[1]])
