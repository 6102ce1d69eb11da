"""Result of a check: a failure ends the start, a warning is logged."""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Literal

import structlog

from stream.errors import BrokerError
from stream.kafka.admin.cluster import NoAnswer
from stream.messages import counted

log = structlog.get_logger()

CheckOutcome = Literal["ok", "warning", "failure"]


@dataclass(frozen=True)
class CheckResult:
    """Result of one check.

    Attributes:
        check: name, the same in every version, like `timeout.transaction`.
        seen, expected, do: texts for people; `expected` and `do` are empty where nothing is wrong.
    """

    check: str
    outcome: CheckOutcome
    seen: str
    expected: str = ""
    do: str = ""

    def __str__(self) -> str:
        expected = f"; expected {self.expected}" if self.expected else ""
        return f"{self.seen}{expected}; {self.do}" if self.do else f"{self.seen}{expected}"


def failures(results: Iterable[CheckResult]) -> list[CheckResult]:
    """The failures among the results."""
    return [result for result in results if result.outcome == "failure"]


def refuse(results: Iterable[CheckResult]) -> None:
    """Raises where a check failed.

    Raises:
        BrokerError: names every failure, and what to do.
    """
    failed = failures(results)
    if failed:
        count = f"{counted(len(failed), 'check')} failed"
        raise BrokerError("\n  ".join([count, *(f"{result.check}: {result}" for result in failed)]))


def log_warnings(results: Iterable[CheckResult]) -> None:
    """Logs each warning among the results."""
    for result in results:
        if result.outcome == "warning":
            log.warning("check.warning", check=result.check, seen=result.seen, expected=result.expected, do=result.do)


def not_checked(check: str, unanswered: NoAnswer, needed: str) -> CheckResult:
    """Warning about a question that the broker did not answer.

    It is no failure: the service may be able to do its work without the answer.
    """
    do = f"grant this user {needed}" if unanswered.denied else "ask again: `narrows doctor`"
    return CheckResult(check, "warning", f"could not be checked: {unanswered.reason}", "", do)
