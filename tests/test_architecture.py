"""The rules on imports, purity, sizes and texts: a test for each rule, and a breach that it finds."""

import re
from collections.abc import Callable
from functools import partial
from pathlib import Path

import pytest

from tests.conftest import ROOT
from tests.support import architecture as house
from tests.support import texts

Rule = Callable[[list[house.Module]], list[str]]

ONLY_KAFKA_ROOM = partial(house.foreign_imports, of="confluent_kafka", only_in=("stream.kafka",))
ONLY_CLI_JOINS = partial(house.foreign_imports, of="training", only_in=("training", "stream.cli"))
ONLY_THE_EDGE_IS_CONFIGURED = partial(
    house.foreign_imports,
    of="stream.settings",
    only_in=("stream.settings", "stream.serve", "stream.cli", "training"),
)
TRAINING_IS_GIVEN_SECTIONS = partial(
    house.forbidden_imports,
    by="training",
    of=("stream.settings",),
    but=("stream.settings.data", "stream.settings.detection"),
)
NO_SERVING_IN_TRAINING = partial(
    house.forbidden_imports, by="training", of=("stream.kafka", "stream.serve", "stream.cli", "stream.__main__")
)


def nothing_in(broken: list[str]) -> None:
    """Fails with one line for each place that breaks a rule."""
    if broken:
        pytest.fail("\n".join(broken), pytrace=False)


@pytest.fixture(scope="module")
def product() -> list[house.Module]:
    """The two halves, parsed."""
    sources = house.modules(ROOT, *house.PRODUCT)
    assert len(sources) > 5, f"no product below {ROOT}"
    return sources


@pytest.fixture(scope="module")
def everything(product: list[house.Module]) -> list[house.Module]:
    """All Python of the project."""
    return [*product, *house.modules(ROOT, "deploy", "tests")]


def test_imports_follow_the_flow(product: list[house.Module]) -> None:
    """From errors to stream.cli: no room imports a later one."""
    nothing_in(house.against_the_flow(product))


def test_every_room_of_the_flow_exists(product: list[house.Module]) -> None:
    """A room that is gone leaves the list too."""
    gone = [room for room in house.FLOW if not any(house.within(module.name, room) for module in product)]
    assert gone == []


def test_no_module_imports_itself_by_a_detour(product: list[house.Module]) -> None:
    """No cycles, lazy imports included: they only hide one."""
    nothing_in(house.cycles(product))


def test_detect_has_no_clock_files_logs_globals_or_kafka(product: list[house.Module]) -> None:
    """A score is a function of readings and bundle alone."""
    nothing_in(house.impure_detect(product))


def test_only_the_kafka_room_imports_the_kafka_client(product: list[house.Module]) -> None:
    """The client's surprises stay in one room."""
    nothing_in(ONLY_KAFKA_ROOM(product))


def test_training_knows_nothing_of_kafka_or_serving(product: list[house.Module]) -> None:
    """History is trained on where there is no broker."""
    nothing_in(NO_SERVING_IN_TRAINING(product))


def test_only_the_command_line_joins_the_two_halves(product: list[house.Module]) -> None:
    """`stream.cli` imports `training`; the entry point `stream.__main__` and the service do not."""
    nothing_in(ONLY_CLI_JOINS(product))


def test_settings_are_read_at_the_edge_only(product: list[house.Module]) -> None:
    """`serve` and `cli` load the configuration; training is given its sections, all others plain values."""
    nothing_in(ONLY_THE_EDGE_IS_CONFIGURED(product) + TRAINING_IS_GIVEN_SECTIONS(product))


def test_modules_exchange_structs_and_no_untyped_dictionaries(product: list[house.Module]) -> None:
    """A struct says what is in it. Documents of others are parsed at the edge."""
    nothing_in(house.untyped_dictionaries(product))


def test_nothing_loads_code_from_data(everything: list[house.Module]) -> None:
    """A bundle from a stranger may be wrong; it must not be a program."""
    nothing_in(house.code_from_data(everything))


def test_files_are_named_after_the_thing_in_them(everything: list[house.Module]) -> None:
    """No attics."""
    nothing_in(house.attics(everything))


def test_files_and_functions_can_be_read_in_one_sitting(everything: list[house.Module]) -> None:
    """At most 300 lines a file and 60 a function."""
    nothing_in(house.too_long(everything))


