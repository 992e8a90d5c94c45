"""From the fields of a request to sampling parameters: what the client says, else the model's own defaults."""

import secrets
from dataclasses import replace

from weft.contracts.requests import SamplingParams
from weft.llm.prompting import ContextLengthExceeded, Prompting
from weft.model_specs.generation_config import default_sampling
from weft.server.errors import ApiError
from weft.server.protocol.fields import GenerationFields

SAME_NAMES = (
    *("n", "temperature", "top_p", "seed", "presence_penalty", "frequency_penalty"),
    *("top_k", "min_p", "repetition_penalty", "min_tokens", "ignore_eos", "prompt_logprobs"),
)
SEED_BITS = 63


def sampling_params(
    body: GenerationFields,
    prompting: Prompting,
    *,
    max_tokens: int,
    logprobs: int | None,
) -> SamplingParams:
    """Parameters for one prompt. Without a seed of the client's each prompt gets one by chance.

    Raises `InvalidRequest` where fields contradict each other.
    """
    given = {name: getattr(body, name) for name in SAME_NAMES if getattr(body, name) is not None}
    given.setdefault("seed", secrets.randbits(SEED_BITS))
    return replace(
        default_sampling(prompting.defaults),
        max_tokens=max_tokens,
        logprobs=logprobs,
        stop=tuple(body.stop or ()),
        stop_token_ids=tuple(body.stop_token_ids or ()),
        logit_bias={int(token): bias for token, bias in (body.logit_bias or {}).items()},
        **given,
    )


def room_tokens(prompting: Prompting, prompt_tokens: int) -> int:
    """The most tokens that an output can have after a prompt. Raises `ContextLengthExceeded` where it has none."""
    room = prompting.max_model_len - prompt_tokens
    if room < 1:
        raise ContextLengthExceeded(
            f"the prompt has {prompt_tokens} tokens, and the model's maximum context length is "
            f"{prompting.max_model_len} tokens, prompt and output; shorten the prompt"
        )
    return room


def check_streaming(body: GenerationFields) -> None:
    """Raises `ApiError` 400 where options of a stream are given without one, or of a whole answer with one."""
    if body.prompt_logprobs is not None and body.stream:
        raise ApiError(
            400, "prompt_logprobs has no place in a stream; leave stream out", param="prompt_logprobs"
        )
    if body.stream_options is not None and not body.stream:
        raise ApiError(
            400, "stream_options is given without stream; set stream to true", param="stream_options"
        )
    options = body.stream_options
    if options is not None and options.continuous_usage_stats and not options.include_usage:
        raise ApiError(
            400,
            "stream_options.continuous_usage_stats is given without include_usage; set that to true too",
            param="stream_options",
        )
