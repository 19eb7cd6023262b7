"""What a pickle's values stand for, where they are no plain containers."""

import dataclasses
from typing import Any

from dgan_jax.checkpoints.formats.untrusted import FormatError, shown


@dataclasses.dataclass(frozen=True)
class Global:
  """A global that the pickle named."""

  name: str  # 'module.name', as in the pickle
  value: Any  # what the table gives for it. If callable, the pickle may call it
  known: bool = True  # whether the table has it


class StandIn:
  """What a function of the table may make in place of an object.

  Only these take the state that the pickle has for an object.
  """

  def build(self, state: Any) -> None:
    """Takes the state, anything plain.

    Raises:
      FormatError: it is not the state of such an object.
    """
    raise NotImplementedError


class Instance(StandIn):
  """Stands in for an object of a class that is not here, such as a module.

  Attributes:
    name: of the class.
    state: what the pickle sets of it, for who can use it.
  """

  def __init__(self, name: str, state: dict[Any, Any] | None = None) -> None:
    self.name = name
    self.state = state or {}

  def build(self, state: Any) -> None:
    if isinstance(state, dict):
      self.state = state


def refused(name: str) -> FormatError:
  """What to say of a global that is not in the table."""
  return FormatError(
    f'asks for {shown(name)}: refused; a checkpoint may hold only '
    'arrays and plain containers.'
  )


def hashable(key: Any) -> Any:
  """The key itself, if hashing it is safe and cheap.

  Raises:
    FormatError: it is a container or some other object, or a number of more
      than 64 bits: any number of those have the same hash.
  """
  if not isinstance(key, str | bytes | int | float | None):
    raise FormatError(f'uses a {type(key).__name__} as a key: refused.')
  if isinstance(key, int) and key.bit_length() > 64:
    raise FormatError('uses a number of over 64 bits as a key: refused.')
  return key


def known(value: Any) -> Any:
  """The value, unless it is a global that the table doesn't have.

  Raises:
    FormatError: it is one.
  """
  if isinstance(value, Global) and not value.known:
    raise refused(value.name)
  return value
