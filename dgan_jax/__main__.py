"""The program `dgan`, also `python -m dgan_jax`: hands over to `launch/`.

That is a folder beside this package in a checkout; a wheel carries it inside,
where it does not take the name `launch` from anybody.
"""

import pathlib
import runpy
import sys

_PACKAGE = pathlib.Path(__file__).parent


def main() -> None:
  inside = _PACKAGE / '_commands'
  sys.path.insert(0, str(inside if inside.is_dir() else _PACKAGE.parent))
  runpy.run_module('launch', run_name='__main__', alter_sys=True)


if __name__ == '__main__':
  main()
