"""Reads a pickle without running it.

A pickle is a program for a stack machine, and Python's own machine will call
whatever the program names. The machine here has no such power: the opcodes
push numbers, strings and plain containers, and a global is looked up in a
table that the caller wrote. There is no import, no attribute access and no
`__setstate__`, so what is not in the table cannot happen. The table of a
format is all that a new format adds.

What a small file can cost is bounded as well: steps are counted, integers are
short, keys are scalars (hashing a nest of shared tuples takes exponential
time), and what the pickle hands to functions again and again counts each time.
"""

import dataclasses
from collections.abc import Callable, Mapping
from typing import Any

from dgan_jax.checkpoints.formats import byte_stream, pickle_opcodes

# A StyleGAN2-ADA file takes 34,000 at 32 px and some 100,000 at 1024 px. It
# bounds what a pickle of small things (at worst empty sets) takes to 100 MB.
MAX_STEPS = 400_000


class FormatError(ValueError):
  """What is wrong with a file; the message reads on from the file's name."""


@dataclasses.dataclass(frozen=True)
class Global:
  """A global that the pickle named and the table has.

  Attributes:
    name: 'module.name', as in the pickle.
    value: what the table gives for it. If callable, the pickle may call it.
  """

  name: str
  value: Any


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


class Budget:
  """What the pickles of one file may take together.

  A pickle can name the same list or the same bytes a million times, so what
  its functions are given counts as well.
  """

  def __init__(self, size: int) -> None:
    """Takes the size of the file in bytes."""
    self._steps = MAX_STEPS
    # Files that mean well hand over every byte once, or twice as text that
    # stands for bytes.
    self._bytes = 4 * size + 4096

  def spend(self, steps: int) -> None:
    """Counts steps.

    Raises:
      FormatError: they are too many.
    """
    self._steps -= steps
    if self._steps < 0:
      raise FormatError(f'holds pickles of over {MAX_STEPS:,} steps.')

  def spend_on(self, value: Any) -> None:
    """Counts what a function is given, as it may look at all of it."""
    items = value if isinstance(value, tuple) else (value,)
    self.spend(len(items))
    for item in items:
      if isinstance(item, str | bytes | memoryview):
        self._bytes -= len(item)
      elif isinstance(item, tuple | list | dict | set | frozenset):
        self.spend(len(item))
    if self._bytes < 0:
      raise FormatError('uses its own bytes again and again: refused.')


def load(
  stream: byte_stream.ByteStream,
  table: Mapping[str, Any],
  persistent_load: Callable[[Any], Any] | None = None,
  budget: Budget | None = None,
) -> Any:
  """Reads one pickle and leaves the stream behind it.

  Args:
    stream: the pickle and what may follow.
    table: 'module.name' -> a function of ours that takes any plain arguments
      and refuses unfit ones by `FormatError`, or an inert value. A class is
      a function that makes its `StandIn`.
    persistent_load: turns a persistent id into a value; None refuses them.
    budget: what it shares with other pickles of the file; None: its own.

  Returns:
    Numbers, strings, plain containers, `Global`s of the table and what its
    functions return. Containers may contain themselves. Long bytes are views
    of the stream.

  Raises:
    FormatError: the pickle asks for something else, is damaged or too long.
  """
  machine = _Machine(table, persistent_load, budget or Budget(len(stream)))
  try:
    for opcode, argument in pickle_opcodes.instructions(stream):
      if opcode == 'STOP':
        return machine.stack.pop()
      machine.step(opcode, argument)
  except FormatError:
    raise
  except (ValueError, IndexError, KeyError) as error:
    raise FormatError(
      f'is no pickle, or a damaged one ({shown(error)}).'
    ) from None
  raise FormatError('holds a pickle that breaks off.')


def shown(value: object) -> str:
  """Untrusted text for an error message: short, one line, ASCII."""
  # The text of a container may have no end.
  if not isinstance(value, str | int | float | BaseException | None):
    return f'a {type(value).__name__}'
  text = ascii(str(value)[:80])[1:-1]
  return text if len(text) < 80 else f'{text[:77]}...'


