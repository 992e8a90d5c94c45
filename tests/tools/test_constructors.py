"""Constructors written out for the compiled copy do what those do that `dataclass` makes."""

import sys
from collections.abc import Callable, Iterator
from importlib import import_module
from pathlib import Path
from typing import Any

import pytest

from tools.constructors import with_constructors

SOURCE = '''
"""A module."""

from dataclasses import dataclass, field
from typing import NamedTuple

from weft.contracts.record import record


@record
class Plain:
    """Two fields."""

    number: int
    names: tuple[str, ...] = ()

    @property
    def doubled(self) -> int:
        return 2 * self.number


@dataclass(frozen=True, slots=True)
class Checked:
    """One that looks at what it is given."""

    number: int

    def __post_init__(self) -> None:
        if self.number < 0:
            raise ValueError(self.number)


@dataclass(slots=True)
class Counts:
    first: int = 1


@dataclass(frozen=True, slots=True)
class Made:
    given: int
    parts: list[int] = field(default_factory=list)


class Pair(NamedTuple):
    first: int
    second: int = 2
'''


@pytest.fixture
def written(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[tuple[Any, Any]]:
    """The module as it is, and with constructors."""
    (tmp_path / "as_it_is.py").write_text(SOURCE)
    (tmp_path / "written_out.py").write_text(with_constructors(SOURCE))
    monkeypatch.syspath_prepend(tmp_path)
    yield import_module("as_it_is"), import_module("written_out")
    for name in ("as_it_is", "written_out"):
        del sys.modules[name]


def test_values_are_the_same(written: tuple[Any, Any]) -> None:
    calls: list[Callable[[Any], Any]] = [
        lambda module: module.Plain(3),
        lambda module: module.Plain(3, names=("a",)),
        lambda module: module.Plain(4).doubled,
        lambda module: module.Checked(0),
        lambda module: module.Counts(),
        lambda module: module.Made(1),
        lambda module: module.Pair(1),
        lambda module: len({module.Plain(1): 0, module.Plain(1): 1, module.Plain(2): 2}),
    ]
    for call in calls:
        assert repr(call(written[0])) == repr(call(written[1]))
        assert call(written[1]) == call(written[1])


def test_what_is_refused_is_still_refused(written: tuple[Any, Any]) -> None:
    for module in written:
        with pytest.raises(ValueError, match="-1"):
            module.Checked(-1)
        with pytest.raises(TypeError):
            module.Plain()


def test_only_plain_ones_are_written_out() -> None:
    text = with_constructors(SOURCE)
    assert text.count("def __init__(self") == 3
    assert text.count("@dataclass(init=False") == 3
    assert with_constructors(text) == text
    assert with_constructors("class Pair:\n    pass\n") == "class Pair:\n    pass\n"


def test_what_dataclass_needs_is_imported() -> None:
    source = "from weft.contracts.record import record\n\n\n@record\nclass Plain:\n    number: int\n"
    assert with_constructors(source).startswith("from dataclasses import dataclass\n")
