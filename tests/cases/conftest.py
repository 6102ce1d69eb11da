"""The generators of small histories that failed, beside the checkout, and the commands to try them with."""

import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.conftest import ROOT, absent
from tests.support.commands import Narrows, in_process

MakeCase = Callable[[str], Path]
# A quick training run: what is read, vetted and judged does not depend on how long a model learns.
QUICK = ("--set", "train.max_epochs=3")


@pytest.fixture(scope="session")
def case(tmp_path_factory: pytest.TempPathFactory) -> MakeCase:
    """Makes the folder of the files of a generator, such as c02_sentinel; each generator runs once."""
    if os.environ.get("NARROWS_CASES") == "none":
        pytest.skip("NOT TESTED: NARROWS_CASES=none says that this machine has no generators of histories")
    generators = Path(os.environ.get("NARROWS_CASES") or ROOT.parent / "shared" / "cases")
    if not generators.is_dir():
        absent(
            f"no generators of histories in {generators}; set NARROWS_CASES to the folder that holds c02_sentinel.py"
        )
    made: dict[str, Path] = {}

    def make(name: str) -> Path:
        if name not in made:
            folder = tmp_path_factory.mktemp(name)
            environment = os.environ | {"PYTHONDONTWRITEBYTECODE": "1"}
            subprocess.run(
                [sys.executable, str(generators / f"{name}.py"), str(folder)],
                check=True, capture_output=True, env=environment,
            )  # fmt: skip
            made[name] = folder
        return made[name]

    return make


@pytest.fixture
def narrows(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path) -> Narrows:
    """Runs `narrows` in an empty folder, which is where its registry and its configuration go."""
    monkeypatch.chdir(tmp_path)
    return in_process(monkeypatch, capsys)
