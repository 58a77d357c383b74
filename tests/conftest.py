"""The same examples at every run; fresh ones are drawn with `pytest --hypothesis-profile=fresh`."""

from hypothesis import settings


settings.register_profile("fresh", deadline=None)
settings.register_profile("everyday", deadline=None, derandomize=True)
settings.load_profile("everyday")
