import io

import numpy as np
import pytest
from PIL import Image

from dgan_jax.evaluation import (
  annotated_samples,
  label_quality,
  pictures,
  results,
)
from dgan_jax.evaluation import plan as plan_lib
from dgan_jax.interpreter import training
from dgan_jax.visualize import sheets
from tests.segmentation import synthetic


def _found(run, plus):
  """Figures that tell where they come from."""
  base = run.annotated / 1000 + run.seed / 100
  base += {'default': 0.5, 'release': 0.4}[run.options.mode]
  base += run.options.dropout / 10 - (0 if run.candidates else 0.01)
  parts = {}
  for place, voting in enumerate(label_quality.VOTINGS):
    mean_iou = base + place / 5
    parts[voting] = {
      'mean_iou': mean_iou,
      'accuracy': mean_iou + 0.1,
      'iou': {'background': mean_iou + 0.2, 'patch': mean_iou + 0.3},
      'kept': [
        {'mean_iou': mean_iou + share, 'accuracy': mean_iou + share + plus}
        for share in label_quality.DROPPED
      ],
    }
  tenths = [base + tenth / 100 for tenth in range(10)]
  return parts | {'accuracy_by_certainty': tenths}


def _outcome(**fields):
  plan = plan_lib.Plan(
    training.TrainingOptions(members=2),
    annotated=(4, 16),
    **{'ceiling': 100, **fields},
  )
  masks = np.zeros((3, 4, 4), np.uint8)
  masks[:, :1] = 2
  return results.Outcome(
    plan,
    {run: _found(run, 0.05) for run in plan.runs()},
    annotated_samples.Truth(np.zeros(3), masks),
    synthetic.SCHEMA,
  )


def _cells(text, title):
  """The cells of the table under a title, its heads first."""
  lines = iter(text.splitlines())
  next(line for line in lines if line.startswith('### ' + title))
  table = []
  for line in lines:
    if line.startswith('|'):
      table.append([cell.strip() for cell in line.strip('|').split('|')])
    elif table:
      break
  return [table[0], *table[2:]]


def test_the_tables_show_what_was_found():
  text = results.markdown(_outcome())
  assert 'over the 2 classes' in text
  assert '3 fresh samples' in text
  heads, *rows = _cells(text, 'Annotated samples')
  assert heads[1:] == [
    *('default mode: mean IoU', 'accuracy'),
    *('release mode: mean IoU', 'accuracy'),
  ]
  assert rows == [
    ['4', '0.504', '0.604', '0.404', '0.504'],
    ['16', '0.516', '0.616', '0.416', '0.516'],
    ['100', '0.600', '0.700', '', ''],
  ]
  assert 'lack of 100 (default mode): 8.4.' in text
  _, *rows = _cells(text, 'Vote, dropout and choice')
  assert rows == [
    ['default', '0', 'chosen of 500', '0.516', '0.616', '0.716', '0.816'],
    ['release', '0', 'chosen of 500', '0.416', '0.516', '0.616', '0.716'],
    ['default', '0.1', 'chosen of 500', '0.526', '0.626', '0.726', '0.826'],
    ['default', '0', 'the first', '0.506', '0.606', '0.706', '0.806'],
  ]
  _, *rows = _cells(text, 'The most uncertain')
  assert rows[0] == ['0 %', '0.516', '0.566', '0.416', '0.466']
  assert rows[-1] == ['50 %', '1.016', '1.066', '0.916', '0.966']
  _, tenths = _cells(text, 'Pixels by certainty')
  assert tenths[1:3] == ['0.516', '0.526']
  _, *rows = _cells(text, 'IoU of the classes')
  assert rows == [
    ['background', '75.0 %', '0.704', '0.716', '0.800'],
    ['patch', '25.0 %', '0.804', '0.816', '0.900'],
  ]


def test_several_seeds_have_a_mean_and_a_spread():
  text = results.markdown(_outcome(seeds=(0, 4)))
  assert '± half the range, over the seeds 0, 4' in text
  _, first, *_ = _cells(text, 'Annotated samples')
  assert first[1] == '0.524 ± 0.020'


def test_nothing_is_said_to_be_lacking_of_fewer_samples():
  assert 'lack of' not in results.markdown(_outcome(ceiling=0))


def test_the_tables_are_of_the_vote_that_the_config_names():
  result = _outcome(reference=16)
  options = training.TrainingOptions(members=2, soft_voting=True)
  plan = plan_lib.Plan(options, annotated=(4, 16), ceiling=100)
  soft = results.Outcome(
    plan,
    result.found,
    annotated_samples.Truth(np.zeros(1), np.zeros((1, 2, 2), np.uint8)),
    synthetic.SCHEMA,
  )
  text = results.markdown(soft)
  assert 'soft vote, annotated samples chosen of 500 where' in text
  assert _cells(text, 'Annotated samples')[1][1] == '0.704'


@pytest.mark.parametrize('seeds', [(0,), (0, 1)])
def test_the_chart_can_be_drawn(seeds):
  with Image.open(io.BytesIO(pictures.chart(_outcome(seeds=seeds)))) as chart:
    assert chart.width == 1640


def test_all_of_it_can_be_written_as_json():
  found = _outcome().to_json()
  assert found['pixel_shares'] == {'background': 0.75, 'box': 0, 'patch': 0.25}
  assert len(found['runs']) == 7
  assert found['runs'][0]['run']['annotated'] == 16


def test_the_sheet_goes_from_the_worst_to_the_best(
  setup, interpreter, truth, monkeypatch
):
  shown = {}

  def keep(strips, heads, captions, **options):
    shown.update(strips=strips, captions=captions, heads=heads)

  monkeypatch.setattr(sheets, 'strip_sheet', keep)
  measured = label_quality.measure(setup, interpreter, truth)
  pictures.sheet(setup, interpreter, measured, truth, 'majority')
  assert shown['heads'][3] == 'different'
  wrong = [
    (strip[3] == sheets.DIFFERENT).all(-1).mean() for strip in shown['strips']
  ]
  accuracies = measured.accuracies('majority')
  assert len(wrong) == 12
  assert wrong[0] == pytest.approx(1 - accuracies.min())
  assert wrong[-4] == pytest.approx(1 - accuracies.max())
  assert wrong[0] >= wrong[4] >= wrong[-4]
  assert shown['captions'][0].startswith(
    f'worst: {100 * accuracies.min():.1f} % right'
  )


def test_a_sheet_of_few_samples_shows_them_all(setup, interpreter, truth):
  two = annotated_samples.Truth(truth.keys[:2], truth.masks[:2])
  measured = label_quality.measure(setup, interpreter, two)
  sheet = pictures.sheet(setup, interpreter, measured, two, 'soft')
  assert sheet.width > 1000
