"""What a check found, and what becomes of it: a failure ends the start, a warning is logged."""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Literal

import structlog

from stream.errors import BrokerError
from stream.kafka.admin.cluster import NoAnswer

log = structlog.get_logger()

Outcome = Literal["ok", "warning", "failure"]


@dataclass(frozen=True)
class CheckResult:
    """The outcome of one check.

    Attributes:
        check: its name, the same in every version: `timeout.transaction`.
        seen, expected, do: for people; `expected` and `do` are empty where all is well.
    """

    check: str
    outcome: Outcome
    seen: str
    expected: str = ""
    do: str = ""

    def __str__(self) -> str:
        expected = f"; expected {self.expected}" if self.expected else ""
        return f"{self.seen}{expected}; {self.do}" if self.do else f"{self.seen}{expected}"


def failures(findings: Iterable[CheckResult]) -> list[CheckResult]:
    return [finding for finding in findings if finding.outcome == "failure"]


def refuse(findings: Iterable[CheckResult]) -> None:
    """Goes on where nothing failed.

    Raises:
        BrokerError: names every failure and what to do.
    """
    failed = failures(findings)
    if failed:
        count = f"{len(failed)} check{'' if len(failed) == 1 else 's'} failed"
        raise BrokerError("\n  ".join([count, *(f"{finding.check}: {finding}" for finding in failed)]))


def log_warnings(findings: Iterable[CheckResult]) -> None:
    for finding in findings:
        if finding.outcome == "warning":
            log.warning(
                "check.warning", check=finding.check, seen=finding.seen, expected=finding.expected, do=finding.do
            )


def not_checked(check: str, unanswered: NoAnswer, needed: str) -> CheckResult:
    """A question the broker did not answer must not keep a service from starting that may do its work all the same."""
    do = f"grant this user {needed}" if unanswered.denied else "ask again: `narrows doctor`"
    return CheckResult(check, "warning", f"could not be checked: {unanswered.why}", "", do)
