"""The data card: one self-contained HTML page about one generated dataset."""

import base64
import dataclasses
import html
import pathlib
from collections.abc import Mapping, Sequence
from typing import ClassVar, Protocol

import numpy as np
from PIL import Image

from dgan_jax import storage
from dgan_jax.visualize import sheets


class Drawing(Protocol):
  """How labels look; every `tasks.task.Task` says so."""

  uncertainty_text: ClassVar[str]
  score_text: ClassVar[str]

  def draw(
    self, image: np.ndarray, labels: Mapping[str, np.ndarray]
  ) -> np.ndarray: ...
  def legend(
    self, labels: Sequence[Mapping[str, np.ndarray]]
  ) -> list[sheets.LegendEntry]: ...


@dataclasses.dataclass(frozen=True)
class Sample:
  """What a report shows of a sample.

  Attributes:
    index: its global number.
    image: uint8 [height, width, 3].
    labels: arrays that the task draws.
    uncertainty: float [height, width].
    score: of the whole sample.
  """

  index: int
  image: np.ndarray
  labels: Mapping[str, np.ndarray]
  uncertainty: np.ndarray
  score: float


@dataclasses.dataclass(frozen=True)
class Figure:
  """A picture of a report.

  Attributes:
    name: of its file, without the ending.
    title: over it.
    caption: under it.
    picture: itself.
  """

  name: str
  title: str
  caption: str
  picture: Image.Image


def sample_sheet(
  samples: Sequence[Sample],
  drawing: Drawing,
  captions: Sequence[str],
  maximum: float,
) -> Image.Image:
  """Every sample's image, labels and uncertainty on a scale to `maximum`."""
  return sheets.strip_sheet(
    [
      [
        sample.image,
        drawing.draw(sample.image, sample.labels),
        sheets.uncertainty_image(sample.uncertainty, maximum),
      ]
      for sample in samples
    ],
    ['image', 'labels', 'uncertainty'],
    captions,
    legend=drawing.legend([sample.labels for sample in samples]),
    maximum=maximum,
    uncertainty_text=drawing.uncertainty_text,
  )


def figures(
  samples: Sequence[Sample],
  drawing: Drawing,
  frequencies: sheets.Frequencies,
  *,
  shown: int = 12,
) -> list[Figure]:
  """The pictures of a run.

  Args:
    samples: at least those to be shown: the first ones, the least and the most
      uncertain. More do no harm.
    drawing: of their labels.
    frequencies: of the whole dataset.
    shown: samples per sheet; the uncertain sheets have half as many.

  Returns:
    contact_sheet, least_uncertain, most_uncertain, and class_frequencies or
    what else is counted. All sheets have one scale of uncertainty.
  """
  samples = sorted(samples, key=lambda sample: sample.index)
  least, most = sheets.extremes(
    np.array([sample.score for sample in samples]), (shown + 1) // 2
  )
  maximum = sheets.uncertainty_maximum(
    np.stack([sample.uncertainty for sample in samples])
  )

  def sheet(chosen: Sequence[Sample]) -> Image.Image:
    captions = [f'{one.index}    score {one.score:.4f}' for one in chosen]
    return sample_sheet(chosen, drawing, captions, maximum)

  return [
    Figure(
      'contact_sheet',
      'Samples',
      'The first ones, not chosen by hand: image, labels over it, and how far '
      'the interpreters disagree.',
      sheet(samples[:shown]),
    ),
    Figure(
      'least_uncertain',
      'Least uncertain',
      f'The lowest scores. {drawing.score_text}',
      sheet([samples[place] for place in least]),
    ),
    Figure(
      'most_uncertain',
      'Most uncertain',
      'The highest scores: the kind that is set apart.',
      sheet([samples[place] for place in most]),
    ),
    Figure(
      f'{frequencies.what}_frequencies',
      f'{frequencies.what.capitalize()} frequencies',
      frequencies.caption,
      sheets.frequency_chart(frequencies),
    ),
  ]


def write(
  folder: storage.PathLike, pictures: Sequence[Figure], card: str
) -> list[pathlib.Path]:
  """Writes every figure as NAME.png, and data_card.html.

  Returns:
    the paths.

  Raises:
    OSError: the disk is full or read-only.
  """
  folder = storage.path(folder)
  folder.mkdir(parents=True, exist_ok=True)
  paths = []
  for figure in pictures:
    paths.append(folder / f'{figure.name}.png')
    storage.write_bytes(paths[-1], sheets.png(figure.picture))
  paths.append(folder / 'data_card.html')
  storage.write_text(paths[-1], card)
  return paths


def data_card(
  *,
  title: str,
  summary: str,
  notice: str = '',
  highlights: Mapping[str, str],
  facts: Mapping[str, Mapping[str, str]],
  commands: Sequence[str] = (),
  frequencies: sheets.Frequencies,
  pictures: Sequence[Figure] = (),
) -> str:
  """The page; all texts are escaped, all pictures are inside.

  Args:
    title: of the dataset.
    summary: what it is, in a sentence or two.
    notice: what nobody may overlook, e.g. that the images are rendered.
    highlights: a few figures in large type, by what they count.
    facts: sections by title, each of names and values: where it comes from
      (checksums), how to make it again (seed, indices, versions), licence.
    commands: that made it, in order.
    frequencies: of the whole dataset.
    pictures: see `figures`.
  """
  body = [
    f'<header><h1>{_text(title)}</h1><p class="summary">{_text(summary)}</p>',
    f'<p class="notice">{_text(notice)}</p>' if notice else '',
    _highlights(highlights),
    '</header>',
    *(_figure(figure) for figure in pictures[:1]),
    _frequency_table(frequencies),
    *(_figure(figure) for figure in pictures[1:]),
    *(_facts(section, values) for section, values in facts.items()),
    _commands(commands) if commands else '',
  ]
  return _PAGE.format(
    title=_text(title), style=_STYLE, body='\n'.join(filter(None, body))
  )


