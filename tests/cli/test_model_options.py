"""Flags of verbs that run a model become fields of `ServingOptions`, and only those that were given."""

from dataclasses import fields
from typing import Any

import click
import pytest
from click.testing import CliRunner

from weft.cli.model_options import FLAGS, model_options, size
from weft.contracts.options import ServingOptions, serving_options


@click.command()
@click.option("--sugar", type=int, default=0)
@model_options(max_num_seqs="as many as there are cups")
def tea(given: dict[str, Any], sugar: int) -> None:
    """Show what was given, and that it makes options."""
    serving_options(given)
    click.echo(f"{sugar} {sorted(given.items())}")


def pour(*arguments: str, expect: int = 0) -> str:
    outcome = CliRunner().invoke(tea, arguments)
    assert outcome.exit_code == expect, outcome.output
    return outcome.output


def test_every_field_has_a_flag() -> None:
    named = {flag.field for flag in FLAGS} | {"enable_prefix_caching"}
    assert named == {field.name for field in fields(ServingOptions)}


def test_only_what_was_given_is_passed_on() -> None:
    assert pour("--sugar", "2") == "2 []\n"
    assert pour("--no-prefix-caching") == "0 [('enable_prefix_caching', False)]\n"
    assert pour("--kv-cache-memory", "2MiB", "--threads", "3") == (
        "0 [('kv_cache_memory_bytes', 2097152), ('num_threads', 3)]\n"
    )


def test_all_at_once() -> None:
    arguments = ["--backend", "reference", "--device", "cpu", "--dtype", "float32", "--max-model-len", "100"]
    arguments += ["--max-num-seqs", "7", "--max-num-batched-tokens", "64", "--kv-cache-memory", "1GiB"]
    arguments += ["--swap-memory", "512MiB", "--block-tokens", "8", "--threads", "1", "--depth", "3"]
    assert pour(*arguments).count("(") == 11


def test_help_tells_defaults() -> None:
    text = " ".join(pour("--help").split())
    assert "--backend [auto|torch|reference|cpu]" in text
    assert "[default: auto]" in text
    assert "[default: as many as there are cups]" in text
    assert "[default: as many as may be used]" in text
    assert "[default: 2048]" in text


@pytest.mark.parametrize(
    ("text", "num_bytes"),
    [
        ("0", 0),
        ("4096", 4096),
        ("4KiB", 4096),
        ("1.5 MiB", 3 << 19),
        ("4GiB", 4 << 30),
        ("4gib", 4 << 30),
        (" 2TiB ", 2 << 40),
    ],
)
def test_sizes(text: str, num_bytes: int) -> None:
    assert size(text) == num_bytes


@pytest.mark.parametrize("text", ["4GB", "4G", "-1", "1.5", "", "GiB", "4 GiB of it", "1e9", "0x10", "4.GiB"])
def test_what_is_no_size(text: str) -> None:
    with pytest.raises(click.BadParameter, match="give whole bytes, or a number with KiB, MiB, GiB, TiB"):
        size(text)


@pytest.mark.parametrize(
    ("arguments", "advice"),
    [
        (("--swap-memory", "4GB"), "Invalid value for '--swap-memory': '4GB' is not a size"),
        (("--dtype", "int3"), "'auto', 'float32', 'float16', 'bfloat16'"),
        (("--depth", "0"), "0 is not in the range x>=1"),
    ],
)
def test_a_mistake_is_told_with_what_is_allowed(arguments: tuple[str, ...], advice: str) -> None:
    assert advice in pour(*arguments, expect=2)
