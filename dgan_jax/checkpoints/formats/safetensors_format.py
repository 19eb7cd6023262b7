"""Reads .safetensors files, anyone's."""

import numpy as np
import safetensors

from dgan_jax import storage
from dgan_jax.checkpoints.formats import byte_stream, untrusted
from dgan_jax.checkpoints.formats.untrusted import Budget, FormatError, shown


def read(
  path: storage.PathLike, budget: Budget | None = None
) -> tuple[dict[str, np.ndarray], dict[str, str]]:
  """Reads any file of this format.

  Returns:
    {key: array} and the metadata.

  Raises:
    errors.UserError: no such file, one that is damaged or something else, or
      one with arrays of a type that numpy doesn't have.
  """
  budget = budget or Budget()
  data = byte_stream.map_file(path, budget)
  arrays = {}
  with untrusted.refusing(path, 'is no .safetensors file, or a damaged one: '):
    size = int.from_bytes(data[:8], 'little')
    if size > untrusted.MAX_HEADER_BYTES:
      raise FormatError(f'has a header of {size:,} bytes.')
    key, kind = '', 'its header'
    try:
      with safetensors.safe_open(path, 'np') as file:
        metadata = file.metadata() or {}
        for key in file.keys():  # noqa: SIM118 (it is no mapping)
          part = file.get_slice(key)
          budget.array(untrusted.checked_shape(tuple(part.get_shape())))
          kind = f'of type {part.get_dtype()}'
          arrays[key] = file.get_tensor(key)
    except FormatError:
      raise
    except Exception as error:  # of a library that doesn't say which
      raise FormatError(f'{shown(key)} {kind}: {shown(error, 120)}.') from None
  return arrays, metadata
