"""Files and functions stay small enough to be read in one go."""

import pytest

from tests.architecture.source import Finding, SourceFile, report, source_files
from tools.structure import function_sizes

MOST_LINES_IN_A_FILE = 260
MOST_LINES_IN_A_FUNCTION = 40


def size_findings(text: str) -> list[Finding]:
    """What is too long: the file, and each function (from its def to its end, without the docstring)."""
    lines = len(text.splitlines())
    findings = [
        Finding(size.line, f"{size.name}: {size.lines} lines, at most {MOST_LINES_IN_A_FUNCTION}; split it")
        for size in function_sizes(text)
        if size.lines > MOST_LINES_IN_A_FUNCTION
    ]
    if lines > MOST_LINES_IN_A_FILE:
        findings.append(Finding(1, f"{lines} lines, at most {MOST_LINES_IN_A_FILE}; split it by concern"))
    return findings


@pytest.mark.parametrize("file", source_files("weft"), ids=lambda file: file.path)
def test_files_and_functions_are_small(file: SourceFile) -> None:
    assert report(file, size_findings(file.text)) == []


def test_a_long_file_is_found() -> None:
    assert size_findings("x = 1\n" * MOST_LINES_IN_A_FILE) == []
    (finding,) = size_findings("x = 1\n" * (MOST_LINES_IN_A_FILE + 1))
    assert "split it by concern" in finding.message


def test_a_long_function_is_found() -> None:
    body = "    x = 1\n" * (MOST_LINES_IN_A_FUNCTION - 1)
    docstring = '    """One line.\n\n    And more.\n    """\n'
    assert size_findings(f"def f():\n{docstring}{body}") == []
    (finding,) = size_findings(f"\n\ndef f():\n{docstring}{body}    y = 2\n")
    assert finding == Finding(3, "f: 41 lines, at most 40; split it")
