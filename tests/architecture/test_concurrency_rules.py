"""Nothing that other tasks may change meanwhile is read before an `await` and written after it."""

import ast

import pytest

from tests.architecture.source import Finding, SourceFile, report, source_files


def concurrency_findings(text: str) -> list[Finding]:
    """Sums over an `await`: `x += await f()` reads x first, so that what other tasks add in the meantime is lost."""
    advice = "reads its target before it waits; put the awaited value into a name first"
    nodes = [node for node in ast.walk(ast.parse(text)) if isinstance(node, ast.AugAssign)]
    return [
        Finding(node.lineno, f"{node.op.__class__.__name__}= {advice}")
        for node in nodes
        if _waits(node.value)
    ]


def _waits(value: ast.expr) -> bool:
    return any(isinstance(node, ast.Await) for node in ast.walk(value))


@pytest.mark.parametrize("file", source_files("weft", "tests", "tools"), ids=lambda file: file.path)
def test_no_sum_over_an_await(file: SourceFile) -> None:
    assert report(file, concurrency_findings(file.text)) == []


@pytest.mark.parametrize("line", ["n += await f()", "n[0] -= g(await f())", "n.m += (await f()).k"])
def test_sums_over_an_await_are_found(line: str) -> None:
    (finding,) = concurrency_findings(f"async def h():\n    {line}")
    assert finding.line == 2
    assert not concurrency_findings("async def h():\n    told = await f()\n    n += told")
