"""`dgan COMMAND ...` does what `python -m launch.COMMAND ...` does."""

import ast
import difflib
import pathlib
import runpy
import sys

import launch


def commands() -> dict[str, str]:
  """What every command does, in a line, by its name."""
  lines = {}
  for path in sorted(pathlib.Path(__file__).parent.glob('[!_]*.py')):
    text = path.read_text(encoding='utf-8')
    if "if __name__ == '__main__':" in text:
      docstring = ast.get_docstring(ast.parse(text)) or ''
      lines[path.stem] = docstring.split('\n')[0]
  return lines


def main() -> None:
  known = commands()
  name = sys.argv[1].replace('-', '_') if len(sys.argv) > 1 else 'help'
  if name in known:
    launch.PROGRAM = 'dgan '
    sys.argv = [f'dgan {name}', *sys.argv[2:]]
    runpy.run_module(f'launch.{name}', run_name='__main__', alter_sys=True)
  elif name in ('help', '__help', '_h'):
    width = max(map(len, known))
    print('dgan COMMAND --help says more.\n')
    print('\n'.join(f'  {k:{width}}  {line}' for k, line in known.items()))
  else:
    near = difflib.get_close_matches(name, known, n=1, cutoff=0.4)
    hint = f'did you mean {near[0]!r}?' if near else 'dgan alone lists them.'
    print(f'There is no command {sys.argv[1]!r}; {hint}', file=sys.stderr)
    sys.exit(2)


if __name__ == '__main__':
  main()
