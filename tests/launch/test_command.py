import functools
import os
import pathlib
import re

import pytest

from dgan_jax import progress, workdir
from launch import terminal as launch_terminal
from tests.launch import terminal

_COMMAND = '''"""Does what it is told.

Example:

  python -m launch.command --workdir=out
"""
from absl import flags
from dgan_jax import errors
from launch import command

_WHAT = flags.DEFINE_string('what', 'print', 'What to do.')

def main(config, workdir):
  what = _WHAT.value
  if what == 'print':
    print(config.interpreter.members, config.sampling.rows, workdir)
  elif what == 'mend':
    raise errors.UserError('A mask is too small.')
  elif what == 'full':
    raise OSError(28, 'No space left on device', 'out/shard')
  elif what.startswith('\x1b'):
    raise errors.UserError(f'There is no {what}.')
  elif what == 'interrupt':
    raise KeyboardInterrupt
  else:
    raise ZeroDivisionError('a bug')

command.run_config(main)
'''


@pytest.fixture
def run(tmp_path):
  path = tmp_path / 'command.py'
  path.write_text(_COMMAND)
  return functools.partial(terminal.run, path)


def test_a_config_and_overrides_reach_the_command(run):
  done = run(
    '--config=configs/tiny.py',
    '--config.interpreter.members=3',
    '--config.sampling.rows=(8, 56)',
    '--workdir=out/x',
  )
  assert done.stdout == '3 (8, 56) out/x\n'
  assert done.returncode == 0


def test_there_is_a_config_without_being_asked_for(run):
  done = run('--workdir=out/x', '--config.interpreter.members=4')
  assert done.stdout == '4 (0, 0) out/x\n'


def test_help_says_what_flags_there_are_and_ends_with_an_example(run):
  done = run('--help')
  assert done.returncode == 0
  assert done.stdout.startswith('Does what it is told.')
  assert '--workdir' in done.stdout
  assert '--what' in done.stdout
  assert done.stdout.rstrip().endswith('python -m launch.command --workdir=out')


@pytest.mark.parametrize(
  ('args', 'complaint'),
  [
    (['--workdir=x', '--what=mend'], r'A mask is too small\.'),
    (['--workdir=x', '--what=full'], 'out/shard: No space left on device'),
    (
      ['--workdir=x', '--config.interpretr.members=3'],
      r'.*rendered_car\.py has no field .interpretr\.members.; '
      r'did you mean .interpreter\.members.\?',
    ),
    (['--workdir=x', '--config.seed=abc'], r'.*config\.seed=abc: .*'),
    (['--workdir=x', '--config=nope.py'], 'There is no config file nope.*'),
    (['--workdir=x', '--wrokdir=y'], '.*wrokdir.*workdir.*'),
    (['--workdir=x', 'stray'], 'Unexpected argument .stray.;.*'),
    (['--workdir=x', '--config.seed=-1'], r'config\.seed is -1; expected.*'),
    (['--workdir=x', '--config.sampling=3'], ".*has no field 'sampling';.*"),
    (
      ['--workdir=x', '--config=configs/gan_tiny.py'],
      '.*for another command.*',
    ),
    (['--workdir=x', '--what=\x1b[1m'], r'There is no \\x1b\[1m\.'),
    ([], r'Say where to write: --workdir=FOLDER\.'),
    (['--workdir=gs://bucket/x'], 'gs://bucket/x is an address; .*'),
    (['--workdir=x', '--config=s3://b/c.py'], 's3://b/c.py is an address; .*'),
  ],
)
def test_a_mistake_gets_one_line_and_status_2(run, args, complaint):
  done = run(*args)
  assert re.fullmatch(f'{complaint}\n', done.stderr), done.stderr
  assert done.returncode == 2


@pytest.mark.parametrize(
  ('name', 'args', 'complaint'),
  [
    ('sample', ['--config.sampling.rows=(0,65)'], 'sampling.rows is (0, 65)'),
    ('sample', ['--candidates=1000000'], '--candidates=1000000'),
    ('train_interpreter', ['--config.interpreter.hidden=5'], 'hidden is (5,)'),
    (
      'train_interpreter',
      ['--config.interpreter.class_weights=(1.0,2.0)'],
      'class_weights is (1.0, 2.0); expected one for each of the 20 names',
    ),
    ('train_gan', ['--config.domain.setting=side'], "setting is 'side'"),
  ],
)
def test_a_command_refuses_nonsense_before_it_writes(
  tmp_path, name, args, complaint
):
  workdir = tmp_path / 'out'
  done = terminal.run(f'launch.{name}', f'--workdir={workdir}', *args)
  assert done.returncode == 2
  assert complaint in done.stderr
  assert len(done.stderr.splitlines()) == 1
  assert not list(workdir.rglob('*.json'))


def test_a_tilde_is_the_home_folder_in_flags(run, tmp_path):
  (tmp_path / 'mine.py').write_text('from configs.tiny import get_config')
  folder = os.path.relpath(tmp_path, pathlib.Path.home())
  done = run(f'--config=~/{folder}/mine.py', f'--workdir=~/{folder}/x')
  assert done.stdout.endswith(f' {pathlib.Path.home() / folder}/x\n')


def test_a_second_process_in_its_folder_gets_one_line(run, tmp_path):
  folder = tmp_path / 'x'
  with workdir.use(folder):
    done = run(f'--workdir={folder}')
  assert done.stderr == (
    f'Another process is at work in {folder}; wait until it is done, or name '
    'another folder.\n'
  )
  assert done.returncode == 2
  assert run(f'--workdir={folder}').returncode == 0


def test_an_interrupt_says_how_to_go_on(run):
  done = run('--workdir=x', '--what=interrupt')
  assert done.stderr.strip() == (
    'Interrupted. Run the same command again to go on.'
  )
  assert done.returncode == 130


def test_a_bug_keeps_its_traceback(run):
  done = run('--workdir=x', '--what=bug')
  assert 'ZeroDivisionError: a bug' in done.stderr
  assert done.returncode == 1


def test_progress_goes_to_the_terminal_and_the_metrics(tmp_path, capsys):
  with (
    progress.MetricWriter(tmp_path) as writer,
    launch_terminal.progress_line('steps', writer) as on_progress,
  ):
    for done in range(3):
      on_progress(done, 2, {'loss': 0.5})
  first, last = capsys.readouterr().out.splitlines()
  assert first.startswith('0/2 steps')
  assert last.startswith('2/2 steps')
  assert len((tmp_path / 'metrics.jsonl').read_text().splitlines()) == 3


def test_a_config_is_named_in_one_argument_or_in_two(run):
  for args in (['--config=tiny'], ['--config', 'tiny'], ['-config', 'tiny']):
    done = run(*args, '--workdir=x')
    assert done.stdout == '2 (0, 0) x\n', done.stderr
