"""Permissions, on a broker that grants nothing by itself: the documented ones suffice, and a missing one is named."""

import dataclasses
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

import pytest
from confluent_kafka.admin import (  # type: ignore[attr-defined]
    AclBinding,
    AclBindingFilter,
    AclOperation,
    AclPermissionType,
    AdminClient,
    ResourcePatternType,
    ResourceType,
)

from deploy.kafka.broker import Broker
from stream.errors import BrokerError
from stream.kafka.admin import cluster, topics
from stream.kafka.admin.check_result import CheckResult, refuse
from stream.kafka.admin.checks import check_cluster, startup_checks
from stream.kafka.admin.live_checks import check_service
from stream.kafka.client import KafkaOptions
from tests.conftest import create_topic
from tests.support.builders import a_definition
from tests.support.kafka_options import kafka_options
from tests.support.live import Live

PATIENCE_S = 20.0
AUTHORIZER = {
    "authorizer.class.name": "org.apache.kafka.metadata.authorizer.StandardAuthorizer",
    "allow.everyone.if.no.acl.found": "true",
}
US, NOBODY = "User:ANONYMOUS", "User:nobody"
CLUSTER = (ResourceType.BROKER, "kafka-cluster")
Grant = tuple[ResourceType, str, AclOperation]


class Guarded:
    """A broker on which everything but the making of topics must be granted."""

    def __init__(self, broker: Broker) -> None:
        self.bootstrap = broker.bootstrap
        self.admin = AdminClient({"bootstrap.servers": broker.bootstrap})
        # Where there is no rule everything is allowed, and the broker is itself a user of the cluster's.
        self.add([(*CLUSTER, AclOperation.ALL)])
        for kind in (ResourceType.TOPIC, ResourceType.GROUP, ResourceType.TRANSACTIONAL_ID):
            self.add([(kind, "*", AclOperation.ALL)], NOBODY)
        self._number = 0

    def add(
        self, grants: Iterable[Grant], user: str = US, permission: AclPermissionType = AclPermissionType.ALLOW
    ) -> None:
        """Effective a moment later."""
        literal = ResourcePatternType.LITERAL
        rules = [AclBinding(kind, name, literal, user, "*", what, permission) for kind, name, what in grants]
        for made in self.admin.create_acls(rules).values():
            made.result(PATIENCE_S)

    @contextmanager
    def denied(self, grant: Grant) -> Iterator[None]:
        kind, name, what = grant
        rule = (kind, name, ResourcePatternType.LITERAL, US, "*", what, AclPermissionType.DENY)
        self.add([grant], permission=AclPermissionType.DENY)
        try:
            yield
        finally:
            for gone in self.admin.delete_acls([AclBindingFilter(*rule)]).values():
                gone.result(PATIENCE_S)

    def make(
        self, name: str = "topic", partitions: int = 1, config: Mapping[str, str] | None = None, *, exact: bool = False
    ) -> str:
        """A topic that we may see."""
        self._number += 1
        full = name if exact else f"{name}-{self._number}"
        self.add([(ResourceType.TOPIC, full, AclOperation.DESCRIBE)])
        create_topic(self.admin, full, partitions, config or {})
        return full

    def options(self) -> KafkaOptions:
        """Topics as they should be."""
        return kafka_options(
            input=self.make("in", 2),
            alerts=self.make("alerts"),
            dead_letters=self.make("dead"),
            state=self.make("state", 2, {"cleanup.policy": "compact"}),
            status=self.make("status"),
            open_incidents=self.make("open", 1, {"cleanup.policy": "compact"}),
            mutes=self.make("mutes", 1, {"cleanup.policy": "compact"}),
            scores=None,
            group=f"group-{self._number}",
            instance="one",
            common={"bootstrap.servers": self.bootstrap},
        )


@pytest.fixture(scope="module")
def guarded(kafka_here: None, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Guarded]:
    with Broker(tmp_path_factory.mktemp("kafka"), settings=AUTHORIZER) as broker:
        yield Guarded(broker)


def needed(options: KafkaOptions) -> dict[str, Grant]:
    """Every permission by the check that finds it missing: as the README lists them."""
    topic, read, write = ResourceType.TOPIC, AclOperation.READ, AclOperation.WRITE
    return {
        "permission.input": (topic, options.input, read),
        "permission.state": (topic, options.state, write),
        "permission.state, to read": (topic, options.state, read),
        "permission.alerts": (topic, options.alerts, write),
        "permission.dead_letters": (topic, options.dead_letters, write),
        "permission.status": (topic, options.status, write),
        "permission.open_incidents": (topic, options.open_incidents, write),
        "permission.mutes": (topic, options.mutes, read),
        "permission.group": (ResourceType.GROUP, options.group, read),
        "permission.transaction": (ResourceType.TRANSACTIONAL_ID, f"{options.group}.{options.instance}", write),
    }


def to_look(options: KafkaOptions) -> list[Grant]:
    """Permissions that only the checks need."""
    return [
        (ResourceType.TOPIC, name, AclOperation.DESCRIBE_CONFIGS) for name in cluster.topics_by_use(options).values()
    ]


