import pytest

from dgan_jax import errors
from launch import config_file


@pytest.mark.parametrize(
  ('text', 'complaint'),
  [
    ('def get_config():\n  return 3', 'returned a int'),
    ('x = 3', 'does not load: KeyError'),
    ('def get_config(:', 'does not load: SyntaxError'),
    (
      'from configs import common\n'
      'def get_config():\n'
      '  config = common.get_config()\n'
      '  config.interpreter.membrs = 3\n'
      '  return config\n',
      'does not load: AttributeError: .*membrs',
    ),
  ],
)
def test_a_config_file_that_gives_no_config_is_refused(
  tmp_path, text, complaint
):
  path = tmp_path / 'mine.py'
  path.write_text(text)
  with pytest.raises(errors.UserError, match=complaint) as caught:
    config_file.load(str(path))
  assert 'mine.py' in str(caught.value)


@pytest.mark.parametrize('name', ['tiny', 'configs/tiny.py'])
def test_a_shipped_config_is_found_by_its_name_from_anywhere(
  tmp_path, monkeypatch, name
):
  monkeypatch.chdir(tmp_path)
  assert config_file.load(name) == config_file.load(config_file.find('tiny'))
  (tmp_path / 'configs').mkdir()
  (tmp_path / 'configs' / 'tiny.py').write_text('get_config = 3')
  found = config_file.find('configs/tiny.py')
  assert found == 'configs/tiny.py'  # a file of the user's comes first
  assert config_file.name_of('configs/tiny.py') == 'configs/tiny.py'
  assert config_file.name_of(config_file.find('tiny')) == 'tiny'