def test_no_file_of_the_product_is_a_crumb(product: list[house.Module]) -> None:
    """At least 30 lines."""
    nothing_in(house.crumbs(product))


def test_a_room_has_at_most_15_files(everything: list[house.Module]) -> None:
    """A newcomer reads their names at a glance."""
    nothing_in(house.crowded(everything))


def test_first_lines_say_what_a_thing_does_or_is(everything: list[house.Module]) -> None:
    """A reader in a third language follows at once."""
    nothing_in(house.unclear_first_lines(everything))


def test_no_file_names_a_page_that_is_not_in_the_repository() -> None:
    """A reader has nothing but the repository."""
    nothing_in(texts.lines_matching(ROOT, texts.OTHER_PAGES))


def test_every_file_says_what_is_in_it(everything: list[house.Module]) -> None:
    """A docstring in its first line."""
    nothing_in(house.without_docstring(everything))


def test_no_file_holds_a_path_of_somebodys_machine() -> None:
    """A path that exists here only is not shipped."""
    nothing_in(texts.lines_matching(ROOT, texts.MACHINE_PATHS))


def test_no_file_leaves_an_end_open() -> None:
    """Open work belongs to an issue."""
    nothing_in(texts.lines_matching(ROOT, texts.OPEN_ENDS))


def test_text_for_people_passes_where_names_from_outside_are_made_safe() -> None:
    """Nothing else prints."""
    nothing_in(texts.unsafe_output(ROOT))


# (rule, files of a tree that breaks it once, what the rule says of it); a line that must pass stands beside most.
BREACHES: list[tuple[Rule, dict[str, str], str]] = [
    (
        house.untyped_dictionaries,
        {
            "stream/registry/a.py": "from typing import Any\ndef f() -> dict[str, Any]: ...",
            "stream/settings/tree.py": "from typing import Any\ndef f() -> dict[str, Any]: ...",
        },
        "stream.registry.a:2 has a dict[str, Any]: make it a struct",
    ),
    (
        house.against_the_flow,
        {"stream/events.py": "from stream import errors\ndef f():\n    from stream.serve import loop"},
        "stream.events:3 imports stream.serve.loop, which comes later in the flow",
    ),
    (
        house.against_the_flow,
        {
            "training/calibration/a.py": "from training.gate import segments",
            "training/gate/a.py": "import training.calibration.a",
        },
        "training.calibration.a:1 imports training.gate.segments, which comes later in the flow",
    ),
    (house.against_the_flow, {"training/attic.py": ""}, f"training.attic:1 is in no room of {house.FLOW}"),
    (house.against_the_flow, {"stream/attic.py": ""}, f"stream.attic:1 is in no room of {house.FLOW}"),
    (
        house.against_the_flow,
        {"stream/intake/json.py": "from ..detect.policy import Rules\nfrom . import columns"},
        "stream.intake.json:1 imports stream.detect.policy.Rules, which comes later in the flow",
    ),
    (
        house.cycles,
        {"training/a.py": "import training.a.b", "training/b.py": "from training import c", "training/c.py": ""},
        "training.a imports in a circle, by way of ['training.a']",
    ),
    (house.impure_detect, {"stream/detect/a.py": "import math, time"}, "stream.detect.a:1 imports time"),
    (house.impure_detect, {"stream/detect/a.py": "import numpy, structlog"}, "stream.detect.a:1 imports structlog"),
    (
        house.impure_detect,
        {"stream/detect/a.py": "from stream.intake import columns, decode"},
        "stream.detect.a:1 imports stream.intake.decode",
    ),
    (
        house.impure_detect,
        {"stream/detect/a.py": "from datetime import datetime\ndatetime.now()"},
        "stream.detect.a:2 calls datetime.now",
    ),
    (house.impure_detect, {"stream/detect/a.py": "repr(1)\nprint(1)"}, "stream.detect.a:2 calls print"),
    (house.impure_detect, {"stream/detect/a.py": "def f():\n    global cache"}, "stream.detect.a:2 global cache"),
    (
        ONLY_KAFKA_ROOM,
        {"stream/kafka/a.py": "import confluent_kafka", "stream/__main__.py": "from confluent_kafka import Consumer"},
        "stream.__main__:1 imports confluent_kafka.Consumer; only stream.kafka may",
    ),
    (
        NO_SERVING_IN_TRAINING,
        {"training/a.py": "from stream import detect, serve"},
        "training.a:1 imports stream.serve",
    ),
    (
        ONLY_CLI_JOINS,
        {"stream/cli/a.py": "import training.fit", "stream/serve/a.py": "if True:\n    import training.fit"},
        "stream.serve.a:2 imports training.fit; only training, stream.cli may",
    ),
    (
        ONLY_CLI_JOINS,
        {"stream/cli/a.py": "import training.fit", "stream/__main__.py": "import training.fit"},
        "stream.__main__:1 imports training.fit; only training, stream.cli may",
    ),
    (
        ONLY_THE_EDGE_IS_CONFIGURED,
        {"stream/serve/a.py": "import stream.settings", "stream/kafka/a.py": "from stream.settings import Settings"},
        "stream.kafka.a:1 imports stream.settings.Settings; only stream.settings, stream.serve, stream.cli, "
        "training may",
    ),
    (
        TRAINING_IS_GIVEN_SECTIONS,
        {"training/a.py": "from stream.settings.data import FrameSettings\nfrom stream.settings import load"},
        "training.a:2 imports stream.settings.load",
    ),
    (house.code_from_data, {"training/a.py": "import picklepool\nimport pickle"}, "training.a:2 imports pickle"),
    (house.code_from_data, {"training/a.py": "import torch\ntorch.load('a')"}, "training.a:2 calls torch.load"),
    (house.code_from_data, {"training/a.py": "from torch import load"}, "training.a:1 imports torch.load"),
    (house.attics, {"stream/detect/utils.py": ""}, "stream.detect.utils:1 name the thing"),
    (house.too_long, {"training/a.py": "\n" * 301, "training/b.py": "\n" * 300}, "training.a:1 has 301 lines"),
    (
        house.too_long,
        {"training/a.py": "def long():\n" + "    pass\n" * 60 + "def short():\n" + "    pass\n" * 59},
        "training.a:1 long has 61 lines",
    ),
    (
        house.crowded,
        {f"training/{room}/{name}.py": "" for room, names in (("a", range(16)), ("b", range(15))) for name in names}
        | {"training/b/__init__.py": ""},
        "training.a has 16 files",
    ),
    (
        house.crumbs,
        {"training/a.py": "\n" * 29, "training/b.py": "\n" * 30, "training/c/__init__.py": ""},
        "training.a:1 has 29 lines, a crumb",
    ),
    (
        house.unclear_first_lines,
        {"training/a.py": "'Whatever is left.'\ndef f():\n    'What is left.'"},
        "training.a:2 begins with a question: What is left.",
    ),
    (
        house.unclear_first_lines,
        {"training/a.py": f"'{'a ' * 25}'\ndef f():\n    '{'a ' * 26}'"},
        "training.a:2 has a first line of 26 words",
    ),
    (house.without_docstring, {"training/a.py": "# a\n", "training/b.py": "'b'"}, "training.a:1 has no docstring"),
]


