"""Lines of batch files: what is a request, and what is said of all others."""

import json
from io import BytesIO
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from weft.contracts.errors import ConfigurationError
from weft.server.batch.lines import MOST_LINE_BYTES, BadLine, BatchRequest, count_lines, read_lines
from weft.server.batch.output import answered_ids, open_output, write_line

GOOD: dict[str, Any] = {"custom_id": "a", "method": "POST", "url": "/v1/completions", "body": {"prompt": "é"}}


def lines(*raw: bytes) -> list[BatchRequest | BadLine]:
    return list(read_lines(BytesIO(b"\n".join(raw))))


def bad(**changes: Any) -> BadLine:
    (found,) = lines(json.dumps({**GOOD, **changes}).encode())
    assert isinstance(found, BadLine)
    return found


def test_a_request_has_its_line_and_empty_lines_are_none() -> None:
    good = json.dumps(GOOD).encode()
    first, second = lines(b"", good, b"  ", b"\xef\xbb\xbf" + good + b"\r")
    assert isinstance(first, BatchRequest)
    assert (first.line, first.custom_id, first.url) == (2, "a", "/v1/completions")
    assert json.loads(first.body) == {"prompt": "é"}
    assert isinstance(second, BatchRequest)
    assert second == first._replace(line=4)


@pytest.mark.parametrize(
    ("changes", "problem"),
    [
        ({"custom_id": None}, "custom_id is missing"),
        ({"custom_id": 7}, "custom_id is 7; it must be a text of 1 to 512 characters"),
        ({"custom_id": "x" * 513}, "custom_id is 'xxx"),
        ({"method": "GET"}, "method is 'GET'; it must be 'POST'"),
        ({"url": "/v1/models"}, "url is '/v1/models'; it must be one of /v1/chat/completions"),
        ({"url": ["/v1/completions"]}, "url is ['/v1/completions']"),
        ({"body": "text"}, "body is 'text'; it must be the JSON object"),
        ({"body": {"stream": True}}, "body.stream is set"),
        ({"headers": {}}, "field 'headers' is unknown"),
    ],
)
def test_what_is_wrong_is_named(changes: dict[str, Any], problem: str) -> None:
    found = bad(**changes)
    assert found.problem.startswith(problem)
    assert found.custom_id == (None if "custom_id" in changes else "a")


def test_a_line_that_is_too_long_costs_only_itself() -> None:
    first, second = lines(b"x" * (3 * MOST_LINE_BYTES), json.dumps(GOOD).encode())
    assert isinstance(first, BadLine)
    assert "longer than" in first.problem
    assert (second.line, second.custom_id) == (2, "a")


@given(st.lists(st.binary(max_size=40)))
def test_no_bytes_raise(raw: list[bytes]) -> None:
    assert all(isinstance(each, BadLine) for each in lines(*raw))


def test_brackets_without_end_are_no_request() -> None:
    (found,) = lines(b"[" * 100_000)
    assert isinstance(found, BadLine)


def test_lines_are_counted_also_without_a_last_end(tmp_path: Path) -> None:
    path = tmp_path / "in.jsonl"
    for text, count in ((b"", 0), (b"a", 1), (b"a\n", 1), (b"a\nb", 2)):
        path.write_bytes(text)
        assert count_lines(path) == count


def test_what_is_half_written_is_cut(tmp_path: Path) -> None:
    path = tmp_path / "out.jsonl"
    assert answered_ids(path) == set()
    path.write_bytes(b'{"custom_id": "a"}\n{"custom_id": "b"}\n{"custom_id": "c"')
    assert answered_ids(path) == {"a", "b"}
    with open_output(path, resume=True) as output:
        write_line(output, b'{"custom_id": "c"}\n')
    assert answered_ids(path) == {"a", "b", "c"}


def test_an_output_that_is_something_else_stays(tmp_path: Path) -> None:
    path = tmp_path / "out.jsonl"
    path.write_bytes(b"important\nnotes")
    with pytest.raises(ConfigurationError, match="line 1 is no answer of a batch"):
        answered_ids(path)
    with pytest.raises(ConfigurationError, match="exists; go on with it by --resume"):
        open_output(path, resume=False)
    assert path.read_bytes() == b"important\nnotes"
    with pytest.raises(ConfigurationError, match="cannot be written"):
        open_output(tmp_path / "none" / "out.jsonl", resume=False)
