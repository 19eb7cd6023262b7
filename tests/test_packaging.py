"""The wheel: built, installed elsewhere, and run there."""

import os
import pathlib
import shutil
import subprocess
import sys
import zipfile

import pytest

from launch import __main__ as program

_ROOT = pathlib.Path(__file__).parents[1]
_PIP = (sys.executable, '-m', 'pip', '--disable-pip-version-check', '-q')


@pytest.fixture(scope='module')
def wheel(tmp_path_factory):
  folder = tmp_path_factory.mktemp('wheel')
  for name in ('dgan_jax', 'launch', 'configs'):
    ignored = shutil.ignore_patterns('__pycache__')
    shutil.copytree(_ROOT / name, folder / name, ignore=ignored)
  for name in ('pyproject.toml', 'requirements.txt', 'README.md', 'LICENSE'):
    shutil.copy(_ROOT / name, folder)
  build = ('wheel', '--no-deps', '--no-build-isolation', '-w', 'dist', '.')
  subprocess.run([*_PIP, *build], cwd=folder, check=True)
  (path,) = (folder / 'dist').iterdir()
  return path


@pytest.fixture(scope='module')
def run(wheel, tmp_path_factory):
  """Runs the installed program outside the checkout."""
  site = tmp_path_factory.mktemp('site')
  install = ('install', '--no-deps', '--target', str(site), str(wheel))
  subprocess.run([*_PIP, *install], check=True)
  names = {path.name.split('-')[0] for path in site.iterdir()}
  assert names == {'bin', 'dgan_jax'}  # no launch and no configs among them

  def dgan(*args, cwd):
    return subprocess.run(
      [sys.executable, site / 'bin' / 'dgan', *args],
      cwd=cwd,
      env={**os.environ, 'PYTHONPATH': str(site)},
      capture_output=True,
      text=True,
    )

  return dgan


def test_the_wheel_has_all_that_the_checkout_has(wheel):
  folders = {
    'dgan_jax': 'dgan_jax',
    'launch': 'dgan_jax/_commands/launch',
    'configs': 'dgan_jax/_commands/configs',
  }
  expected = {
    f'{inside}/{path.relative_to(_ROOT / folder).as_posix()}'
    for folder, inside in folders.items()
    for path in (_ROOT / folder).rglob('*')
    if path.is_file() and '__pycache__' not in path.parts
  }
  with zipfile.ZipFile(wheel) as file:
    found = {name for name in file.namelist() if 'dist-info' not in name}
  assert found == expected


def test_dgan_alone_lists_the_commands(run, tmp_path):
  done = run(cwd=tmp_path)
  assert done.returncode == 0, done.stderr
  for name, line in program.commands().items():
    assert f'  {name} ' in done.stdout
    assert f'  {line}\n' in done.stdout


def test_a_mistyped_command_gets_one_line(run, tmp_path):
  done = run('smple', cwd=tmp_path)
  assert done.returncode == 2
  assert done.stderr == "There is no command 'smple'; did you mean 'sample'?\n"


def test_a_command_runs_anywhere_with_a_config_by_its_name(run, tmp_path):
  done = run(
    *('sample', '--config=tiny', '--workdir=paint', '--num_samples=2'),
    '--candidates=0',
    cwd=tmp_path,
  )
  assert done.returncode == 0, done.stderr
  text = (tmp_path / 'paint' / 'README.txt').read_text()
  train = '  dgan train_interpreter --workdir=out/paint_dataset --config=tiny'
  assert train in text
  assert 'python -m' not in text
  assert len(list((tmp_path / 'paint' / 'images').iterdir())) == 2


def test_texts_call_commands_as_they_were_called(run, tmp_path):
  done = run('generate', '--workdir=new', cwd=tmp_path)
  assert done.returncode == 2
  assert 'train one first: dgan train_interpreter' in done.stderr
  done = run('train-gan', '--help', cwd=tmp_path)
  assert 'Example:\n  dgan train_gan --workdir=out/cars\n' in done.stdout
  assert 'launch' not in done.stdout