@pytest.mark.parametrize(("rule", "files", "breach"), BREACHES)
def test_a_rule_finds_its_one_breach_and_nothing_beside_it(
    rule: Rule, files: dict[str, str], breach: str, tmp_path: Path
) -> None:
    """A rule that cannot fail guards nothing."""
    for name, text in files.items():
        file = tmp_path / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text)
    assert rule(house.modules(tmp_path, *house.PRODUCT)) == [breach]


@pytest.mark.parametrize(
    ("pattern", "text", "found"),
    [
        (texts.OPEN_ENDS, "# TO" + "DO later\n", True),
        (texts.OPEN_ENDS, "the toDos of an asset\n", False),
        (texts.OTHER_PAGES, "see BAR" + "S section 3\n", True),
        (texts.OTHER_PAGES, "bars, and DESIGNATED\n", False),
        (texts.MACHINE_PATHS, "see /ho" + "me/anna/data\n", True),
        (texts.MACHINE_PATHS, "in /var/lib/narrows, or at bucket/work/all\n", False),
    ],
)
def test_a_text_rule_finds_its_breach_in_files_that_are_shipped(
    pattern: re.Pattern[str], text: str, found: bool, tmp_path: Path
) -> None:
    """Beside the sources, scripts without a suffix; not what an environment or a cache holds."""
    for name in (".ci/run", ".venv/lib/a.py", "stream/__pycache__/a.py"):
        (tmp_path / name).parent.mkdir(parents=True)
        (tmp_path / name).write_text(text)
    assert texts.lines_matching(tmp_path, pattern) == ([f".ci/run:1 {text.strip()}"] if found else [])
