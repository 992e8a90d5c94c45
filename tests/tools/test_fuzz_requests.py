"""The fuzzer's targets, without the fuzzer."""

import sys

import pytest

from tools import fuzz_requests
from tools.fuzz_requests import TARGETS, Finding, check, joined


@pytest.mark.parametrize("name", sorted(TARGETS))
def test_there_are_seeds(name: str) -> None:
    assert all(isinstance(seed, bytes) for seed in list(TARGETS[name][1]()))


@pytest.mark.parametrize("name", ["answers", "templates"])  # the others keep a loop until the process ends
def test_seeds_are_answered(name: str) -> None:
    make_target, make_seeds = TARGETS[name]
    target, seeds = make_target(), list(make_seeds())
    assert seeds
    for seed in [*seeds[:: 1 + len(seeds) // 40], b"", b"\0"]:
        target(seed)


def test_an_error_of_the_server_is_a_finding() -> None:
    class Told:
        status, body = 500, b"{}"

    with pytest.raises(Finding):
        check(Told)
    assert joined([]) == []


def test_without_atheris_it_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "atheris", None)
    monkeypatch.setattr(sys, "argv", ["fuzz_requests.py", "answers"])
    with pytest.raises(SystemExit, match="atheris is missing; install it with"):
        fuzz_requests.main()
