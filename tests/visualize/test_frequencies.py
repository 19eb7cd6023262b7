import numpy as np

from dgan_jax import schema
from dgan_jax.tasks import part_segmentation
from dgan_jax.visualize import frequencies


def toy_frequencies(*pixels):
  toy = schema.Schema.from_json({'name': 'a', 'classes': ['rest', 'b', 'c']})
  return part_segmentation.PartSegmentation(toy).frequencies(np.array(pixels))


def test_a_longer_bar_stands_for_a_more_frequent_class():
  def bar_pixels(*pixels):
    chart = frequencies.chart(toy_frequencies(pixels))
    found = chart.getcolors(chart.width * chart.height)
    return {color: count for count, color in found}[frequencies.BAR]

  assert bar_pixels(100, 0, 0) < bar_pixels(90, 10, 0)
  assert bar_pixels(99, 1, 0) < bar_pixels(90, 10, 0)


def test_the_class_table_has_a_line_per_class():
  counts = [9990, 10, 0], [9, 0, 0], [1, 0, 0], [0, 0, 0]
  assert frequencies.table(toy_frequencies(*counts)).splitlines() == [
    'class   of pixels   of images',
    'rest       99.9 %      75.0 %',
    'b           0.1 %      25.0 %',
    'c               -           -',
  ]
