"""Small files, written whole or not at all."""

import hashlib
import json
import os
import pathlib
import uuid
from typing import Any

import numpy as np

from dgan_jax import errors

PathLike = str | os.PathLike[str]


def write_bytes(path: PathLike, data: bytes) -> None:
  """Writes a file so that its name never stands for half of it.

  The bytes go to a temporary name in the same folder, are flushed to the disk
  and renamed into place. What the file held before stays until then.

  Raises:
    OSError: the disk is full or the folder cannot be written.
  """
  path = pathlib.Path(path)
  temporary = path.with_name(f'.{path.name}.{uuid.uuid4().hex}.tmp')
  try:
    with open(temporary, 'wb') as file:
      file.write(data)
      file.flush()
      os.fsync(file.fileno())
    os.replace(temporary, path)
  finally:
    temporary.unlink(missing_ok=True)


def write_text(path: PathLike, text: str) -> None:
  """Writes UTF-8 text; see `write_bytes`."""
  write_bytes(path, text.encode('utf-8'))


def write_json(path: PathLike, value: Any) -> None:
  """Writes JSON with sorted keys, so equal values give equal bytes."""
  write_text(path, json.dumps(value, indent=2, sort_keys=True) + '\n')


def read_json(path: PathLike) -> dict[str, Any]:
  """Reads a JSON object.

  Raises:
    errors.UserError: there is no such file, or it holds something else.
  """
  try:
    value = json.loads(pathlib.Path(path).read_text(encoding='utf-8'))
  except FileNotFoundError:
    raise errors.UserError(f'{path} does not exist.') from None
  except (ValueError, RecursionError) as error:
    raise errors.UserError(f'{path} is not valid JSON: {error}.') from None
  if not isinstance(value, dict):
    raise errors.UserError(
      f'{path} holds a JSON {type(value).__name__}; expected an object.'
    )
  return value


def sha256(*parts: bytes | str | np.ndarray) -> str:
  """Hex digest over parts; an array counts with its type and shape."""
  digest = hashlib.sha256()
  for part in parts:
    if isinstance(part, np.ndarray):
      header = f'{part.dtype.str}{part.shape}'
      data = np.ascontiguousarray(part).tobytes()
    else:
      header = type(part).__name__
      data = part.encode('utf-8') if isinstance(part, str) else part
    digest.update(f'{header}:{len(data)}:'.encode())
    digest.update(data)
  return digest.hexdigest()
