"""Only the event loop and seeded streams decide what happens: no real clock, no chance, no hash order."""

import ast
from collections.abc import Iterator

import pytest

from tests.architecture.rooms import HASH_FREE_ROOMS, REAL_WORLD_ROOMS, ROOMS, SET_FREE_ROOMS
from tests.architecture.source import Finding, SourceFile, imported_names, report, source_files, used_names

CLOCKS = (
    *(f"time.{name}" for name in ("time", "monotonic", "perf_counter", "process_time", "thread_time")),
    *(f"time.{name}_ns" for name in ("time", "monotonic", "perf_counter", "process_time", "thread_time")),
    *(f"time.{name}" for name in ("sleep", "clock_gettime", "clock_gettime_ns", "*")),
    *(f"datetime.datetime.{name}" for name in ("now", "utcnow", "today")),
    "datetime.date.today",
)
ALWAYS_RANDOM = ("uuid.uuid1", "uuid.uuid4", "os.urandom", "os.getrandom")
GENERATORS = ("Random", "default_rng", "RandomState", "SeedSequence", "PCG64", "Philox", "MT19937", "SFC64")
SEED_FREE_NAMES = ("numpy.random.Generator", "numpy.random.BitGenerator")
ITERATING_CALLS = ("list", "tuple", "iter", "enumerate")


def clock_findings(text: str) -> list[Finding]:
    """Uses of the real clock, called or passed on."""
    advice = "reads the real clock; use the running event loop (loop.time(), asyncio.sleep)"
    return [Finding(line, f"{name} {advice}") for line, name in _imports_and_uses(text) if name in CLOCKS]


def randomness_findings(text: str) -> list[Finding]:
    """Randomness that no seed decides."""
    advice = "is not seeded; draw from the stream that is handed in"
    found = [(line, name) for line, name in _imports_and_uses(text) if _is_unseeded(name)]
    return [Finding(line, f"{name} {advice}") for line, name in [*found, *_generators_without_seed(text)]]


def _imports_and_uses(text: str) -> Iterator[tuple[int, str]]:
    tree = ast.parse(text)
    yield from imported_names(tree)
    yield from ((node.lineno, name) for node, name in used_names(tree))


def _is_unseeded(name: str) -> bool:
    module, _, function = name.rpartition(".")
    from_global_generator = module in ("random", "numpy.random") and function not in GENERATORS
    from_system = name in ALWAYS_RANDOM or name.split(".")[0] == "secrets"
    return (from_global_generator or from_system) and name not in SEED_FREE_NAMES


def _generators_without_seed(text: str) -> Iterator[tuple[int, str]]:
    tree = ast.parse(text)
    names = {id(node): name for node, name in used_names(tree)}
    for call in ast.walk(tree):
        if isinstance(call, ast.Call) and not _has_seed(call):
            module, _, function = names.get(id(call.func), "").rpartition(".")
            if module in ("random", "numpy.random") and function in GENERATORS:
                yield call.lineno, f"{module}.{function}()"


def _has_seed(call: ast.Call) -> bool:
    values = [*call.args, *(keyword.value for keyword in call.keywords)]
    return any(not (isinstance(value, ast.Constant) and value.value is None) for value in values)


def hash_findings(text: str) -> list[Finding]:
    """Uses of the builtin `hash`, whose value for text differs between processes."""
    message = "hash() differs between processes; use a stable digest (hashlib) or the value itself"
    nodes = [node for node, name in used_names(ast.parse(text)) if name in ("hash", "builtins.hash")]
    return [Finding(node.lineno, message) for node in nodes]


def set_findings(text: str) -> list[Finding]:
    """Sets in any form, and iteration over a frozenset: their order follows the hash seed."""
    tree = ast.parse(text)
    advice = "has an order that follows the hash seed; use a dict (dict.fromkeys keeps insertion order)"
    found = [*_set_expressions(tree), *_iterated_frozensets(tree)]
    return [Finding(line, f"{what} {advice}") for line, what in found]


def _set_expressions(tree: ast.AST) -> Iterator[tuple[int, str]]:
    for node, name in used_names(tree):
        if name in ("set", "builtins.set", "typing.Set", "typing.MutableSet", "collections.abc.MutableSet"):
            yield node.lineno, name
    for child in ast.walk(tree):
        if isinstance(child, ast.Set | ast.SetComp):
            yield child.lineno, "a set in braces"
        elif isinstance(child, ast.BinOp) and (_is_key_view(child.left) or _is_key_view(child.right)):
            yield child.lineno, "the set that an operator on dict views makes"


def _is_key_view(node: ast.expr) -> bool:
    is_method = isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute)
    return is_method and ast.unparse(node).endswith((".keys()", ".items()"))


def _iterated_frozensets(tree: ast.AST) -> Iterator[tuple[int, str]]:
    for node in ast.walk(tree):
        for iterated in _iterated_by(node):
            if _is_call(iterated, "frozenset"):
                yield iterated.lineno, "a frozenset"


def _iterated_by(node: ast.AST) -> list[ast.expr]:
    if isinstance(node, ast.For | ast.AsyncFor | ast.comprehension):
        return [node.iter]
    if isinstance(node, ast.Starred):
        return [node.value]
    if isinstance(node, ast.Call) and any(_is_call(node, name) for name in ITERATING_CALLS):
        return node.args[:1]
    return []


