"""Flags of verbs that ask for text become fields of `SamplingParams`, and only those that were given."""

import ast
from dataclasses import fields
from typing import Any

import click
import pytest
from click.testing import CliRunner

from tests.llm.tiny_model import make_model
from weft.cli.sampling_options import FLAGS, bias, complete_sampling, sampling_options
from weft.contracts.errors import InvalidRequest
from weft.contracts.requests import SamplingParams
from weft.llm.prompting import ContextLengthExceeded, Prompting


@click.command()
@sampling_options(without=("n",))
def pour(sampling: dict[str, Any]) -> None:
    """Show what was given."""
    click.echo(repr(sorted(sampling.items())))


@pytest.fixture(scope="module")
def prompting(tmp_path_factory: pytest.TempPathFactory) -> Prompting:
    return Prompting(make_model(tmp_path_factory.mktemp("models") / "tiny"), 400, 128)


def given(*arguments: str) -> Any:
    outcome = CliRunner().invoke(pour, arguments, catch_exceptions=False)
    assert outcome.exit_code == 0, outcome.output
    return dict(ast.literal_eval(outcome.output))


def test_every_field_has_a_flag() -> None:
    """But for `constraint`, which has flags of its own."""
    assert {flag.field for flag in FLAGS} | {"constraint"} == {field.name for field in fields(SamplingParams)}


def test_only_what_was_given_is_passed_on() -> None:
    assert given() == {}
    assert given("--top-k", "0", "--temperature", "0", "--seed", "0") == {
        "top_k": 0,
        "temperature": 0.0,
        "seed": 0,
    }
    assert given("--ignore-eos", "--logprobs", "0") == {"ignore_eos": True, "logprobs": 0}
    assert given("--keep-special-tokens") == {"skip_special_tokens": False}


def test_lists_are_given_one_by_one() -> None:
    assert given("--stop", "a", "--stop", "b\n", "--stop-token-id", "3", "--logit-bias", "5=-1.5") == {
        "stop": ("a", "b\n"),
        "stop_token_ids": (3,),
        "logit_bias": {5: -1.5},
    }


def test_a_field_left_out_has_no_flag() -> None:
    outcome = CliRunner().invoke(pour, ["--n", "2"])
    assert outcome.exit_code == 2


@pytest.mark.parametrize("text", ["5", "=1", "5=", "a=1", "5=b", "5:1", ""])
def test_what_is_no_bias(text: str) -> None:
    with pytest.raises(click.BadParameter, match=r"give a token id and a number: 50=-2.5"):
        bias(text)


@pytest.mark.parametrize("arguments", [("--temperature", "-1"), ("--max-tokens", "-1"), ("--stop", "")])
def test_values_out_of_range_are_refused_before_a_model_is_loaded(arguments: tuple[str, str]) -> None:
    with pytest.raises(InvalidRequest, match=f"{arguments[0][2:].replace('-', '_')} is "):
        CliRunner().invoke(pour, arguments, catch_exceptions=False)


def test_the_models_defaults_hold_for_the_rest(prompting: Prompting) -> None:
    plain = complete_sampling(prompting, {}, 10)
    assert (plain.temperature, plain.max_tokens, plain.top_p) == (0.5, 40, 1.0)
    assert complete_sampling(prompting, {}, 120).max_tokens == 8
    mixed = complete_sampling(prompting, {"top_p": 0.5, "max_tokens": 300}, 10)
    assert (mixed.temperature, mixed.top_p, mixed.max_tokens) == (0.5, 0.5, 300)
    with pytest.raises(ContextLengthExceeded, match="the prompt has 128 tokens"):
        complete_sampling(prompting, {}, 128)
    with pytest.raises(InvalidRequest, match="min_tokens is 50"):
        complete_sampling(prompting, {"min_tokens": 50}, 10)


def test_beam_search_leaves_the_models_filters_away(prompting: Prompting) -> None:
    assert complete_sampling(prompting, {"beam_width": 2}, 10).temperature == 1.0
