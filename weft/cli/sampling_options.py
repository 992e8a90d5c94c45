"""The fields of `SamplingParams` as flags, for every verb that asks a model for text."""

import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from functools import wraps
from typing import TYPE_CHECKING, Any, NamedTuple

import click

from weft.contracts.requests import SamplingParams
from weft.model_specs.generation_config import default_sampling

if TYPE_CHECKING:
    from weft.llm.prompting import Prompting

Decorator = Callable[[Callable[..., Any]], Callable[..., Any]]

BIAS_FORM = "TOKEN=BIAS"


def bias(text: str) -> tuple[int, float]:
    """A token id and what is added to its logit. Fails on everything else, saying what is allowed."""
    token, equals, number = text.partition("=")
    try:
        if equals:
            return int(token), float(number)
    except ValueError:
        pass
    raise click.BadParameter(f"{text!r} is not {BIAS_FORM}; give a token id and a number: 50=-2.5")


class Flag(NamedTuple):
    """One field of `SamplingParams` on the command line. `default`: its words in the help; without any,
    the field's own default where the model recommends none. `flag`: where it is not the field's own name. `value`: of a
    flag that takes none."""

    field: str
    kind: Any
    help_text: str
    default: str = ""
    flag: str = ""
    multiple: bool = False
    value: bool = True

    def option(self) -> Decorator:
        """As click wants it. The value is None, or no values, where it is not given."""
        name = self.flag or f"--{self.field.replace('_', '-')}"
        shown = self.default or str(getattr(SamplingParams(), self.field))
        text = self.help_text if self.multiple else f"{self.help_text}  [default: {shown}]"
        if self.kind is bool:
            return click.option(
                name, self.field, is_flag=True, flag_value=self.value, default=None, help=self.help_text
            )
        return click.option(
            name,
            self.field,
            type=self.kind,
            multiple=self.multiple,
            default=None,
            help=text,
            metavar=BIAS_FORM if self.kind is bias else None,
        )


MODELS = "the model's, else "
FLAGS = (
    Flag(
        "max_tokens",
        int,
        "Most tokens of an output.",
        "the model's, else 256; at most what there is room for",
    ),
    Flag("temperature", float, "0 takes the likeliest token.", MODELS + "1.0"),
    Flag("top_p", float, "Only the likeliest tokens that together have this probability.", MODELS + "1.0"),
    Flag("top_k", int, "Only so many of the likeliest tokens; 0: all.", MODELS + "0"),
    Flag("min_p", float, "Only tokens at least so likely, relative to the likeliest.", MODELS + "0.0"),
    Flag("seed", int, "Names the noise of sampling.", "follows from the number of the request"),
    Flag("stop", str, "A text before which an output ends; may be repeated.", multiple=True),
    Flag("n", int, "Outputs of each prompt."),
    Flag("beam_width", int, "Above 1: search for the likeliest output."),
    Flag("min_tokens", int, "No end before so many tokens."),
    Flag("ignore_eos", bool, "The model's own end of sequence does not end an output."),
    Flag(
        "stop_token_ids",
        int,
        "A token that ends an output; may be repeated.",
        flag="--stop-token-id",
        multiple=True,
    ),
    Flag("repetition_penalty", float, "Divides the logits of tokens that were there.", MODELS + "1.0"),
    Flag("presence_penalty", float, "Taken from the logits of tokens of the output, once."),
    Flag("frequency_penalty", float, "Taken from them for each time."),
    Flag("logit_bias", bias, "Added to a token's logit; may be repeated.", multiple=True),
    Flag("logprobs", int, "Tell log-probabilities, and of this many likeliest tokens.", "none"),
    Flag("prompt_logprobs", int, "Tell those of the prompt too, and of this many likeliest tokens.", "none"),
    Flag(
        "skip_special_tokens",
        bool,
        "Special tokens stay in the text of outputs.",
        flag="--keep-special-tokens",
        value=False,
    ),
)


def sampling_options(without: Sequence[str] = ()) -> Decorator:
    """Give a command the flags of `SamplingParams` but those of some fields; it gets one argument, `sampling`: the
    fields that were named, by name, for `complete_sampling`. Values out of range raise `InvalidRequest`."""
    flags = [flag for flag in FLAGS if flag.field not in without]

    def decorate(command: Callable[..., Any]) -> Callable[..., Any]:
        @wraps(command)
        def with_sampling(**arguments: Any) -> Any:
            named = {flag.field: arguments.pop(flag.field) for flag in flags}
            given = {field: value for field, value in named.items() if value not in (None, ())}
            if "logit_bias" in given:
                given["logit_bias"] = dict(given["logit_bias"])
            # Before a model is loaded, which takes its time; how many tokens there is room for is not known yet.
            SamplingParams(**{"max_tokens": sys.maxsize, **given})
            return command(sampling=given, **arguments)

        decorated: Callable[..., Any] = with_sampling
        for flag in reversed(flags):
            decorated = flag.option()(decorated)
        return decorated

    return decorate


def complete_sampling(prompting: "Prompting", given: Mapping[str, Any], prompt_tokens: int) -> SamplingParams:
    """What was given; for the rest the model's defaults, with as many tokens as there is room for up to their
    limit. Raises `InvalidRequest` where there is no room, or values contradict each other."""
    room = prompting.complete(None, prompt_tokens)
    # Beam search ranks by the model's own probabilities: filters that the model recommends have no meaning there.
    is_search = given.get("beam_width", 1) > 1
    base = SamplingParams() if is_search else default_sampling(prompting.defaults)
    return replace(base, **{"max_tokens": room.max_tokens, **given})
