"""The data card: one self-contained HTML page about one generated dataset."""

import base64
import dataclasses
import html
import pathlib
import string
from collections.abc import Mapping, Sequence

import numpy as np
from PIL import Image

from dgan_jax import samples as samples_lib
from dgan_jax import storage
from dgan_jax.visualize import frequencies as frequencies_lib
from dgan_jax.visualize import sheets

_PAGE = pathlib.Path(__file__).parent / 'assets' / 'data_card.html'


@dataclasses.dataclass(frozen=True)
class Figure:
  """A picture of a report."""

  name: str  # of its file, without the ending
  title: str  # over it
  caption: str  # under it
  picture: Image.Image


def figures(
  samples: samples_lib.Samples,
  frequencies: frequencies_lib.Frequencies,
  *,
  shown: int = 12,
) -> list[Figure]:
  """The pictures of a run.

  Args:
    samples: labelled, with their indices; at least those to be shown: the first
      ones, the least and the most uncertain. More do no harm.
    frequencies: of the whole dataset.
    shown: samples per sheet, at most 48; half as many on the uncertain ones.

  Returns:
    contact_sheet, least_uncertain, most_uncertain, and class_frequencies or
    what else is counted. All sheets have one scale of uncertainty.
  """
  index, scores = np.array(samples.index), np.array(samples.score)
  by_index = np.argsort(index)
  least, most = sheets.extremes(scores, (shown + 1) // 2)
  maximum = sheets.uncertainty_maximum(np.array(samples.uncertainty))

  def sheet(rows: np.ndarray) -> Image.Image:
    captions = [f'{index[row]}    score {scores[row]:.4f}' for row in rows]
    return samples[rows].sheet(captions, maximum)

  score_text = samples.task.score_text if samples.task else ''
  first = (
    'The first ones, not chosen by hand: image, labels over it, and how far '
    'the interpreters disagree.'
  )
  lowest = f'The lowest scores. {score_text}'
  highest = 'The highest scores: the kind that is set apart.'
  return [
    Figure('contact_sheet', 'Samples', first, sheet(by_index[:shown])),
    Figure('least_uncertain', 'Least uncertain', lowest, sheet(least)),
    Figure('most_uncertain', 'Most uncertain', highest, sheet(most)),
    Figure(
      f'{frequencies.what}_frequencies',
      f'{frequencies.what.capitalize()} frequencies',
      frequencies.caption,
      frequencies_lib.chart(frequencies),
    ),
  ]


def write(
  folder: storage.PathLike, pictures: Sequence[Figure], card: str
) -> list[pathlib.Path]:
  """Writes every figure as NAME.png, and data_card.html; returns the paths.

  Raises:
    OSError: the disk is full or read-only.
  """
  folder = storage.path(folder)
  folder.mkdir(parents=True, exist_ok=True)
  files = {f'{one.name}.png': sheets.png(one.picture) for one in pictures}
  files['data_card.html'] = card.encode()
  for name, data in files.items():
    storage.write_bytes(folder / name, data)
  return [folder / name for name in files]


def data_card(
  *,
  title: str,
  summary: str,
  notice: str = '',
  highlights: Mapping[str, str],
  facts: Mapping[str, Mapping[str, str]],
  commands: Sequence[str] = (),
  frequencies: frequencies_lib.Frequencies,
  pictures: Sequence[Figure] = (),
) -> str:
  """The page; all texts are escaped, all pictures are inside.

  Args:
    title, summary: what the dataset is, in a sentence or two.
    notice: what nobody may overlook, e.g. that the images are rendered.
    highlights: a few figures in large type, by what they count.
    facts: sections by title, each of names and values: where it comes from
      (checksums), how to make it again (seed, indices, versions), licence.
    commands: that made it, in order.
    frequencies: of the whole dataset.
    pictures: see `figures`.
  """
  large = ''.join(
    f'<div><b>{_text(value)}</b><span>{_text(name)}</span></div>'
    for name, value in highlights.items()
  )
  first, *others = [*map(_figure, pictures), '']
  body = [
    f'<header><h1>{_text(title)}</h1><p class="summary">{_text(summary)}</p>',
    f'<p class="notice">{_text(notice)}</p>' if notice else '',
    f'<div class="highlights">{large}</div></header>',
    first,
    _frequency_table(frequencies),
    *others,
  ]
  for name, values in facts.items():
    items = ''.join(
      f'<dt>{_text(k)}</dt><dd>{_text(v)}</dd>' for k, v in values.items()
    )
    body.append(_section(name, f'<dl>{items}</dl>'))
  if commands:
    lines = _text('\n'.join(commands))
    body.append(_section('Commands', f'<pre>{lines}</pre>'))
  page = string.Template(_PAGE.read_text(encoding='utf-8'))
  return page.substitute(title=_text(title), body='\n'.join(filter(None, body)))


def _text(value: object) -> str:
  return html.escape(str(value))


def _section(title: str, content: str) -> str:
  return f'<section><h2>{_text(title)}</h2>{content}</section>'


def _figure(figure: Figure) -> str:
  data = base64.b64encode(sheets.png(figure.picture)).decode()
  return _section(
    figure.title,
    f'<figure><img alt="{_text(figure.title)}" width="{figure.picture.width}" '
    f'src="data:image/png;base64,{data}">'
    f'<figcaption>{_text(figure.caption)}</figcaption></figure>',
  )


def _frequency_table(frequencies: frequencies_lib.Frequencies) -> str:
  rows = []
  for number, (name, color, shares) in enumerate(frequencies.rows()):
    values = (
      f'<td class="number">{frequencies_lib.percent(x)}</td>' for x in shares
    )
    rows.append(
      f'<tr{"" if any(shares) else " class=absent"}>'
      f'<td class="number">{number}</td>'
      f'<td><i style="background:#{bytes(color).hex()}"></i>'
      f'{_text(name)}</td>{"".join(values)}</tr>'
    )
  heads = (f'<th class="number">{_text(x)}</th>' for x in frequencies.columns)
  what = frequencies.what.capitalize()
  return _section(
    f'{what} frequencies',
    '<table><thead><tr><th class="number">Number</th>'
    f'<th>{_text(what)}</th>{"".join(heads)}</tr></thead>'
    f'<tbody>{"".join(rows)}</tbody></table>',
  )
