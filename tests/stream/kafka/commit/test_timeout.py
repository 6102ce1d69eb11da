"""A call that never comes back costs its time and no more."""

import contextlib
import gc
import threading
import time
import weakref

import pytest

from stream.kafka.commit.timeout import CallTimeoutError, call_with_timeout


def test_what_comes_back_in_time_has_been_done_when_it_returns() -> None:
    done: list[int] = []
    call_with_timeout(lambda: done.append(1), 5.0)
    assert done == [1]


def test_what_it_raises_is_raised() -> None:
    def fail() -> None:
        raise ValueError("the broker said no")

    with pytest.raises(ValueError, match="the broker said no"):
        call_with_timeout(fail, 5.0)


def test_what_it_raises_keeps_nothing_alive_that_it_was_made_on() -> None:
    """A producer that failed is gone once the failure was dealt with, without waiting for the garbage collector."""

    class Client:
        def fail(self) -> None:
            raise ValueError("the broker said no")

    gc.disable()
    try:
        client = Client()
        held = weakref.ref(client)
        with contextlib.suppress(ValueError):
            call_with_timeout(client.fail, 5.0)
        del client
        assert held() is None
    finally:
        gc.enable()


def test_what_never_comes_back_is_left_behind() -> None:
    never = threading.Event()
    begun = time.monotonic()
    with pytest.raises(CallTimeoutError, match=r"no answer within 0\.1 s"):
        call_with_timeout(never.wait, 0.1)
    assert time.monotonic() - begun < 5
    never.set()
