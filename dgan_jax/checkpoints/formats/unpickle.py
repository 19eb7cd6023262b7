"""Reads a pickle without running it.

A pickle is a program for a stack machine, and Python's own machine will call
whatever the program names. Here the opcodes push numbers, strings and plain
containers, and a global is looked up in a table that the caller wrote: no
import, no attribute access, no `__setstate__`. What a small file can cost is
bounded: steps are counted, integers are short, keys are scalars that hash
differently (a nest of shared tuples takes exponential time), and what the
pickle hands to functions counts each time.
"""

import dataclasses
from collections.abc import Callable, Mapping
from typing import Any

from dgan_jax.checkpoints.formats import byte_stream, pickle_opcodes
from dgan_jax.checkpoints.formats.untrusted import Budget, FormatError, shown


@dataclasses.dataclass(frozen=True)
class Global:
  """A global that the pickle named."""

  name: str  # 'module.name', as in the pickle
  value: Any  # what the table gives; if callable, the pickle may call it
  known: bool = True  # whether the table has it


class StandIn:
  """What a function of the table may make in place of an object."""

  def build(self, state: Any) -> None:
    """Takes the state that the pickle has for the object, anything plain."""
    raise NotImplementedError


class Instance(StandIn):
  """Stands in for an object of a class of this name that is not here, such as a
  module, with the state that the pickle sets."""

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
  """The key itself, if hashing it is safe and cheap: of numbers of more than 64
  bits any number have the same hash."""
  if not isinstance(key, str | bytes | int | float | None):
    raise FormatError(f'uses a {type(key).__name__} as a key: refused.')
  if isinstance(key, int) and key.bit_length() > 64:
    raise FormatError('uses a number of over 64 bits as a key: refused.')
  return key


def _known(value: Any) -> Any:
  """The value, unless it is a global that the table doesn't have."""
  if isinstance(value, Global) and not value.known:
    raise refused(value.name)
  return value


def load(
  stream: byte_stream.ByteStream,
  table: Mapping[str, Any],
  persistent_load: Callable[[Any], Any] | None = None,
  budget: Budget | None = None,
  *,
  instances: bool = False,
) -> Any:
  """Reads one pickle and leaves the stream behind it.

  Args:
    stream: the pickle and what may follow; long bytes become views of it.
    table: 'module.name' -> a function of ours that takes any plain arguments
      and refuses unfit ones by `FormatError`, or an inert value. A class is
      a function that makes its `StandIn`.
    persistent_load: turns a persistent id into a value; None refuses them.
    budget: what it shares with other pickles of the file; None: its own.
    instances: whether classes may occur that are not in the table. They are
      names; what is made of them, without arguments, is an `Instance`.

  Raises:
    FormatError: the pickle asks for something else, is damaged or too long.
  """
  budget = budget or Budget(len(stream))
  machine = _Machine(table, persistent_load, budget, instances)
  try:
    for opcode, argument in pickle_opcodes.instructions(stream):
      if opcode == 'STOP':
        return _known(machine.stack.pop())
      machine.step(opcode, argument)
  except FormatError:
    if machine.unknown:  # says more than what was wrong with its use
      raise refused(next(iter(machine.unknown))) from None
    raise
  except (ValueError, IndexError, KeyError) as error:
    what = f'is no pickle, or a damaged one ({shown(error)}).'
    raise FormatError(what) from None
  raise FormatError('holds a pickle that breaks off.')


