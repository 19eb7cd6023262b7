"""What readers of files of unknown origin share: one error, and one budget, as
a file of a few bytes can ask for any number of steps, arrays and gigabytes."""

import contextlib
import math
import time
import typing
from collections.abc import Iterator, Mapping
from typing import Any, TypeVar

from dgan_jax import errors, storage, validation

# Of all files of a checkpoint together.
MAX_FILE_BYTES = 4 * 2**30
# What describes arrays, in JSON and directories: real ones have 200 KB.
MAX_HEADER_BYTES = 2**22
# A StyleGAN2-ADA file takes 34,000 at 32 px and some 100,000 at 1024 px. It
# bounds what a pickle of small things (at worst empty sets) takes to 100 MB.
MAX_STEPS = 400_000
# A training state of the largest networks has some 2,000.
MAX_ARRAYS = 20_000
# Hours of computing fit into no step that isn't counted; slow disks do.
MAX_SECONDS = 600.0

_MAX_RANK = 8
# What small files may unpack to whatever their size.
_FREE_BYTES = 2**26

_T = TypeVar('_T')


class FormatError(ValueError):
  """What is wrong with a file; the message reads on from the file's name.

  Everything in this room that looks at bytes raises it, and nothing else.
  """


def shown(value: object, limit: int = 80) -> str:
  """Untrusted text for people: short, one line, ASCII."""
  # The text of a container may have no end.
  if not isinstance(value, str | int | float | BaseException | None):
    return f'a {type(value).__name__}'
  text = ascii(str(value)[:limit])[1:-1]
  return text if len(text) < limit else f'{text[: limit - 3]}...'


@contextlib.contextmanager
def refusing(source: storage.PathLike, what: str = '') -> Iterator[None]:
  """Makes one line, `source what error`, of all that a file does to its reader.

  Raises:
    errors.UserError: the block raised anything.
  """
  try:
    yield
  except errors.UserError:
    raise
  except FormatError as error:
    raise errors.UserError(f'{source} {what}{error}') from None
  # No memory left, a nest too deep, a library's errors, a case nobody met.
  except Exception as error:
    raise errors.UserError(
      f'{source} cannot be read: {type(error).__name__} ({shown(error, 160)}).'
    ) from error


def check_format(
  fields: Mapping[str, Any], expected: str, version: int | str
) -> None:
  """Refuses what says that it is of another format, or version of it."""
  found = fields.get('format'), fields.get('version')
  if found != (expected, version):
    raise FormatError(
      f'is of format {shown(found[0])!r}, version {shown(found[1])}; expected '
      f'{expected!r}, version {version}.'
    )


def checked_shape(shape: tuple[Any, ...]) -> tuple[int, ...]:
  """The shape, if an array can have it: zeros excuse no other sizes."""
  if len(shape) > _MAX_RANK or not all(
    isinstance(n, int) and not isinstance(n, bool) and 0 <= n <= MAX_FILE_BYTES
    for n in shape
  ):
    raise FormatError('has an array of a shape that cannot be.')
  if math.prod(n or 1 for n in shape) > 2 * MAX_FILE_BYTES:
    raise FormatError(f'has an array of the impossible shape {shape}.')
  return shape


def record(kind: type[_T], fields: Any, **made: Any) -> _T:
  """An instance of a dataclass of plain values, out of anything in JSON, and of
  further fields that are made already.

  Raises:
    FormatError: a field is missing, unknown, or not as it is annotated; or the
      class refuses them.
  """
  if not isinstance(fields, dict):
    raise FormatError(f'has {shown(fields)} in place of a {kind.__name__}.')
  hints = typing.get_type_hints(kind, include_extras=True)
  values = {
    k: tuple(v) if isinstance(v, list) else v for k, v in fields.items()
  }
  try:
    result = kind(**values, **made)
    for name, value in values.items():
      validation.expect(name, value, hints[name])
    return result
  except (TypeError, ValueError) as error:
    raise FormatError(f'makes no sense ({shown(error, 200)}).') from None


class Budget:
  """What reading one checkpoint may take, all its files together."""

  def __init__(self, size: int = 0) -> None:
    """Takes the bytes that are at hand already."""
    self._files: dict[str, int] = {'': size}
    self._steps = self._arrays = self._handed = self._made = 0
    self._deadline = time.monotonic() + MAX_SECONDS

  def announce(self, name: storage.PathLike, size: int) -> None:
    """Counts a file, once."""
    self._files[str(name)] = size
    total, most = self._size, MAX_FILE_BYTES
    if total > most:
      raise FormatError(f'has {total:,} bytes; expected {most:,} at most.')

  @property
  def _size(self) -> int:
    return sum(self._files.values())

  def spend(self, steps: int) -> None:
    """Counts steps, and looks at the clock."""
    self._steps += steps
    if self._steps > MAX_STEPS:
      raise FormatError(f'takes over {MAX_STEPS:,} steps to read.')
    if time.monotonic() > self._deadline:
      raise FormatError(f'takes over {MAX_SECONDS:g} seconds to read.')

  def spend_on(self, value: Any) -> None:
    """Counts what a function is given, as it may look at all of it: a pickle
    can name the same list or the same bytes a million times."""
    items = value if isinstance(value, tuple) else (value,)
    self.spend(len(items))
    for item in items:
      if isinstance(item, str | bytes | memoryview):
        self._handed += len(item)
      elif isinstance(item, tuple | list | dict | set | frozenset):
        self.spend(len(item))
    # Files that mean well hand over every byte once, or twice as text that
    # stands for bytes.
    if self._handed > 4 * self._size + 4096:
      raise FormatError('uses its own bytes again and again: refused.')

  def make(self, num_bytes: int) -> None:
    """Counts memory that what is read takes: a file can say the same bytes
    are many arrays, or be packed."""
    self._made += num_bytes
    # Of bytes and halves float32 is made.
    if self._made > 4 * self._size + _FREE_BYTES:
      raise FormatError(
        f'has {self._size:,} bytes and unpacks to more than {self._made:,}: '
        'refused.'
      )

  def array(self, shape: tuple[int, ...]) -> None:
    """Counts an array, that will be float32."""
    self._arrays += 1
    if self._arrays > MAX_ARRAYS:
      raise FormatError(f'has over {MAX_ARRAYS:,} arrays.')
    self.spend(0)
    self.make(4 * math.prod(shape))
