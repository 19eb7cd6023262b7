"""Part schemas: what the labels of a mask mean, and how they look.

A schema is a small JSON file; those of `BUILT_IN` come with the package.
"""

import dataclasses
import functools
import itertools
import pathlib
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from dgan_jax import errors, storage

Color = tuple[int, int, int]

IGNORE_COLOR: Color = (128, 128, 128)

# Labels are uint8, and 255 is left for the pixels without one.
MAX_CLASSES = 255

_FOLDER = pathlib.Path(__file__).parent / 'assets' / 'schemas'

# Its README says where they are from.
BUILT_IN = (
  *('car_20', 'car_12', 'car_5', 'face_34', 'face_8'),
  *('cat_16', 'bird_11', 'bedroom_19'),
)


@dataclasses.dataclass(frozen=True)
class Schema:
  """The classes of a mask.

  Attributes:
    name: e.g. 'car_20'.
    classes: their names; a class's label is its place in this tuple.
    palette: RGB in 0..255, one per class.
    ignore_label: the label of pixels that count neither in training nor in
      metrics, or None.
    keypoints: names of the keypoints, if the task has any.
    merges: for every coarser schema its name and, per class here, the label
      there.

  Raises:
    errors.UserError: the fields contradict each other.
  """

  name: str
  classes: tuple[str, ...]
  palette: tuple[Color, ...]
  ignore_label: int | None = None
  keypoints: tuple[str, ...] = ()
  merges: Mapping[str, tuple[int, ...]] = dataclasses.field(
    default_factory=dict, hash=False
  )

  def __post_init__(self) -> None:
    count = len(self.classes)
    if not 1 <= count <= MAX_CLASSES:
      self._refuse(f'has {count} classes; expected 1 to {MAX_CLASSES}')
    for names in ((self.name,), self.classes, self.keypoints):
      for name in names:
        # Files that list names have one in a line; blanks at the ends get lost.
        if name != name.strip() or not name.isprintable() or len(name) > 100:
          self._refuse(
            f'has the name {name!r:.120}; expected at most 100 printable '
            'characters, without blanks at the ends'
          )
      if twice := sorted({name for name in names if names.count(name) > 1}):
        self._refuse(f'has the name {twice[0]!r} more than once; rename one')
    if len(self.palette) != count:
      self._refuse(f'has {len(self.palette)} colours for {count} classes')
    if any(not 0 <= part <= 255 for color in self.palette for part in color):
      self._refuse('has a colour with a part outside 0 to 255')
    if self.ignore_label is not None and not (
      count <= self.ignore_label <= 255
    ):
      self._refuse(
        f'ignores label {self.ignore_label}; expected one from {count} to '
        '255, which no class has'
      )
    for coarser, labels in self.merges.items():
      if len(labels) != count:
        self._refuse(
          f'merges {len(labels)} classes into {coarser!r}; it has {count}'
        )
      if any(not 0 <= label < MAX_CLASSES for label in labels):
        self._refuse(f'merges into {coarser!r} with a label outside 0 to 254')

  def _refuse(self, problem: str) -> None:
    raise errors.UserError(f'The schema {self.name!r:.120} {problem}.')

  @property
  def num_classes(self) -> int:
    return len(self.classes)

  @property
  def labels_in_words(self) -> str:
    """For messages: 'classes 0 to 19, and 255 for ignored pixels'."""
    words = f'classes 0 to {self.num_classes - 1}'
    if self.ignore_label is None:
      return words
    return f'{words}, and {self.ignore_label} for ignored pixels'

  def to_json(self) -> dict[str, Any]:
    """The content of a schema file."""
    fields: dict[str, Any] = storage.as_json(dataclasses.asdict(self))
    return fields

  @classmethod
  def from_json(
    cls, value: Mapping[str, Any], source: str = 'A schema'
  ) -> 'Schema':
    """A schema from the content of its file.

    Args:
      value: `name` and `classes` are needed; without a `palette` one is
        generated.
      source: what errors call it, e.g. the path.

    Raises:
      errors.UserError: a field is missing, unknown or of the wrong kind.
    """

    def expect(holds: object, problem: str) -> None:
      if not holds:
        raise errors.UserError(f'{source} {problem}.')

    names = [field.name for field in dataclasses.fields(cls)]
    if unknown := sorted(set(value) - set(names)):
      known = f'a schema has {", ".join(names)}'
      expect(False, f'has the unknown field {unknown[0]!r}; {known}')
    fields = {'classes': [], 'keypoints': [], 'merges': {}, **value}
    name, palette = value.get('name'), value.get('palette')
    ignore_label, merges = value.get('ignore_label'), fields['merges']
    expect(
      name and isinstance(name, str),
      'has no "name"; expected a text such as "car_20"',
    )
    for field in ('classes', 'keypoints'):
      expect(
        _all_are(str, fields[field]) and all(fields[field]),
        f'has a "{field}" that is not a list of names',
      )
    if palette is None:
      palette = generated_palette(min(len(fields['classes']), MAX_CLASSES))
    expect(
      isinstance(palette, Sequence)
      and all(_all_are(int, color) and len(color) == 3 for color in palette),
      'has a "palette" that is not a list of [red, green, blue]',
    )
    expect(
      ignore_label is None or _all_are(int, [ignore_label]),
      'has an "ignore_label" that is neither a number nor null',
    )
    expect(
      isinstance(merges, Mapping)
      and all(_all_are(int, labels) for labels in merges.values()),
      'has "merges" that are not lists of labels by name',
    )
    try:
      return cls(
        name=str(name),
        classes=tuple(fields['classes']),
        palette=tuple((r, g, b) for r, g, b in palette),
        ignore_label=ignore_label,
        keypoints=tuple(fields['keypoints']),
        merges={name: tuple(labels) for name, labels in merges.items()},
      )
    except errors.UserError as error:
      raise errors.UserError(f'{source}: {error}') from None


