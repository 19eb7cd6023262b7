"""Which values an option may have: declared beside it, checked in one place.

  @dataclasses.dataclass(frozen=True)
  class Options:
    steps: validation.Count = 600
    dtype: Annotated[str, validation.choice(DTYPES)] = 'float32'

    def __post_init__(self) -> None:
      validation.check(self)

A refusal reads "config.x.steps is 0; expected a whole number of 1 or more."
"""

import dataclasses
import functools
import math
import numbers
import types
import typing
from collections.abc import Callable, Collection, Mapping
from typing import Annotated, Any, NamedTuple, NoReturn, TypeVar

import numpy as np

from dgan_jax import errors

_T = TypeVar('_T')


class Rule(NamedTuple):
  """What a value of some type has to be besides."""

  words: str
  accepts: Callable[[Any], bool]


def between(least: float, most: float) -> Rule:
  """Both included; whole numbers where `least` is one."""
  kind = 'whole number' if isinstance(least, int) else 'number'
  words = f'a {kind} from {least} to {most}'
  return Rule(words, lambda x: least <= x <= most)


def choice(values: Collection[Any]) -> Rule:
  """One of them."""
  return Rule(' or '.join(map(repr, values)), lambda x: x in values)


def _from(least: int) -> Rule:
  words = f'a whole number of {least} or more'
  return Rule(words, lambda x: least <= x < 2**31)


# They end where JAX's counters do, and the seeds and indices of its keys.
Count = Annotated[int, _from(1)]
Several = Annotated[int, _from(2)]
Whole = Annotated[int, _from(0)]
Index = Annotated[
  int, Rule('a whole number from 0, below 2^32', lambda x: 0 <= x < 2**32)
]
Share = Annotated[float, between(0.0, 1.0)]
ShareBelow1 = Annotated[
  float, Rule('a number from 0, below 1', lambda x: 0 <= x < 1)
]
Positive = Annotated[float, Rule('a number above 0', lambda x: x > 0)]
NotNegative = Annotated[float, Rule('a number of 0 or more', lambda x: x >= 0)]
LearningRate = Annotated[
  float, Rule('a number above 0, at most 1', lambda x: 0 < x <= 1)
]

_TYPES: Mapping[Any, Any] = {
  bool: (bool, np.bool_),
  int: numbers.Integral,
  float: numbers.Real,
}
_WORDS = {bool: 'True or False', int: 'a whole number', float: 'a number'}
_UNIONS = (typing.Union, types.UnionType)


def check(options: Any) -> None:
  """Checks every field of a dataclass by its annotation: type, length,
  finiteness, and the `Rule` that it is `Annotated` with.

  Raises:
    errors.UserError: names the first field that is none of that.
  """
  kind: Any = type(options)
  for name, hint in _hints(kind).items():
    expect(name, getattr(options, name), hint)


def expect(name: str, value: Any, hint: Any) -> None:
  """Checks one value that is in no dataclass; see `check`."""
  if not _accepts(hint, value):
    refuse(name, value, _words(hint))


def refuse(name: str, value: Any, expected: str) -> NoReturn:
  """Raises the errors.UserError of all options."""
  raise errors.UserError(f'{name} is {value!r:.80}; expected {expected}.')


def build(
  section: str, kind: Callable[..., _T], fields: Mapping[str, Any]
) -> _T:
  """`kind(**fields)`, whose refusals become those of 'section.field'."""
  try:
    return kind(**fields)
  except ValueError as error:
    raise errors.UserError(f'{section}.{error}') from None
  except TypeError as error:  # fields that there are not
    raise errors.UserError(f'{section}: {error}.') from None


@functools.cache
def _hints(kind: type) -> dict[str, Any]:
  hints = typing.get_type_hints(kind, include_extras=True)
  return {field.name: hints[field.name] for field in dataclasses.fields(kind)}


def _accepts(hint: Any, value: Any) -> bool:
  origin, args = typing.get_origin(hint), typing.get_args(hint)
  if origin in _UNIONS:
    return any(_accepts(one, value) for one in args)
  if origin is Annotated:
    return _accepts(args[0], value) and args[1].accepts(value)
  if origin is tuple:
    if not isinstance(value, tuple):
      return False
    hints = args[:1] * len(value) if args[-1] is ... else args
    return len(value) == len(hints) and all(map(_accepts, hints, value))
  if isinstance(value, bool) and hint in (int, float):
    return False
  return isinstance(value, _TYPES.get(hint, hint)) and (
    hint is not float or -math.inf < value < math.inf
  )


def _words(hint: Any) -> str:
  origin, args = typing.get_origin(hint), typing.get_args(hint)
  if origin in _UNIONS:
    return ' or '.join(_words(one) for one in args if one is not types.NoneType)
  if origin is Annotated:
    return args[1].words
  if origin is tuple:
    count = 'any number of' if args[-1] is ... else len(args)
    return f'{count} values, each {_words(args[0])}'
  return _WORDS.get(hint) or f'a {hint.__name__}'
