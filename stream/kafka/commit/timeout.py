"""Bounds a call of the client in time that may never return.

`send_offsets_to_transaction` of librdkafka ignores its time-out while it waits for the group's coordinator. If the
broker goes away at the wrong moment, the call blocks for ever. See librdkafka issues 5456 and 5511; seen with 2.16.1.
"""

import threading
from collections.abc import Callable


class CallTimeoutError(Exception):
    """The call still runs; the object it was made on must not be used again."""


def call_with_timeout(call: Callable[[], object], seconds: float) -> None:
    """Runs `call` in a thread of its own, and leaves the thread behind if it takes longer than `seconds`.

    Raises:
        CallTimeoutError: the call has not returned. Otherwise whatever `call` raises.
    """
    raised: list[BaseException] = []

    def run() -> None:
        try:
            call()
        except BaseException as fault:  # passed on to the caller, whatever it is
            raised.append(fault)

    thread = threading.Thread(target=run, daemon=True)
    thread.start()
    thread.join(seconds)
    if thread.is_alive():
        raise CallTimeoutError(f"no answer within {seconds:.1f} s")
    if raised:
        # Left in the list, it would keep this frame alive, and with it everything that `call` holds.
        raise raised.pop()
