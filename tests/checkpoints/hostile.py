"""Pickles of the published kinds that run something when they are read."""

import pathlib

from tests.checkpoints import pickles


def programs(marker: pathlib.Path) -> dict[str, bytes]:
  """Pickles that touch `marker` where Python's own machine reads them."""
  command = pickles.text(f'touch {marker}')
  code = pickles.text(f'open({str(marker)!r}, "w").close()')
  system = pickles.name('os.system')
  short = f'touch {marker}'.encode()
  inner = pickles.program(pickles.call('os.system', command))
  state = pickles.mapping({'system': command})
  return {
    'reduce': pickles.program(system, pickles.items(command), b'R'),
    'protocol 0': b"cos\nsystem\n(S'" + short + b"'\ntR.",
    'stack global': b'\x80\x04\x8c\x02os\x8c\x06system\x93\x8c'
    + bytes([len(short)])
    + short
    + b'\x85R.',
    'inst': b'(' + command + b'ios\nsystem\n.',
    'obj': b'\x80\x02(' + system + command + b'o.',
    'newobj': pickles.program(
      pickles.name('subprocess.Popen'), pickles.items(command), b'\x81'
    ),
    'newobj_ex': b'\x80\x04'
    + pickles.name('subprocess.Popen')
    + pickles.items(command)
    + b'}\x92.',
    'eval': pickles.program(pickles.call('builtins.eval', code)),
    'python 2 eval': pickles.program(pickles.call('__builtin__.eval', code)),
    'memo': pickles.program(
      system, b'q\x000', command, b'q\x010h\x00h\x01\x85R'
    ),
    'memo far away': pickles.program(
      system, b'r\xff\xff\x00\x000j\xff\xff\x00\x00', command, b'\x85R'
    ),
    'nested pickle': pickles.program(
      pickles.call('pickle.loads', b'C' + bytes([len(inner)]) + inner)
    ),
    'getattr': pickles.program(
      pickles.name('builtins.getattr'),
      pickles.items(
        pickles.call('builtins.__import__', pickles.text('os')),
        pickles.text('system'),
      ),
      b'R',
      pickles.items(command),
      b'R',
    ),
    'method of an allowed name': b'\x80\x04\x8c\x0bcollections\x8c\x20'
    b'OrderedDict.__init__.__globals__\x93.',
    'hidden behind pop': pickles.program(
      system, pickles.items(command), b'R0', pickles.integer(1)
    ),
    'hidden after mark': pickles.program(
      b'(', system, pickles.items(command), b'R1', pickles.integer(1)
    ),
    'as a key': pickles.program(b'}', system, pickles.items(command), b'RNs'),
    'build': pickles.program(
      pickles.name('types.SimpleNamespace'), b')\x81', state, b'b'
    ),
    'torch file': pickles.program(
      pickles.call('torch.storage._load_from_bytes', command)
    ),
    'extension': b'\x80\x02\x82\x01' + pickles.items(command) + b'R.',
    'extension 2': b'\x80\x02\x83\x01\x00' + pickles.items(command) + b'R.',
    'extension 4': b'\x80\x02\x84\x01\0\0\0' + pickles.items(command) + b'R.',
    'buffer': b'\x80\x05\x97.',
    'dotted name': b"cos\npath.os.system\n(S'" + short + b"'\ntR.",
    'dotted module': b'\x80\x04\x8c\x15collections.abc.sys.x\x8c\x01y\x93.',
    'name in parts': b'\x80\x04\x8c\x0bcollections\x8c\x0fabc.sys.modules\x93.',
    'name with spaces': b'c os\nsystem \n.',
    'name from the memo': b'\x80\x04\x8c\x06system\x94\x8c\x02os\x94'
    b'h\x01h\x00\x93)R.',
    'name that is no text': b'\x80\x04C\x02osC\x06system\x93.',
    'instance by protocol 0': pickles.program(
      pickles.call(
        'copyreg._reconstructor',
        pickles.name('subprocess.Popen'),
        pickles.name('builtins.object'),
        b'N',
      )
    ),
    'partial': pickles.program(
      pickles.call('functools.partial', system, command), b')R'
    ),
    'numpy runs strings': pickles.program(
      pickles.call('numpy.testing._private.utils.runstring', code, b'}')
    ),
    'numpy loads': pickles.program(pickles.call('numpy.load', command)),
    'torch loads': pickles.program(pickles.call('torch.load', command)),
    'python 2 apply': pickles.program(
      pickles.call('__builtin__.apply', system, pickles.items(command))
    ),
    'posix': pickles.program(pickles.call('posix.system', command)),
    'code object': pickles.program(pickles.call('marshal.loads', command)),
    'import': pickles.program(
      pickles.call('importlib.import_module', pickles.text('trap'))
    ),
    'state of a class': pickles.program(
      pickles.name('collections.OrderedDict'),
      pickles.mapping({'__setstate__': system}),
      b'b',
    ),
    'state with setstate': pickles.program(
      b'}', pickles.mapping({'__setstate__': system}), b'b', command, b'b'
    ),
    'read only buffer': b'\x80\x05N\x98.',
    'persistent': pickles.program(command, b'Q'),
    'persistent text': b'P' + short + b'\n.',
  }


# What the refusal has to name.
EXPECTED = {
  'reduce': 'os.system',
  'protocol 0': 'os.system',
  'stack global': 'os.system',
  'inst': 'os.system',
  'obj': 'os.system',
  'newobj': 'subprocess.Popen',
  'newobj_ex': 'subprocess.Popen',
  'eval': 'builtins.eval',
  'python 2 eval': '__builtin__.eval',
  'memo': 'os.system',
  'memo far away': 'os.system',
  'nested pickle': 'pickle.loads',
  'getattr': 'builtins.getattr',
  'method of an allowed name': 'collections.OrderedDict.__init__.__globals__',
  'hidden behind pop': 'os.system',
  'hidden after mark': 'os.system',
  'as a key': 'os.system',
  'build': 'types.SimpleNamespace',
  'torch file': 'torch.storage._load_from_bytes',
  'extension': 'EXT1',
  'extension 2': 'EXT2',
  'extension 4': 'EXT4',
  'buffer': 'NEXT_BUFFER',
  'dotted name': 'os.path.os.system',
  'dotted module': 'collections.abc.sys.x.y',
  'name in parts': 'collections.abc.sys.modules',
  'name with spaces': 'asks for  os.system : refused',
  'name from the memo': 'os.system',
  'name that is no text': 'a global without a name',
  'instance by protocol 0': 'asks for',
  'partial': 'functools.partial',
  'numpy runs strings': 'numpy.testing._private.utils.runstring',
  'numpy loads': 'numpy.load',
  'torch loads': 'torch.load',
  'python 2 apply': '__builtin__.apply',
  'posix': 'posix.system',
  'code object': 'marshal.loads',
  'import': 'importlib.import_module',
  'state of a class': 'refused',
  'state with setstate': 'os.system',
  'read only buffer': 'READONLY_BUFFER',
  'persistent': 'outside its pickle',
  'persistent text': 'outside its pickle',
}
