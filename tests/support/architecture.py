"""The rules of the house as functions over source trees: each returns one line for each place that breaks it."""

import ast
import re
import sys
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

PRODUCT = ("stream", "training")
# Rooms in the order of the flow: a module imports from its own room and from those before it.
FLOW = (
    "stream.errors",
    "stream.messages",
    "stream.terminal",
    "stream.counters",
    "stream.intake",
    "stream.detect",
    "stream.events",
    "stream.storage",
    "stream.registry",
    "stream.offline",
    "stream.replay",
    "stream.kafka",
    "stream.settings",
    "stream.serve",
    "training.options",
    "training.defaults",
    "training.vetting",
    "training.data",
    "training.metrics",
    "training.plotting",
    "training.fitting",
    "training.calibration",
    "training.lengths",
    "training.watching",
    "training.gate",
    "training.publish",
    "training.pipeline",
    "training.report",
    "training.revision",
    "training.recalibration",
    "training.evaluate",
    "training.robustness",
    "training.demo",
    "stream.cli",
    "stream.__main__",
)
PURE_IMPORTS = (
    "numpy",
    "torch",
    "msgspec",
    "stream.errors",
    "stream.counters",
    "stream.intake.columns",
    "stream.intake.bad_values",
    "stream.detect",
)
IMPURE_STDLIB = frozenset(
    {"asyncio", "http", "io", "logging", "multiprocessing", "os", "pathlib", "random", "shutil", "socket", "sqlite3"}
    | {"subprocess", "sys", "tempfile", "threading", "time", "urllib"}
)
IMPURE_CALLS = frozenset({"open", "print", "input", "now", "utcnow", "today"})
CODE_CARRIERS = ("pickle", "cloudpickle", "dill", "joblib", "marshal", "shelve", "torch.load", "torch.save")
CODE_CARRYING_CALLS = frozenset({"torch.load", "torch.save", "np.load", "numpy.load", "pd.read_pickle"})
ATTICS = frozenset({"core", "utils", "helpers", "common"})
MAX_LINES = 300
MIN_LINES = 30
MAX_FUNCTION_LINES = 60
MAX_FILES = 15  # in a room, besides its __init__
# Documents of others at the edge: JSON Schemas, YAML, the configuration of the Kafka client.
UNTYPED_EDGES = frozenset(
    {
        "stream.events.record",
        "stream.kafka.admin.cluster",
        "stream.settings.describe",
        "stream.settings.layers",
        "stream.settings.starter",
        "stream.settings.tree",
    }
)
# A first line that begins so says what is asked, not what the thing does or is.
QUESTIONS = re.compile(r"(?:What|Who|Whom|Whose|Whether|Which|Where|When|Why|How|If)\b")
MAX_FIRST_LINE_WORDS = 25


@dataclass(frozen=True)
class Module:
    """A parsed file. `name` is what imports call it; that of a package ends without __init__."""

    name: str
    path: Path
    text: str
    tree: ast.Module

    @property
    def package(self) -> str:
        """The package that relative imports start from."""
        return self.name if self.path.name == "__init__.py" else self.name.rpartition(".")[0]

    def at(self, line: int, what: str) -> str:
        """One violation."""
        return f"{self.name}:{line} {what}"


def modules(root: Path, *packages: str) -> list[Module]:
    """Every Python file of these top-level packages below `root`, in order of their paths."""
    return [_parse(root, path) for package in packages for path in sorted((root / package).rglob("*.py"))]


def _parse(root: Path, path: Path) -> Module:
    parts = path.relative_to(root).with_suffix("").parts
    text = path.read_text()
    return Module(".".join(parts[:-1] if parts[-1] == "__init__" else parts), path, text, ast.parse(text))


