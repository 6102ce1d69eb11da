"""What a command says once it has made a version that may serve."""

import sys
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from stream.registry.manifest import Manifest

NEXT = (
    "next: narrows replay --data newer.parquet --bundle candidate --against production, "
    "then narrows models promote candidate"
)


def tell_next() -> None:
    """After a version has become a candidate beside a production."""
    print(NEXT, file=sys.stderr)


def tell_child(child: "Manifest | None") -> None:
    """Says what next; or ends with the gate's exit code where it refused the weights of a child that was published."""
    from stream.gate import refuse

    if child is not None:
        remedy = (
            'nothing points to it: train again, or let it pass with `narrows models promote --force --reason "..."`'
        )
        refuse(child.version, child.metrics["gate"], remedy)
        tell_next()