def _text(value: object) -> str:
  return html.escape(str(value))


def _highlights(values: Mapping[str, str]) -> str:
  items = (
    f'<div><b>{_text(value)}</b><span>{_text(name)}</span></div>'
    for name, value in values.items()
  )
  return f'<div class="highlights">{"".join(items)}</div>'


def _figure(figure: Figure) -> str:
  data = base64.b64encode(sheets.png(figure.picture)).decode()
  return (
    f'<section><h2>{_text(figure.title)}</h2><figure>'
    f'<img alt="{_text(figure.title)}" width="{figure.picture.width}" '
    f'src="data:image/png;base64,{data}">'
    f'<figcaption>{_text(figure.caption)}</figcaption></figure></section>'
  )


def _frequency_table(frequencies: sheets.Frequencies) -> str:
  rows = []
  for number, (name, color, shares) in enumerate(frequencies.rows()):
    red, green, blue = color
    values = (f'<td class="number">{sheets.percent(x)}</td>' for x in shares)
    rows.append(
      f'<tr{"" if any(shares) else " class=absent"}>'
      f'<td class="number">{number}</td>'
      f'<td><i style="background:rgb({red},{green},{blue})"></i>'
      f'{_text(name)}</td>{"".join(values)}</tr>'
    )
  heads = (f'<th class="number">{_text(x)}</th>' for x in frequencies.columns)
  what = _text(frequencies.what.capitalize())
  return (
    f'<section><h2>{what} frequencies</h2><table><thead><tr>'
    f'<th class="number">Number</th><th>{what}</th>{"".join(heads)}</tr>'
    f'</thead><tbody>{"".join(rows)}</tbody></table></section>'
  )


def _facts(title: str, values: Mapping[str, str]) -> str:
  items = (
    f'<dt>{_text(name)}</dt><dd>{_text(value)}</dd>'
    for name, value in values.items()
  )
  return f'<section><h2>{_text(title)}</h2><dl>{"".join(items)}</dl></section>'


def _commands(commands: Sequence[str]) -> str:
  lines = _text('\n'.join(commands))
  return f'<section><h2>Commands</h2><pre>{lines}</pre></section>'


_PAGE = """<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>{title}</title>
<style>{style}</style>
</head>
<body>
<main>
{body}
</main>
</body>
</html>
"""

_STYLE = """
* { box-sizing: border-box }
body { margin: 0; background: #f4f5f7; color: #20232a;
  font: 16px/1.55 system-ui, -apple-system, 'Segoe UI', Roboto, sans-serif }
main { max-width: 1344px; margin: 0 auto; padding: 48px 32px 80px }
h1 { margin: 0; font-size: 34px; line-height: 1.2; letter-spacing: -.01em }
h2 { margin: 0 0 16px; font-size: 19px }
.summary { max-width: 46em; margin: 12px 0 0; font-size: 18px; color: #4d5360 }
.notice { max-width: 52em; margin: 20px 0 0; padding: 12px 16px;
  background: #fff6dd; border-left: 4px solid #e0a512; border-radius: 4px }
.highlights { display: flex; flex-wrap: wrap; gap: 12px 48px; margin: 28px 0 }
.highlights b { display: block; font-size: 28px; line-height: 1.2 }
.highlights span { color: #767c88 }
section { margin: 20px 0; padding: 24px 28px; background: #fff;
  border-radius: 10px; box-shadow: 0 1px 3px #1d223014; overflow-x: auto }
figure { margin: 0 }
/* The pictures have a margin of their own. */
img { display: block; max-width: calc(100% + 56px); height: auto;
  margin: -16px -28px 0 }
figcaption { color: #767c88 }
table { border-collapse: collapse; font-variant-numeric: tabular-nums }
th, td { padding: 5px 32px 5px 0; text-align: left;
  border-bottom: 1px solid #eceef1 }
th { font-weight: 600; color: #767c88 }
.number { text-align: right }
.absent { color: #b4b9c2 }
td i { display: inline-block; width: 14px; height: 14px; margin: 0 10px -2px 0;
  border: 1px solid #bec2ca; border-radius: 3px }
dl { display: grid; grid-template-columns: max-content 1fr; gap: 6px 32px;
  margin: 0 }
dt { color: #767c88 }
dd { margin: 0; overflow-wrap: anywhere }
pre { margin: 0; padding: 16px; background: #20232a; color: #e8eaee;
  border-radius: 6px; overflow-x: auto; font-size: 14px; line-height: 1.6 }
@media (max-width: 640px) { main { padding: 24px 12px }
  dl { grid-template-columns: 1fr; gap: 0 } dd { margin-bottom: 10px } }
@media print { body { background: #fff } section { box-shadow: none } }
"""
