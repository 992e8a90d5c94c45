"""The counts that the structure report is made of."""

from pathlib import Path

import pytest

from tools.structure import FunctionSize, code_lines, function_sizes, main, measure, percentile, room_rows

SOURCE = '''\
"""A module."""

# a comment
LIMIT = 8  # with a remark


class Pool:
    @property
    def free(self) -> int:
        """How many.

        In blocks.
        """
        return LIMIT

    async def wait(self) -> None:
        def inner() -> None:
            pass

        inner()
'''


def test_code_lines_leave_out_blanks_and_comments() -> None:
    assert code_lines(SOURCE) == 13
    assert code_lines("\n# only\n   # comments\n") == 0


def test_functions_count_from_def_without_docstring() -> None:
    assert function_sizes(SOURCE) == [
        FunctionSize("Pool.free", 9, 2),
        FunctionSize("Pool.wait", 16, 5),
        FunctionSize("Pool.wait.inner", 17, 2),
    ]


def test_functions_inside_statements_are_found() -> None:
    assert [size.name for size in function_sizes("if True:\n    def f(): ...\n")] == ["f"]


@pytest.mark.parametrize(("percent", "value"), [(0, 1), (50, 2), (75, 3), (90, 9), (100, 9)])
def test_percentile_is_a_value_that_occurs(percent: float, value: int) -> None:
    assert percentile([9, 1, 3, 2], percent) == value


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    (tmp_path / "weft/engine").mkdir(parents=True)
    (tmp_path / "weft/__init__.py").write_text("X = 1\n")
    (tmp_path / "weft/llm.py").write_text("Y = 1\n\n")
    (tmp_path / "weft/engine/pool.py").write_text(SOURCE)
    return tmp_path


def test_rooms_are_folders_and_the_files_beside_them(checkout: Path) -> None:
    assert room_rows(measure(checkout)) == [("engine", 1, 13), ("weft", 2, 2)]


def test_the_report_names_the_longest(checkout: Path, capsys: pytest.CaptureFixture[str]) -> None:
    main([str(checkout)])
    lines = capsys.readouterr().out.splitlines()
    assert lines[3].split() == ["all", "3", "15"]
    assert lines[-5:] == [
        "functions         3",
        "median            2 lines",
        "90th percentile   5 lines",
        "longest function  5 lines: weft/engine/pool.py:16 Pool.wait",
        "longest file      20 lines: weft/engine/pool.py",
    ]


def test_an_empty_checkout_is_an_error(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        main([str(tmp_path)])
    assert "no Python file below weft/" in capsys.readouterr().err