class _Machine:
  """The stack, the memo, and what every opcode does to them."""

  def __init__(
    self,
    table: Mapping[str, Any],
    persistent_load: Callable[[Any], Any] | None,
    budget: Budget,
    instances: bool,
  ) -> None:
    self.stack: list[Any] = []
    self._outer: list[list[Any]] = []  # the stacks below the open marks
    self._memo: dict[int, Any] = {}
    self._table = table
    self._persistent_load = persistent_load
    self._budget = budget
    self._instances = instances
    # Names that are not in the table, and of which nothing was made so far.
    self.unknown: dict[str, None] = {}

  def step(self, opcode: str, argument: Any) -> None:
    """Executes one opcode."""
    self._budget.spend(1)
    if opcode in _VALUES:
      self.stack.append(argument)
    elif opcode in _MADE:
      self.stack.append(_MADE[opcode]())
    elif opcode in _SHORT_TUPLES:
      items = [self.stack.pop() for _ in range(_SHORT_TUPLES[opcode])]
      self.stack.append(tuple(reversed(items)))
    elif not (self._contain(opcode) or self._name(opcode, argument)):
      raise FormatError(
        f'uses the pickle opcode {opcode} ({shown(argument)}): '
        'refused; a checkpoint may hold only arrays and plain containers.'
      )

  def _contain(self, opcode: str) -> bool:
    """Opcodes of marks and containers; whether this is one."""
    match opcode:
      case 'MARK':
        self._outer.append(self.stack)
        self.stack = []
      case 'POP' if self.stack:
        self.stack.pop()
      case 'POP' | 'POP_MARK':
        self._since_mark()
      case 'DUP':
        self.stack.append(self.stack[-1])
      case 'TUPLE' | 'LIST' | 'FROZENSET':
        items = self._since_mark()
        self.stack.append(_OF_ITEMS[opcode](items))
      case 'DICT':
        items = self._since_mark()
        self.stack.append({})
        self._fill(items)
      case 'APPEND':
        value = self.stack.pop()
        self._top(list).append(value)
      case 'APPENDS':
        items = self._since_mark()
        self._top(list).extend(items)
      case 'ADDITEMS':
        items = self._since_mark()
        self._top(set).update(map(hashable, items))
      case 'SETITEM':
        value, key = self.stack.pop(), self.stack.pop()
        self._fill([key, value])
      case 'SETITEMS':
        self._fill(self._since_mark())
      case _:
        return False
    return True

  def _name(self, opcode: str, argument: Any) -> bool:
    """Opcodes of the memo, of globals and objects; whether this is one."""
    match opcode:
      case 'PROTO' | 'FRAME':
        pass
      case 'PUT' | 'BINPUT' | 'LONG_BINPUT':
        self._memo[hashable(argument)] = self.stack[-1]
      case 'MEMOIZE':
        self._memo[len(self._memo)] = self.stack[-1]
      case 'GET' | 'BINGET' | 'LONG_BINGET':
        self.stack.append(self._memo[argument])
      case 'GLOBAL':
        self._find(*argument)
      case 'STACK_GLOBAL':
        name, module = self.stack.pop(), self.stack.pop()
        if not (isinstance(name, str) and isinstance(module, str)):
          raise FormatError('holds a damaged pickle (a global without a name).')
        self._find(module, name)
      case 'INST':
        # Old-style instances: never needed, but the refusal says of what.
        self._find(*argument)
        name = '.'.join(argument)
        raise FormatError(f'makes an instance of {shown(name)}: refused.')
      case 'REDUCE':
        self._call('calls')
      case 'NEWOBJ':
        self._call('makes an instance of')
      case 'BUILD':
        self._build(self.stack.pop())
      case 'PERSID' | 'BINPERSID':
        if self._persistent_load is None:
          raise FormatError('refers to data outside its pickle: refused.')
        identifier = argument if opcode == 'PERSID' else self.stack.pop()
        self.stack.append(self._persistent_load(identifier))
      case _:
        return False
    return True

  def _call(self, what: str) -> None:
    arguments, function = self.stack.pop(), self.stack.pop()
    if isinstance(function, Global) and not function.known:
      bare = isinstance(arguments, tuple) and not arguments
      if what == 'calls' or not bare:
        raise refused(function.name)
      self.unknown.pop(function.name, None)
      self.stack.append(Instance(function.name))
      return
    if not (isinstance(function, Global) and callable(function.value)):
      raise FormatError(f'{what} something that is no function: refused.')
    what = f'{what} {shown(function.name)}'
    if not isinstance(arguments, tuple):
      raise FormatError(f'{what} without arguments.')
    self._budget.spend_on(arguments)
    try:
      self.stack.append(function.value(*arguments))
    except TypeError:  # their number, or a type that the function never meets
      raise FormatError(f'{what} with unfit arguments.') from None

  def _build(self, state: Any) -> None:
    target = self.stack[-1]
    if isinstance(target, StandIn):
      self._budget.spend_on(state)
      target.build(state)
    elif not isinstance(target, dict):
      raise FormatError(f'gives a state to {shown(target)}: refused.')
    elif isinstance(state, dict):
      # PyTorch hangs version numbers on its dicts; nobody needs them.
      self._budget.spend_on(state)
      for value in state.values():
        _known(value)

  def _find(self, module: str, name: str) -> None:
    full = f'{module}.{name}'
    known = full in self._table
    if not known:
      if not self._instances:
        raise refused(full)
      self.unknown[full] = None
    self.stack.append(Global(full, self._table.get(full), known))

  def _since_mark(self) -> list[Any]:
    items, self.stack = self.stack, self._outer.pop()
    return items

  def _top(self, kind: type) -> Any:
    if isinstance(self.stack[-1], Instance):
      return kind()  # the items of a container of its own kind, left out
    if not isinstance(self.stack[-1], kind):
      raise FormatError(f'holds a damaged pickle (no {kind.__name__} to fill).')
    return self.stack[-1]

  def _fill(self, items: list[Any]) -> None:
    if len(items) % 2:
      raise FormatError('holds a damaged pickle (a key without a value).')
    target = self._top(dict)
    for key, value in zip(items[::2], items[1::2], strict=True):
      target[hashable(key)] = value


_VALUES = frozenset(
  (
    *('INT', 'BININT', 'BININT1', 'BININT2', 'LONG', 'LONG1', 'LONG4'),
    *('FLOAT', 'BINFLOAT', 'STRING', 'BINSTRING', 'SHORT_BINSTRING'),
    *('BINBYTES', 'SHORT_BINBYTES', 'BINBYTES8', 'BYTEARRAY8'),
    *('UNICODE', 'BINUNICODE', 'SHORT_BINUNICODE', 'BINUNICODE8'),
  )
)
_MADE: Mapping[str, Callable[[], Any]] = {
  'NONE': lambda: None,
  'NEWTRUE': lambda: True,
  'NEWFALSE': lambda: False,
  'EMPTY_LIST': list,
  'EMPTY_DICT': dict,
  'EMPTY_SET': set,
  'EMPTY_TUPLE': tuple,
}
_OF_ITEMS: Mapping[str, Callable[[list[Any]], Any]] = {
  'TUPLE': tuple,
  'LIST': list,
  'FROZENSET': lambda items: frozenset(map(hashable, items)),
}
_SHORT_TUPLES = {'TUPLE1': 1, 'TUPLE2': 2, 'TUPLE3': 3}
