"""README and docs name only what there is."""

import importlib.util
import pathlib
import re

import pytest

from launch import __main__ as program
from tests.test_house import _ROOMS

_ROOT = pathlib.Path(__file__).parents[1]
_PAGES = [
  *[_ROOT / 'README.md', *sorted((_ROOT / 'docs').glob('*.md'))],
  *sorted((_ROOT / 'dgan_jax' / 'assets').glob('*/README.md')),
]
_IDS = [str(path.relative_to(_ROOT)) for path in _PAGES]


def _anchors(path):
  """Of the headings of a page, as their links are written."""
  headings = re.findall(r'^#+ (.*)$', path.read_text(), re.MULTILINE)
  return {
    re.sub(r'[^\w -]', '', line).strip().lower().replace(' ', '-')
    for line in headings
  }


@pytest.mark.parametrize('page', _PAGES, ids=_IDS)
def test_every_link_leads_somewhere(page):
  for link in re.findall(r'\]\(([^)\s]+)\)', page.read_text()):
    if not link.startswith('https://'):
      name, _, anchor = link.partition('#')
      target = (page.parent / name).resolve() if name else page
      assert target.exists(), link
      assert not anchor or anchor in _anchors(target), link


@pytest.mark.parametrize('page', _PAGES, ids=_IDS)
def test_every_module_command_config_and_file_named_is_there(page):
  text = page.read_text()
  for module in re.findall(r'python -m ([\w.]+)', text):
    assert importlib.util.find_spec(module), module
  commands = re.findall(r'\bdgan (\w+) ', text)
  commands += re.findall(r'\blaunch\.(\w+)', text)
  assert set(commands) <= set(program.commands())
  for config in re.findall(r'--config=(?:configs/)?(\w+)', text):
    assert (_ROOT / 'configs' / f'{config}.py').is_file(), config
  folders = 'benchmarks|configs|dgan_jax|docs|launch|tests'
  for name in re.findall(rf'`((?:{folders})/[\w./]+)`', text):
    assert (_ROOT / name).exists(), name


@pytest.mark.parametrize('page', _PAGES, ids=_IDS)
def test_every_field_of_a_config_that_is_set_is_declared(page):
  declared = '\n'.join(p.read_text() for p in (_ROOT / 'configs').glob('*.py'))
  for field in re.findall(r'--config\.([\w.]+)=', page.read_text()):
    assert re.search(rf'\.{field.split(".")[-1]} = ', declared), field


def test_the_layout_of_the_readme_has_all_rooms_in_their_order():
  text = (_ROOT / 'README.md').read_text()
  (listed,) = re.findall(r'^dgan_jax/ (.*?)assets/', text, re.DOTALL | re.M)
  rooms = [name.rstrip('/').replace('/', '.') for name in listed.split()]
  assert tuple(rooms) == tuple(room for room in _ROOMS if room != '__main__')


def test_the_readme_names_all_commands_and_pages():
  text = (_ROOT / 'README.md').read_text()
  layout = text.rpartition('launch/ ')[2].partition('```')[0]
  assert set(program.commands()) <= set(re.findall(r'\w+', layout))
  for page in (_ROOT / 'docs').glob('*.md'):
    assert page.stem in layout
