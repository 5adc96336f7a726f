import pytest

from geoad.ops import _threads


def test_an_error_in_one_thread_is_that_of_the_call(monkeypatch):
    monkeypatch.setattr(_threads, "count", lambda: 2)
    with pytest.raises(ZeroDivisionError):
        _threads.split(4, lambda start, stop: 1 // start)
