"""Laws are checked by what they say, not by how long it takes."""

from __future__ import annotations

from hypothesis import settings

settings.register_profile("geoad", deadline=None)
settings.load_profile("geoad")
