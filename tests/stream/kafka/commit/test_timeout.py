"""A call that never returns costs its time-out and no more."""

import contextlib
import gc
import threading
import time
import weakref

import pytest

from stream.kafka.commit.timeout import CallTimeoutError, call_with_timeout


def test_a_call_that_returns_in_time_is_done() -> None:
    done: list[int] = []
    call_with_timeout(lambda: done.append(1), 5.0)
    assert done == [1]


def test_the_error_of_a_call_is_raised() -> None:
    def fail() -> None:
        raise ValueError("the broker said no")

    with pytest.raises(ValueError, match="the broker said no"):
        call_with_timeout(fail, 5.0)


def test_the_error_of_a_call_keeps_nothing_alive() -> None:
    """A failed producer is gone once its error was handled, without the garbage collector."""

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


def test_a_call_that_never_returns_is_left_behind() -> None:
    never = threading.Event()
    begun = time.monotonic()
    with pytest.raises(CallTimeoutError, match=r"no answer within 0\.1 s"):
        call_with_timeout(never.wait, 0.1)
    assert time.monotonic() - begun < 5
    never.set()