def _all_are(kind: type, values: Any) -> bool:
  return isinstance(values, list | tuple) and all(
    isinstance(value, kind) and not isinstance(value, bool) for value in values
  )


def check_same_classes(
  source: str,
  classes: Sequence[str],
  other_source: str,
  other: Sequence[str],
  noun: str = 'classes',
) -> None:
  """Whether two lists of classes (or of keypoints) mean the same.

  Raises:
    errors.UserError: they don't; says where they first differ.
  """
  if tuple(classes) == tuple(other):
    return
  pairs = enumerate(itertools.zip_longest(classes, other))
  label, (ours, theirs) = next(x for x in pairs if x[1][0] != x[1][1])
  raise errors.UserError(
    f'{source} and {other_source} have other {noun}: label {label} is '
    f'{ours!r} in the one and {theirs!r} in the other; use one of the two.'
  )


def get_schema(name_or_path: str) -> Schema:
  """A built-in schema by its name, or one from a .json file.

  Raises:
    errors.UserError: there is none of that name, or the file is no schema.
  """
  if name_or_path in BUILT_IN:
    return _built_in(name_or_path)
  if not str(name_or_path).endswith('.json'):
    raise errors.UserError(
      f'There is no schema {str(name_or_path)!r}; built in are '
      f'{", ".join(BUILT_IN)}; a schema of your own is the path of a '
      '.json file.'
    )
  value = storage.read_json(name_or_path)
  return Schema.from_json(value, source=str(name_or_path))


@functools.cache
def _built_in(name: str) -> Schema:
  return Schema.from_json(storage.read_json(_FOLDER / f'{name}.json'))


def merge(mask: np.ndarray, schema: Schema, into: str) -> np.ndarray:
  """A mask, uint8 [...], in labels of a coarser schema, such as 'car_12'.

  Raises:
    errors.UserError: the schema doesn't merge into that one.
    ValueError: the mask has a label that the schema does not.
  """
  if into not in schema.merges:
    known = ', '.join(schema.merges) or 'nothing'
    raise errors.UserError(
      f'The schema {schema.name!r} does not merge into {into!r}; '
      f'it merges into {known}.'
    )
  table = np.arange(256, dtype=np.uint8)
  table[: schema.num_classes] = schema.merges[into]
  return table[_checked(mask, schema)]


def colorize(mask: np.ndarray, schema: Schema) -> np.ndarray:
  """A mask, uint8 [..., height, width], in the colours of its schema, uint8
  [..., height, width, 3]; ignored pixels are grey.

  Raises:
    ValueError: the mask has a label that the schema does not.
  """
  table = np.full((256, 3), IGNORE_COLOR, np.uint8)
  table[: schema.num_classes] = schema.palette
  return table[_checked(mask, schema)]


def unknown_labels(mask: np.ndarray, schema: Schema) -> list[int]:
  """Labels of a mask (integers, any shape) that the schema does not have."""
  return [
    int(label)
    for label in np.unique(mask)
    if not 0 <= label < schema.num_classes and label != schema.ignore_label
  ]


def _checked(mask: np.ndarray, schema: Schema) -> np.ndarray:
  mask = np.asarray(mask)
  if unknown := unknown_labels(mask, schema):
    raise ValueError(
      f'A mask has label {unknown[0]}; the schema {schema.name!r} has '
      f'{schema.labels_in_words}.'
    )
  return mask


def generated_palette(num_classes: int) -> tuple[Color, ...]:
  """White for class 0, then colours each as far as can be from all before.

  Distances are the weighted RGB distances of T. Riemersma ("Colour metric"),
  whole numbers throughout, so that every machine chooses the same colours.
  """
  steps = np.array([30, 75, 120, 165, 210, 240], np.int64)
  grid = np.stack(np.meshgrid(steps, steps, steps, indexing='ij'), -1)
  grid = grid.reshape(-1, 3)
  # Greys are left to ignored pixels, to the background and to black text.
  colors = grid[np.ptp(grid, axis=1) >= 80]

  def distance(color: np.ndarray) -> np.ndarray:
    mean_red = (colors[:, 0] + color[0]) // 2
    red, green, blue = ((colors - color) ** 2).T
    return (512 + mean_red) * red + 1024 * green + (767 - mean_red) * blue

  chosen = [np.array([255, 255, 255])]
  nearest = np.minimum(distance(chosen[0]), distance(np.array(IGNORE_COLOR)))
  while len(chosen) < num_classes:
    chosen.append(colors[nearest.argmax()])
    nearest = np.minimum(nearest, distance(chosen[-1]))
  return tuple((int(r), int(g), int(b)) for r, g, b in chosen[:num_classes])
