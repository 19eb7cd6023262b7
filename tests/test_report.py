import html.parser
import re

import numpy as np
import pytest
from PIL import Image

from dgan_jax import report, schema
from dgan_jax import samples as samples_lib
from dgan_jax.tasks import part_segmentation

CAR = schema.get_schema('car_20')


TASK = part_segmentation.PartSegmentation(CAR)


@pytest.fixture(scope='module')
def samples():
  random = np.random.default_rng(0)
  index = np.arange(8)
  grey = (10 + index).astype(np.uint8)[:, None, None, None]
  return samples_lib.Samples(
    image=np.broadcast_to(grey, (8, 16, 16, 3)),
    latent=np.zeros((8, 4)),
    key=np.zeros((8, 2)),
    index=index,
    labels={'mask': random.integers(0, 19, (8, 16, 16), np.uint8)},
    uncertainty=random.uniform(0, 0.5, (8, 16, 16)),
    score=np.linspace(1, 0, 8),
    task=TASK,
  )


@pytest.fixture(scope='module')
def counts(samples):
  return TASK.frequencies(
    np.stack([TASK.counts({'mask': mask}) for mask in samples.mask])
  )


@pytest.fixture(scope='module')
def pictures(samples, counts):
  return report.figures(samples[::-1], counts, shown=4)


def card(counts, pictures=(), **changes):
  values = {
    'title': 'datasetgan_car',
    'summary': 'Cars.',
    'notice': 'Rendered.',
    'highlights': {'samples': '8'},
    'facts': {'Source': {'generator': 'abc'}},
    'commands': ['python -m launch.generate'],
    **changes,
  }
  return report.data_card(frequencies=counts, pictures=pictures, **values)


def greys(picture):
  """Grey levels of the sample images (their index + 10) on a sheet."""
  found = picture.getcolors(picture.width * picture.height)
  big = {color for count, color in found if count >= 128 * 128}
  return {red - 10 for red, green, blue in big if red == green == blue < 20}


def test_sheets_show_the_first_the_least_and_the_most_uncertain(pictures):
  shown = {figure.name: greys(figure.picture) for figure in pictures}
  assert shown['contact_sheet'] == {0, 1, 2, 3}
  assert shown['least_uncertain'] == {6, 7}
  assert shown['most_uncertain'] == {0, 1}
  assert 'class_frequencies' in shown


class Page(html.parser.HTMLParser):
  """Checks that tags close in order, and notes what the page asks for."""

  def __init__(self, text):
    super().__init__()
    self.open: list[str] = []
    self.links: list[str] = []
    self.words: list[str] = []
    self.feed(text)
    self.close()
    assert not self.open

  def handle_starttag(self, tag, attributes):
    if tag not in ('meta', 'img'):
      self.open.append(tag)
    self.links += [v for k, v in attributes if k in ('src', 'href')]
    assert tag != 'script'

  def handle_endtag(self, tag):
    assert self.open.pop() == tag

  def handle_data(self, data):
    self.words.append(data)


def test_the_card_is_one_well_formed_page_that_needs_nothing_else(
  counts, pictures
):
  text = card(counts, pictures)
  page = Page(text)
  assert len(page.links) == len(pictures)
  assert all(link.startswith('data:image/png;base64,') for link in page.links)
  assert not re.search(r'https?://|@import|url\(', text)
  words = ' '.join(page.words)
  for word in (
    *('datasetgan_car', 'Rendered.', 'abc', 'python -m launch.generate'),
    *CAR.classes,
  ):
    assert word in words


def test_texts_of_others_cannot_become_markup(counts):
  attack = '<script>alert("1")</script>'
  text = card(
    counts,
    title=attack,
    facts={attack: {attack: attack}},
    commands=[attack],
    highlights={attack: attack},
  )
  assert attack in ''.join(Page(text).words)


def test_classes_that_never_occur_are_pale(counts):
  rows = re.findall(r'<tr( class=absent)?><td class="number">', card(counts))
  assert len(rows) == 20
  assert sum(map(bool, rows)) == 1  # windshield


def test_pictures_and_card_are_written_as_files(tmp_path, counts, pictures):
  folder = tmp_path / 'new' / 'report'
  paths = report.write(folder, pictures, card(counts, pictures))
  assert {path.name for path in paths} == {
    'contact_sheet.png',
    'least_uncertain.png',
    'most_uncertain.png',
    'class_frequencies.png',
    'data_card.html',
  }
  assert set(folder.iterdir()) == set(paths)
  for path, figure in zip(paths, pictures, strict=False):
    with Image.open(path) as image:
      assert image.size == figure.picture.size
