"""What whoever paints masks is told."""

import numpy as np

from dgan_jax import schema as schema_lib

_README = """\
{count} images to paint

images/      paint on these as they are, {size}
masks/       save NAME.png here for images/NAME.png: same size, one 8-bit
             channel, grey or indexed colours, whose values are the labels
             below; or RGB in exactly the colours of schema.json. No
             anti-aliasing, no resizing, no JPEG. NAME.npy works too.
schema.json  names and colours of the classes; edit it for classes of your own
manifest.json says which latent and noise made each image: leave it as it is,
             but take out the entries of images that you do not paint

{labels}

Then train an interpreter, and generate a dataset with it:

  {train}

  {generate}
"""


def readme(
  schema: schema_lib.Schema, images: np.ndarray, train: str, generate: str
) -> str:
  """The text beside images uint8 [n, height, width, 3] that wait for masks of
  a schema; `train` and `generate` are the commands that come next."""
  labels = [f'{label:5}  {name}' for label, name in enumerate(schema.classes)]
  if schema.ignore_label is not None:
    labels.append(f'{schema.ignore_label:5}  not sure: ignored in training')
  count, height, width, _ = images.shape
  return _README.format(
    count=count,
    size=f'{height} x {width} (height x width)',
    labels='\n'.join(labels),
    train=train,
    generate=generate,
  )