def unread(options: KafkaOptions) -> dict[str, str]:
    """Outcomes where nothing may be looked at."""
    return {f"configuration.{use}": "warning" for use in cluster.topics_by_use(options)}


def all_findings(options: KafkaOptions) -> list[CheckResult]:
    known = cluster.describe_cluster(options)
    return [*check_cluster(known, options, 1000), *check_service(known, options, 0.0)]


def eventually(
    options: KafkaOptions, expected: Mapping[str, str], look: Callable[[KafkaOptions], list[CheckResult]]
) -> list[CheckResult]:
    """The results, once those that are not ok are as expected, by check: the broker applies rules after a moment."""
    deadline = time.monotonic() + PATIENCE_S
    while True:
        found = look(options)
        outcomes = {finding.check: finding.outcome for finding in found if finding.outcome != "ok"}
        if outcomes == expected:
            return found
        assert time.monotonic() < deadline, [str(finding) for finding in found if finding.check in outcomes]


def test_what_the_readme_lists_is_enough_for_every_check(guarded: Guarded) -> None:
    options = guarded.options()
    guarded.add([*needed(options).values(), *to_look(options)])
    eventually(options, {}, all_findings)


@pytest.mark.parametrize("missing", list(needed(kafka_options("g", "i", "a", "b", "c", "d", "e", None, {}))))
def test_a_missing_permission_is_named_with_what_to_grant(guarded: Guarded, missing: str) -> None:
    options = guarded.options()
    grants = needed(options)
    kind, name, what = grants.pop(missing)
    guarded.add([*grants.values(), *to_look(options)])
    check = missing.partition(",")[0]
    # Members of the group and committed offsets need Read on the group.
    hidden = dict.fromkeys(("instance", "offsets.committed"), "warning") if kind == ResourceType.GROUP else {}
    found = eventually(options, {check: "failure"} | hidden, all_findings)
    (failure,) = [finding for finding in found if finding.check == check]
    assert what.name.capitalize() in failure.do
    assert repr(name) in failure.do
    if kind != ResourceType.TRANSACTIONAL_ID:
        with pytest.raises(BrokerError, match=f"1 check failed\n  {check}: .*grant this user"):
            refuse(startup_checks(options))


def test_a_topic_that_may_not_even_be_seen_is_not_called_missing(guarded: Guarded) -> None:
    options = guarded.options()
    guarded.add([*needed(options).values(), *to_look(options)])
    with guarded.denied((ResourceType.TOPIC, options.alerts, AclOperation.ALL)):
        found = eventually(options, {"topic.alerts": "failure"}, startup_checks)
        (failure,) = [finding for finding in found if finding.check == "topic.alerts"]
        assert "missing" not in str(failure)
        assert "grant this user Write on topic" in failure.do
        assert topics.create(options, partitions=1, replication=1) == [], "it is there, as the broker says when asked"


def test_settings_that_may_not_be_read_are_warnings_and_keep_no_service_from_starting(guarded: Guarded) -> None:
    options = guarded.options()
    guarded.add(needed(options).values())
    with guarded.denied((*CLUSTER, AclOperation.DESCRIBE_CONFIGS)):
        expected = unread(options) | {"timeout.transaction": "warning", "timeout.session": "warning"}
        found = eventually(options, expected, startup_checks)
    assert all("DescribeConfigs" in finding.do for finding in found if finding.outcome == "warning")
    refuse(found)


def test_topics_that_may_not_be_made_are_named(guarded: Guarded) -> None:
    options = kafka_options("g", "i", "new-in", "new-a", "new-d", "new-st", "new-s", None, guarded.options().common)
    # The rule may take a moment; then no topic is created any more.
    with (
        guarded.denied((*CLUSTER, AclOperation.CREATE)),
        pytest.raises(BrokerError, match=r"topic 'new-\w+': .*uthorization failed.*grant Create"),
    ):
        make_many(options)


def make_many(options: KafkaOptions) -> None:
    for number in range(1000):
        topics.create(dataclasses.replace(options, status=f"new-s{number}"), 1, 1)


def test_a_service_runs_with_what_the_readme_lists_and_nothing_more(guarded: Guarded, tmp_path: Path) -> None:
    live = Live(tmp_path, guarded.bootstrap, guarded.make, a_definition())
    options = kafka_options(
        f"g-{live.input}", "one", live.input, live.alerts, live.dead, live.state, live.status, None,
        {"bootstrap.servers": live.bootstrap}, open_incidents=live.open, mutes=live.mutes,
    )  # fmt: skip
    # For the test's own producer.
    guarded.add([*needed(options).values(), (ResourceType.TOPIC, live.input, AclOperation.WRITE)])
    eventually(options, unread(options), all_findings)
    try:
        live.send(
            (f"pump-{i % 5}", b'{"time": %d, "s0": 1, "s1": 2}' % (1_700_000_000_000 + 1000 * i)) for i in range(200)
        )
        live.send([("pump-1", b"not a reading")])
        process = live.start()
        live.wait_for_all()
        live.stop(process)
    finally:
        live.close()
    assert {line["check"]: line["level"] for line in live.logged("check.warning")} == unread(options)
    assert not live.logged("kafka.error")
