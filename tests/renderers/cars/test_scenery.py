import numpy as np
import pytest

from dgan_jax.renderers.cars import scenery, shape
from dgan_jax.renderers.cars.settings import SETTINGS
from dgan_jax.renderers.engine import light, random_draws

CAR = shape.draw(random_draws.Draws('test', 0, 'car'), {'sedan': 1.0})


def test_nothing_that_stands_around_touches_the_car():
  things = []
  for index in range(200):
    dice = random_draws.Draws('test', index, 'scenery')
    things += scenery.draw(dice, CAR, 0.3 * index, True).things
  assert len(things) > 200
  for thing in things:
    x, y, _ = thing.solid.positions
    beside = np.maximum(np.abs(x) - CAR.half_length, np.abs(y) - CAR.half_width)
    assert beside.min() > 0


def test_plain_scenes_have_only_ground_and_sky():
  for index in range(50):
    dice = random_draws.Draws('test', index, 'scenery')
    drawn = scenery.draw(dice, CAR, 0.0, False)
    assert not drawn.things
    assert not drawn.hills
    assert drawn.marking is None


@pytest.mark.parametrize('name', SETTINGS['all_views'].weathers)
@pytest.mark.parametrize('rich', [False, True])
def test_the_ground_is_darker_under_the_car_than_beside_it(name, rich):
  dice = random_draws.Draws('test', 1, 'scenery')
  drawn = scenery.draw(dice, CAR, 0.0, rich)
  weather = light.draw_weather(
    random_draws.Draws('test', 2, 'weather'), {name: 1.0}, (0.0, 0.0)
  )
  eye = (0.0, 0.0, 3.0)
  places = np.array([(0.0, 0, -3), (6, 8, -3), (0, 100, 5)]).T
  rays = (places / np.sqrt((places**2).sum(0))).astype(np.float32)
  under, beside, sky = scenery.light(drawn, weather, CAR, eye, rays).T
  assert (under < 0.6 * beside).all()
  assert (beside < sky + 2).all()
  assert (sky > 0).all()