class _Machine:
  """The stack, the memo, and one method per kind of opcode."""

  def __init__(
    self,
    table: Mapping[str, Any],
    persistent_load: Callable[[Any], Any] | None,
    budget: Budget,
  ) -> None:
    self.stack: list[Any] = []
    self._outer: list[list[Any]] = []  # the stacks below the open marks
    self._memo: dict[int, Any] = {}
    self._table = table
    self._persistent_load = persistent_load
    self._budget = budget

  def step(self, opcode: str, argument: Any) -> None:
    """Executes one opcode."""
    self._budget.spend(1)
    if opcode in _VALUES:
      self.stack.append(argument)
    elif opcode in _CONSTANTS:
      self.stack.append(_CONSTANTS[opcode])
    elif opcode in _EMPTY:
      self.stack.append(_EMPTY[opcode]())
    elif opcode in _SHORT_TUPLES:
      items = [self.stack.pop() for _ in range(_SHORT_TUPLES[opcode])]
      self.stack.append(tuple(reversed(items)))
    elif opcode in _METHODS:
      _METHODS[opcode](self, argument)
    elif opcode not in _NOTHING:
      raise FormatError(
        f'uses the pickle opcode {opcode} ({shown(argument)}): refused; '
        'a checkpoint may hold only arrays and plain containers.'
      )

  def mark(self, _: Any) -> None:
    self._outer.append(self.stack)
    self.stack = []

  def pop(self, _: Any) -> None:
    if self.stack:
      self.stack.pop()
    else:
      self._since_mark()

  def pop_mark(self, _: Any) -> None:
    self._since_mark()

  def duplicate(self, _: Any) -> None:
    self.stack.append(self.stack[-1])

  def make_tuple(self, _: Any) -> None:
    items = self._since_mark()
    self.stack.append(tuple(items))

  def make_list(self, _: Any) -> None:
    items = self._since_mark()
    self.stack.append(items)

  def make_dict(self, _: Any) -> None:
    items = self._since_mark()
    self.stack.append({})
    self._fill(items)

  def make_frozenset(self, _: Any) -> None:
    items = self._since_mark()
    self.stack.append(frozenset(map(hashable, items)))

  def append(self, _: Any) -> None:
    value = self.stack.pop()
    self._top(list).append(value)

  def appends(self, _: Any) -> None:
    items = self._since_mark()
    self._top(list).extend(items)

  def set_item(self, _: Any) -> None:
    value, key = self.stack.pop(), self.stack.pop()
    self._fill([key, value])

  def set_items(self, _: Any) -> None:
    self._fill(self._since_mark())

  def add_items(self, _: Any) -> None:
    items = self._since_mark()
    self._top(set).update(map(hashable, items))

  def put(self, index: int) -> None:
    self._memo[index] = self.stack[-1]

  def memoize(self, _: Any) -> None:
    self._memo[len(self._memo)] = self.stack[-1]

  def get(self, index: int) -> None:
    self.stack.append(self._memo[index])

  def global_name(self, argument: tuple[str, str]) -> None:
    self._find(*argument)

  def stack_global(self, _: Any) -> None:
    name, module = self.stack.pop(), self.stack.pop()
    if not (isinstance(name, str) and isinstance(module, str)):
      raise FormatError('holds a damaged pickle (a global without a name).')
    self._find(module, name)

  def inst(self, argument: tuple[str, str]) -> None:
    # Old-style instances: never needed, but the refusal should say of what.
    self._find(*argument)
    raise FormatError(
      f'makes an instance of {shown(".".join(argument))}: refused.'
    )

  def reduce(self, _: Any) -> None:
    self._call('calls')

  def new_object(self, _: Any) -> None:
    self._call('makes an instance of')

  def _call(self, what: str) -> None:
    arguments, function = self.stack.pop(), self.stack.pop()
    if not (isinstance(function, Global) and callable(function.value)):
      raise FormatError(f'{what} something that is no function: refused.')
    if not isinstance(arguments, tuple):
      raise FormatError(f'{what} {shown(function.name)} without arguments.')
    self._budget.spend_on(arguments)
    try:
      self.stack.append(function.value(*arguments))
    except TypeError:  # their number, or a type that the function never meets
      raise FormatError(
        f'{what} {shown(function.name)} with unfit arguments.'
      ) from None

  def build(self, _: Any) -> None:
    state = self.stack.pop()
    target = self.stack[-1]
    if isinstance(target, StandIn):
      self._budget.spend_on(state)
      target.build(state)
    elif not isinstance(target, dict):
      raise FormatError(f'gives a state to {shown(target)}: refused.')
    # PyTorch hangs version numbers on its dicts this way; nobody needs them.

  def persistent(self, argument: str) -> None:
    self._load_persistent(argument)

  def binary_persistent(self, _: Any) -> None:
    self._load_persistent(self.stack.pop())

  def _load_persistent(self, identifier: Any) -> None:
    if self._persistent_load is None:
      raise FormatError('refers to data outside its pickle: refused.')
    self.stack.append(self._persistent_load(identifier))

  def _find(self, module: str, name: str) -> None:
    full = f'{module}.{name}'
    if full not in self._table:
      raise FormatError(
        f'asks for {shown(full)}: refused; a checkpoint may hold only arrays '
        'and plain containers.'
      )
    self.stack.append(Global(full, self._table[full]))

  def _since_mark(self) -> list[Any]:
    items, self.stack = self.stack, self._outer.pop()
    return items

  def _top(self, kind: type) -> Any:
    if not isinstance(self.stack[-1], kind):
      raise FormatError(f'holds a damaged pickle (no {kind.__name__} to fill).')
    return self.stack[-1]

  def _fill(self, items: list[Any]) -> None:
    if len(items) % 2:
      raise FormatError('holds a damaged pickle (a key without a value).')
    target = self._top(dict)
    for key, value in zip(items[::2], items[1::2], strict=True):
      target[hashable(key)] = value