def imports(module: Module) -> Iterator[tuple[int, str]]:
    """(line, dotted name) of everything imported, lazily too; `from a import b` gives a.b, relative ones resolved."""
    for node in ast.walk(module.tree):
        if isinstance(node, ast.Import):
            yield from ((node.lineno, alias.name) for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            base = module.package.split(".")
            above = base[: len(base) - node.level + 1] if node.level else []
            origin = ".".join([*above, *filter(None, [node.module])])
            yield from ((node.lineno, f"{origin}.{alias.name}") for alias in node.names)


def within(name: str, *packages: str) -> bool:
    """True for a dotted name that is one of `packages` or inside one."""
    return any(name == package or name.startswith(f"{package}.") for package in packages)


def against_the_flow(sources: list[Module]) -> list[str]:
    """Modules in no room, and imports from a later room."""
    broken = []
    for module in sources:
        if module.name in PRODUCT:
            continue
        own = _room(module.name)
        if own is None:
            broken.append(module.at(1, f"is in no room of {FLOW}"))
            continue
        for line, name in imports(module):
            other = _room(name)
            if other is not None and other > own:
                broken.append(module.at(line, f"imports {name}, which comes later in the flow"))
    return broken


def _room(name: str) -> int | None:
    return next((place for place, room in enumerate(FLOW) if within(name, room)), None)


def cycles(sources: list[Module]) -> list[str]:
    """Modules that import one another in a circle, lazy imports and imports for types only included."""
    known = {module.name for module in sources}
    graph = {module.name: {_module_of(name, known) for _, name in imports(module)} & known for module in sources}
    while leaves := {name for name, needs in graph.items() if not needs & graph.keys()}:
        graph = {name: needs for name, needs in graph.items() if name not in leaves}
    # What is left leads into a circle or is in one.
    return [f"{name} imports in a circle, by way of {sorted(needs & graph.keys())}" for name, needs in graph.items()]


def _module_of(name: str, known: set[str]) -> str:
    return name if name in known else name.rpartition(".")[0]


def impure_detect(sources: list[Module]) -> list[str]:
    """Places that give `stream.detect` a clock, a file, a log, a global, or an import from outside the pure set."""
    broken = []
    for module in (m for m in sources if within(m.name, "stream.detect")):
        for line, name in imports(module):
            top = name.partition(".")[0]
            if top in IMPURE_STDLIB or not (within(name, *PURE_IMPORTS) or top in sys.stdlib_module_names):
                broken.append(module.at(line, f"imports {name}"))
        for node in ast.walk(module.tree):
            if isinstance(node, ast.Global):
                broken.append(module.at(node.lineno, f"global {', '.join(node.names)}"))
            elif isinstance(node, ast.Call) and _last(node.func) in IMPURE_CALLS:
                broken.append(module.at(node.lineno, f"calls {ast.unparse(node.func)}"))
    return broken


def _last(function: ast.expr) -> str:
    return ast.unparse(function).rpartition(".")[2]


def foreign_imports(sources: list[Module], *, of: str, only_in: tuple[str, ...]) -> list[str]:
    """Imports of the package `of` anywhere but in `only_in`."""
    return [
        module.at(line, f"imports {name}; only {', '.join(only_in)} may")
        for module in sources
        if not within(module.name, *only_in)
        for line, name in imports(module)
        if within(name, of)
    ]


def forbidden_imports(sources: list[Module], *, by: str, of: tuple[str, ...], but: tuple[str, ...] = ()) -> list[str]:
    """Imports of any of the packages `of` in the package `by`, but for those of `but`."""
    return [
        module.at(line, f"imports {name}")
        for module in sources
        if within(module.name, by)
        for line, name in imports(module)
        if within(name, *of) and not within(name, *but)
    ]


def code_from_data(sources: list[Module]) -> list[str]:
    """Loaders that run code found in a file: pickle and all that are made of it."""
    broken = []
    for module in sources:
        broken += [module.at(line, f"imports {n}") for line, n in imports(module) if within(n, *CODE_CARRIERS)]
        for node in ast.walk(module.tree):
            if isinstance(node, ast.Call) and ast.unparse(node.func) in CODE_CARRYING_CALLS:
                broken.append(module.at(node.lineno, f"calls {ast.unparse(node.func)}"))
    return broken


def attics(sources: list[Module]) -> list[str]:
    """Files whose names say nothing of their contents."""
    return [module.at(1, "name the thing") for module in sources if ATTICS & set(module.name.split("."))]


def too_long(sources: list[Module]) -> list[str]:
    """Files and functions over the limit."""
    broken = []
    for module in sources:
        lines = len(module.text.splitlines())
        if lines > MAX_LINES:
            broken.append(module.at(1, f"has {lines} lines"))
        for node in ast.walk(module.tree):
            if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
                length = (node.end_lineno or node.lineno) - node.lineno + 1
                if length > MAX_FUNCTION_LINES:
                    broken.append(module.at(node.lineno, f"{node.name} has {length} lines"))
    return broken


def crowded(sources: list[Module]) -> list[str]:
    """Rooms with more files than a newcomer can take in."""
    files = Counter(module.package for module in sources if module.path.name != "__init__.py")
    return [f"{room} has {count} files" for room, count in files.items() if count > MAX_FILES]


def crumbs(found: list[Module]) -> list[str]:
    """Files too short to be worth opening; those that Python itself asks for are spared."""
    named = (module for module in found if module.path.name not in ("__init__.py", "__main__.py"))
    short = ((module, len(module.text.splitlines())) for module in named)
    return [module.at(1, f"has {lines} lines, a crumb") for module, lines in short if lines < MIN_LINES]


def unclear_first_lines(found: list[Module]) -> list[str]:
    """Docstrings whose first line asks instead of saying what the thing does or is, or says too much."""
    broken = []
    for module in found:
        for node in ast.walk(module.tree):
            if not isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef):
                continue
            first = (ast.get_docstring(node) or "").partition("\n")[0]
            line = 1 if isinstance(node, ast.Module) else node.lineno
            if QUESTIONS.match(first):
                broken.append(module.at(line, f"begins with a question: {first}"))
            elif len(first.split()) > MAX_FIRST_LINE_WORDS:
                broken.append(module.at(line, f"has a first line of {len(first.split())} words"))
    return broken


def without_docstring(found: list[Module]) -> list[str]:
    """Files that do not say what is in them."""
    return [module.at(1, "has no docstring") for module in found if not ast.get_docstring(module.tree)]


def untyped_dictionaries(sources: list[Module]) -> list[str]:
    """Places outside of `UNTYPED_EDGES` that mention the type `dict[str, Any]`."""
    return [
        module.at(node.lineno, "has a dict[str, Any]: make it a struct")
        for module in sources
        if module.name not in UNTYPED_EDGES
        for node in ast.walk(module.tree)
        if isinstance(node, ast.Subscript) and ast.unparse(node) == "dict[str, Any]"
    ]
