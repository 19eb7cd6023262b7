import json

import pytest

from benchmarks import label_quality


def test_labels_are_measured_by_class_and_by_uncertainty(quick, capsys):
  arguments = ['--members=2', '--steps=25', '--batch_size=128']
  label_quality.main([*arguments, '--json'])
  result = json.loads(capsys.readouterr().out)
  assert len(result['classes']) == 20
  assert sum(result['pixel_shares']) == pytest.approx(1)
  for voting in result['voting'].values():
    occurs = [i for i, share in enumerate(result['pixel_shares']) if share]
    ious = [voting['class_iou'][i] for i in occurs]
    assert voting['mean_iou'] == pytest.approx(sum(ious) / len(ious))
    parts = voting['by_uncertainty']
    # One image of sixteen is set apart.
    assert voting['accuracy'] == pytest.approx(
      (15 * parts['kept']['accuracy'] + parts['uncertain']['accuracy']) / 16
    )