def _is_call(node: ast.expr, name: str) -> bool:
    return isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id == name


FILES = source_files("weft")
REPLAYABLE_FILES = [file for file in FILES if file.room not in REAL_WORLD_ROOMS]
HASH_FREE_FILES = [file for file in FILES if file.room in HASH_FREE_ROOMS]
SET_FREE_FILES = [file for file in FILES if file.room in SET_FREE_ROOMS]


def test_there_is_something_to_check() -> None:
    assert {"weft", "contracts"} <= {file.room for file in REPLAYABLE_FILES}
    assert "cli" not in {file.room for file in REPLAYABLE_FILES}
    assert set(SET_FREE_ROOMS) < set(HASH_FREE_ROOMS) < set(ROOMS)


@pytest.mark.parametrize("file", REPLAYABLE_FILES, ids=lambda file: file.path)
def test_no_real_clock(file: SourceFile) -> None:
    assert report(file, clock_findings(file.text)) == []


@pytest.mark.parametrize("file", REPLAYABLE_FILES, ids=lambda file: file.path)
def test_no_unseeded_randomness(file: SourceFile) -> None:
    assert report(file, randomness_findings(file.text)) == []


def test_no_builtin_hash() -> None:
    assert [line for file in HASH_FREE_FILES for line in report(file, hash_findings(file.text))] == []


def test_no_sets() -> None:
    assert [line for file in SET_FREE_FILES for line in report(file, set_findings(file.text))] == []


@pytest.mark.parametrize(
    "text",
    [
        "import time\nnow = time.time()",
        "import time as clock\nnow = clock.perf_counter_ns()",
        "import time\ndef f(read=time.monotonic): ...",
        "from time import sleep",
        "from time import *",
        "import datetime\nnow = datetime.datetime.now()",
        "from datetime import datetime\nnow = datetime.utcnow()",
        "from datetime import date\nnow = date.today()",
    ],
)
def test_a_real_clock_is_found(text: str) -> None:
    (finding,) = clock_findings(text)
    assert "event loop" in finding.message
    assert finding.line == len(text.splitlines())


@pytest.mark.parametrize(
    "text",
    [
        "import random\nx = random.random()",
        "import random as chance\nx = chance.shuffle",
        "from random import choice",
        "import random\nx = random.Random()",
        "from random import Random\nx = Random(None)",
        "import random\nx = random.SystemRandom(3)",
        "import uuid\nx = uuid.uuid4()",
        "import uuid\nx = uuid.uuid1()",
        "import os\nx = os.urandom(8)",
        "import secrets",
        "import numpy as np\nx = np.random.rand(3)",
        "import numpy as np\nx = np.random.default_rng()",
        "from numpy.random import default_rng\nx = default_rng(seed=None)",
    ],
)
def test_unseeded_randomness_is_found(text: str) -> None:
    (finding,) = randomness_findings(text)
    assert "not seeded" in finding.message
    assert finding.line == len(text.splitlines())


@pytest.mark.parametrize(
    "text",
    [
        "import random\nx = random.Random(7).random()",
        "from random import Random\ndef f(stream: Random) -> float: return stream.random()",
        "def f(random) -> float: return random.random()",
        "import numpy as np\nx = np.random.default_rng(seed=7)\ny: np.random.Generator = x",
        "import uuid\nx = uuid.UUID(int=3)",
        "import asyncio\nnow = asyncio.get_running_loop().time()",
        "from datetime import datetime, timedelta\nx = datetime(2024, 1, 1) + timedelta(1)",
    ],
)
def test_seeds_and_the_loop_pass(text: str) -> None:
    assert clock_findings(text) == []
    assert randomness_findings(text) == []


def test_the_builtin_hash_is_found_and_digests_pass() -> None:
    assert [line for line, _ in hash_findings("x = 1\ny = hash('a')\nz = map(hash, [])")] == [2, 3]
    assert hash_findings("import hashlib\nx = hashlib.sha256(b'').digest()\ny = x.hash()") == []


@pytest.mark.parametrize(
    "text",
    [
        "x = {1, 2}",
        "x = {y for y in []}",
        "x = set()",
        "x: set[int]",
        "def f(x: set) -> None: ...",
        "x = field(default_factory=set)",
        "x = {}.keys() & {}.keys()",
        "for x in frozenset('ab'): ...",
        "x = [y for y in frozenset('ab')]",
        "x = list(frozenset('ab'))",
        "x = [*frozenset('ab')]",
    ],
)
def test_a_set_is_found(text: str) -> None:
    (finding,) = set_findings(text)
    assert finding.line == 1
    assert "use a dict" in finding.message


@pytest.mark.parametrize(
    "text",
    [
        "x = {}\ny = {'a': 1}",
        "x = frozenset('ab')\ny = 'a' in x",
        "x = sorted(frozenset('ab'))",
        "for x in dict.fromkeys('ab'): ...",
        "x.set()\nx.set = 3",
    ],
)
def test_what_keeps_its_order_passes(text: str) -> None:
    assert set_findings(text) == []
