"""A call of the client that may never come back, call_with_timeout in time.

librdkafka's `send_offsets_to_transaction` does not look at its time-out while it waits for the group's coordinator:
with a broker that went away at the wrong moment it blocks for good (librdkafka issues 5456 and 5511, seen with 2.16.1).
"""

import threading
from collections.abc import Callable


class CallTimeoutError(Exception):
    """The call still runs; what it was made on must not be used again."""


def call_with_timeout(call: Callable[[], object], seconds: float) -> None:
    """Runs `call` in a thread of its own, which is left behind where it takes longer than `seconds`.

    Raises:
        CallTimeoutError: it has not come back. Whatever `call` raises, otherwise.
    """
    raised: list[BaseException] = []

    def run() -> None:
        try:
            call()
        except BaseException as fault:  # handed over to the caller, whatever it is
            raised.append(fault)

    thread = threading.Thread(target=run, daemon=True)
    thread.start()
    thread.join(seconds)
    if thread.is_alive():
        raise CallTimeoutError(f"no answer within {seconds:.1f} s")
    if raised:
        # Left in the list, it would keep this frame alive, and with it all that `call` holds.
        raise raised.pop()
