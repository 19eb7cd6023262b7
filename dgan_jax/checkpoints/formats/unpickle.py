"""Reads a pickle without running it.

A pickle is a program for a stack machine, and Python's own machine will call
whatever the program names. The machine here has no such power: the opcodes
push numbers, strings and plain containers, and a global is looked up in a
table that the caller wrote. There is no import, no attribute access and no
`__setstate__`, so what is not in the table cannot happen. The table of a
format is all that a new format adds.

What a small file can cost is bounded as well: steps are counted, integers are
short, keys are scalars that hash differently (a nest of shared tuples takes
exponential time), and what the pickle hands to functions counts each time.
"""

from collections.abc import Callable, Mapping
from typing import Any

from dgan_jax.checkpoints.formats import (
  byte_stream,
  pickle_opcodes,
  pickle_values,
  untrusted,
)
from dgan_jax.checkpoints.formats.untrusted import FormatError, shown


def load(
  stream: byte_stream.ByteStream,
  table: Mapping[str, Any],
  persistent_load: Callable[[Any], Any] | None = None,
  budget: untrusted.Budget | None = None,
  *,
  instances: bool = False,
) -> Any:
  """Reads one pickle and leaves the stream behind it.

  Args:
    stream: the pickle and what may follow.
    table: 'module.name' -> a function of ours that takes any plain arguments
      and refuses unfit ones by `FormatError`, or an inert value. A class is
      a function that makes its `StandIn`.
    persistent_load: turns a persistent id into a value; None refuses them.
    budget: what it shares with other pickles of the file; None: its own.
    instances: whether classes may occur that are not in the table. They are
      names; what is made of them, without arguments, is an `Instance`.

  Returns:
    Numbers, strings, plain containers, `Global`s, `Instance`s and what the
    functions of the table return. Containers may contain themselves. Long
    bytes are views of the stream.

  Raises:
    FormatError: the pickle asks for something else, is damaged or too long.
  """
  budget = budget or untrusted.Budget(len(stream))
  machine = _Machine(table, persistent_load, budget, instances)
  try:
    for opcode, argument in pickle_opcodes.instructions(stream):
      if opcode == 'STOP':
        return pickle_values.known(machine.stack.pop())
      machine.step(opcode, argument)
  except FormatError:
    if machine.unknown:  # says more than what was wrong with its use
      raise pickle_values.refused(next(iter(machine.unknown))) from None
    raise
  except (ValueError, IndexError, KeyError) as error:
    raise FormatError(
      f'is no pickle, or a damaged one ({shown(error)}).'
    ) from None
  raise FormatError('holds a pickle that breaks off.')


