"""Whatever stands in a configuration, it is fine or told what is wrong, a line for each finding."""

from pathlib import Path

import pytest
from click.testing import CliRunner
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from weft.cli.config_keys import configured_commands, keys_of
from weft.cli.main import command_line
from weft.contracts.errors import WeftError

VALID = """\
model: weft-tiny
replicas: 2
router: least_outstanding
order: vtc:weights=alice=2
no_prefix_caching: true
kv_cache_memory: 64MiB
serve:
  port: 8000
  served_model_name: [tiny, "other one"]
simulate:
  hardware: h100
  workload: sharegpt
  sweep:
    - rate=2,4
  requests: 20
"""
KEYS = sorted({key for command in configured_commands().values() for key in keys_of(command)})
PIECES = [
    *KEYS,
    "serve:",
    "simulate:",
    "\n",
    "\n  ",
    ": ",
    "- ",
    "[",
    "]",
    "{",
    "}",
    "&a ",
    "*a",
    "!!int ",
    "'",
    '"',
]
PIECES += [
    "null",
    "~",
    "-1",
    "0",
    "1e400",
    "nan",
    "9" * 30,
    "true",
    "|",
    ">",
    "%",
    "@",
    "#",
    "\\U00110000",
    "\x85",
]
QUIET = settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])


@pytest.fixture(autouse=True)
def _elsewhere(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")


@st.composite
def mutated(draw: st.DrawFn) -> bytes:
    """A right file with some of it taken out, doubled, replaced or put in."""
    text = VALID
    for _ in range(draw(st.integers(1, 4))):
        start = draw(st.integers(0, len(text)))
        end = min(len(text), start + draw(st.integers(0, 12)))
        piece = draw(st.sampled_from(PIECES) | st.text(max_size=3) | st.just(text[start:end] * 2))
        text = text[:start] + piece + text[end:]
    return text.encode("utf-8", "surrogatepass")


def check(data: bytes) -> None:
    Path("s.yaml").write_bytes(data)
    outcome = CliRunner().invoke(command_line, ["config", "check", "s.yaml"], standalone_mode=False)
    if outcome.exception is not None:
        assert isinstance(outcome.exception, WeftError), outcome.exception
        assert str(outcome.exception).strip()
        return
    lines = outcome.stdout.splitlines()
    assert outcome.return_value == (0 if lines == ["s.yaml: fine"] else 2)
    assert lines
    assert all(line.startswith("s.yaml:") for line in lines)


@QUIET
@given(mutated())
def test_a_mutated_file(data: bytes) -> None:
    check(data)


@QUIET
@given(
    st.dictionaries(
        st.sampled_from([*KEYS, "serve", "simulate"]), st.sampled_from(PIECES), min_size=1, max_size=6
    )
)
def test_any_value_of_any_key(values: dict[str, str]) -> None:
    check("\n".join(f"{key}: {value!r}" for key, value in values.items()).encode())


@settings(QUIET, max_examples=60)
@given(st.binary(max_size=40))
def test_any_bytes(data: bytes) -> None:
    check(data)