def hashable(key: Any) -> Any:
  """The key itself, if hashing it is safe and cheap.

  Raises:
    FormatError: it is a container or some other object.
  """
  if not isinstance(key, str | bytes | int | float | None):
    raise FormatError(f'uses a {type(key).__name__} as a key: refused.')
  return key


_VALUES = frozenset(
  (
    *('INT', 'BININT', 'BININT1', 'BININT2', 'LONG', 'LONG1', 'LONG4'),
    *('FLOAT', 'BINFLOAT', 'STRING', 'BINSTRING', 'SHORT_BINSTRING'),
    *('BINBYTES', 'SHORT_BINBYTES', 'BINBYTES8', 'BYTEARRAY8'),
    *('UNICODE', 'BINUNICODE', 'SHORT_BINUNICODE', 'BINUNICODE8'),
  )
)
_CONSTANTS = {'NONE': None, 'NEWTRUE': True, 'NEWFALSE': False}
_EMPTY: Mapping[str, Callable[[], Any]] = {
  'EMPTY_LIST': list,
  'EMPTY_DICT': dict,
  'EMPTY_SET': set,
  'EMPTY_TUPLE': tuple,
}
_SHORT_TUPLES = {'TUPLE1': 1, 'TUPLE2': 2, 'TUPLE3': 3}
_NOTHING = frozenset(('PROTO', 'FRAME'))
_METHODS: Mapping[str, Callable[[_Machine, Any], None]] = {
  'MARK': _Machine.mark,
  'POP': _Machine.pop,
  'POP_MARK': _Machine.pop_mark,
  'DUP': _Machine.duplicate,
  'TUPLE': _Machine.make_tuple,
  'LIST': _Machine.make_list,
  'DICT': _Machine.make_dict,
  'FROZENSET': _Machine.make_frozenset,
  'APPEND': _Machine.append,
  'APPENDS': _Machine.appends,
  'SETITEM': _Machine.set_item,
  'SETITEMS': _Machine.set_items,
  'ADDITEMS': _Machine.add_items,
  'PUT': _Machine.put,
  'BINPUT': _Machine.put,
  'LONG_BINPUT': _Machine.put,
  'MEMOIZE': _Machine.memoize,
  'GET': _Machine.get,
  'BINGET': _Machine.get,
  'LONG_BINGET': _Machine.get,
  'GLOBAL': _Machine.global_name,
  'STACK_GLOBAL': _Machine.stack_global,
  'INST': _Machine.inst,
  'REDUCE': _Machine.reduce,
  'NEWOBJ': _Machine.new_object,
  'BUILD': _Machine.build,
  'PERSID': _Machine.persistent,
  'BINPERSID': _Machine.binary_persistent,
}