class _Machine:
  """The stack, the memo, and one method for every opcode that does more than
  to push a value."""

  def __init__(
    self,
    table: Mapping[str, Any],
    persistent_load: Callable[[Any], Any] | None,
    budget: untrusted.Budget,
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
    elif opcode in _CONSTANTS:
      self.stack.append(_CONSTANTS[opcode])
    elif opcode in _EMPTY:
      self.stack.append(_EMPTY[opcode]())
    elif opcode in _SHORT_TUPLES:
      items = [self.stack.pop() for _ in range(_SHORT_TUPLES[opcode])]
      self.stack.append(tuple(reversed(items)))
    elif method := getattr(self, f'on_{opcode.lower()}', None):
      method(argument)
    elif opcode not in _NOTHING:
      raise FormatError(
        f'uses the pickle opcode {opcode} ({shown(argument)}): '
        'refused; a checkpoint may hold only arrays and plain containers.'
      )

  def on_mark(self, _: Any) -> None:
    self._outer.append(self.stack)
    self.stack = []

  def on_pop(self, _: Any) -> None:
    if self.stack:
      self.stack.pop()
    else:
      self._since_mark()

  def on_pop_mark(self, _: Any) -> None:
    self._since_mark()

  def on_dup(self, _: Any) -> None:
    self.stack.append(self.stack[-1])

  def on_tuple(self, _: Any) -> None:
    items = self._since_mark()
    self.stack.append(tuple(items))

  def on_list(self, _: Any) -> None:
    items = self._since_mark()
    self.stack.append(items)

  def on_dict(self, _: Any) -> None:
    items = self._since_mark()
    self.stack.append({})
    self._fill(items)

  def on_frozenset(self, _: Any) -> None:
    items = self._since_mark()
    self.stack.append(frozenset(map(pickle_values.hashable, items)))

  def on_append(self, _: Any) -> None:
    value = self.stack.pop()
    self._top(list).append(value)

  def on_appends(self, _: Any) -> None:
    items = self._since_mark()
    self._top(list).extend(items)

  def on_setitem(self, _: Any) -> None:
    value, key = self.stack.pop(), self.stack.pop()
    self._fill([key, value])

  def on_setitems(self, _: Any) -> None:
    self._fill(self._since_mark())

  def on_additems(self, _: Any) -> None:
    items = self._since_mark()
    self._top(set).update(map(pickle_values.hashable, items))

  def on_put(self, index: int) -> None:
    self._memo[pickle_values.hashable(index)] = self.stack[-1]

  on_binput = on_long_binput = on_put

  def on_memoize(self, _: Any) -> None:
    self._memo[len(self._memo)] = self.stack[-1]

  def on_get(self, index: int) -> None:
    self.stack.append(self._memo[index])

  on_binget = on_long_binget = on_get

  def on_global(self, argument: tuple[str, str]) -> None:
    self._find(*argument)

  def on_stack_global(self, _: Any) -> None:
    name, module = self.stack.pop(), self.stack.pop()
    if not (isinstance(name, str) and isinstance(module, str)):
      raise FormatError('holds a damaged pickle (a global without a name).')
    self._find(module, name)

  def on_inst(self, argument: tuple[str, str]) -> None:
    # Old-style instances: never needed, but the refusal should say of what.
    self._find(*argument)
    raise FormatError(
      f'makes an instance of {shown(".".join(argument))}: refused.'
    )

  def on_reduce(self, _: Any) -> None:
    self._call('calls')

  def on_newobj(self, _: Any) -> None:
    self._call('makes an instance of')

  def _call(self, what: str) -> None:
    arguments, function = self.stack.pop(), self.stack.pop()
    if isinstance(function, pickle_values.Global) and not function.known:
      if what == 'calls' or arguments != ():
        raise pickle_values.refused(function.name)
      self.unknown.pop(function.name, None)
      self.stack.append(pickle_values.Instance(function.name))
      return
    if not (
      isinstance(function, pickle_values.Global) and callable(function.value)
    ):
      raise FormatError(
        f'{what} something that is no function: pickle_values.refused.'
      )
    if not isinstance(arguments, tuple):
      raise FormatError(f'{what} {shown(function.name)} without arguments.')
    self._budget.spend_on(arguments)
    try:
      self.stack.append(function.value(*arguments))
    except TypeError:  # their number, or a type that the function never meets
      raise FormatError(
        f'{what} {shown(function.name)} with unfit arguments.'
      ) from None

  def on_build(self, _: Any) -> None:
    state = self.stack.pop()
    target = self.stack[-1]
    if isinstance(target, pickle_values.StandIn):
      self._budget.spend_on(state)
      target.build(state)
    elif not isinstance(target, dict):
      raise FormatError(
        f'gives a state to {shown(target)}: pickle_values.refused.'
      )
    elif isinstance(state, dict):
      # PyTorch hangs version numbers on its dicts; nobody needs them.
      self._budget.spend_on(state)
      for value in state.values():
        pickle_values.known(value)

  def on_persid(self, argument: str) -> None:
    self._load_persistent(argument)

  def on_binpersid(self, _: Any) -> None:
    self._load_persistent(self.stack.pop())

  def _load_persistent(self, identifier: Any) -> None:
    if self._persistent_load is None:
      raise FormatError(
        'refers to data outside its pickle: pickle_values.refused.'
      )
    self.stack.append(self._persistent_load(identifier))

  def _find(self, module: str, name: str) -> None:
    full = f'{module}.{name}'
    known = full in self._table
    if not known:
      if not self._instances:
        raise pickle_values.refused(full)
      self.unknown[full] = None
    self.stack.append(pickle_values.Global(full, self._table.get(full), known))

  def _since_mark(self) -> list[Any]:
    items, self.stack = self.stack, self._outer.pop()
    return items

  def _top(self, kind: type) -> Any:
    if isinstance(self.stack[-1], pickle_values.Instance):
      return kind()  # the items of a container of its own kind, left out
    if not isinstance(self.stack[-1], kind):
      raise FormatError(f'holds a damaged pickle (no {kind.__name__} to fill).')
    return self.stack[-1]

  def _fill(self, items: list[Any]) -> None:
    if len(items) % 2:
      raise FormatError('holds a damaged pickle (a key without a value).')
    target = self._top(dict)
    for key, value in zip(items[::2], items[1::2], strict=True):
      target[pickle_values.hashable(key)] = value


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
