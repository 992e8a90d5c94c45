"""`weft generate`: texts continued by a model."""

import asyncio
import json
import sys
from collections.abc import Mapping, Sequence
from contextlib import aclosing
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from weft.cli.asking import load, notice, tokenizer_option
from weft.cli.constraint_options import constraint_options
from weft.cli.model_options import model_options
from weft.cli.sampling_options import complete_sampling, sampling_options
from weft.contracts.constraints import Constraint
from weft.contracts.errors import InvalidRequest
from weft.contracts.options import ServingOptions
from weft.contracts.requests import SamplingParams
from weft.contracts.steps import TokenLogprobs
from weft.llm.model_path import resolve_model

if TYPE_CHECKING:
    from weft.llm.async_llm import AsyncLLM
    from weft.llm.prompting import Prompting
    from weft.llm.results import CompletionOutput, PromptLogprobs, RequestOutput

Asked = list[tuple[tuple[int, ...], SamplingParams]]


@click.command()
@click.argument("model", required=False)
@click.argument("prompts", metavar="[PROMPT]...", nargs=-1)
@click.option("--json", "as_json", is_flag=True, help="One JSON object per prompt, each on a line.")
@tokenizer_option
@constraint_options
@sampling_options()
@model_options(max_num_seqs="as many as are asked for, at most 256")
def command(
    model: str | None,
    prompts: tuple[str, ...],
    as_json: bool,
    tokenizer: Path | None,
    constraint: Constraint | None,
    sampling: dict[str, Any],
    given: dict[str, Any],
) -> None:
    """Continue each PROMPT by MODEL; without a PROMPT, what is on standard input.

    MODEL is a Hugging Face directory, a .gguf file, ORG/NAME of huggingface.co, or one that comes with Weft:
    weft-tiny, which is the default, or weft-nano, its draft.

    One output is written as it comes. Several are written in the order of the prompts, each below a line that
    says which it is.
    """
    if sampling.keys() & {"logprobs", "prompt_logprobs"} and not as_json:
        raise click.UsageError("log-probabilities are told with --json only; add it")
    if constraint is not None:
        sampling["constraint"] = constraint
    directory = resolve_model(model)
    texts = prompts or (_standard_input(),)
    width = sampling.get("n", 1) * sampling.get("beam_width", 1)
    most = min(len(texts) * width, ServingOptions().max_num_seqs)
    llm = load(directory, {"max_num_seqs": most, **given}, tokenizer)
    asyncio.run(_generate(llm, texts, sampling, as_json=as_json))


def _standard_input() -> str:
    """All of it, as one prompt, without its last line end."""
    stream = sys.stdin.buffer
    if stream.isatty():
        notice("Type a prompt, and Ctrl-D on a line of its own.")
    try:
        text = stream.read().decode()
    except UnicodeDecodeError as error:
        raise InvalidRequest(f"standard input is not UTF-8 ({error}); convert it with iconv") from error
    text = text.removesuffix("\n").removesuffix("\r")
    if not text:
        raise InvalidRequest("there is no prompt; give one as an argument or on standard input")
    return text


async def _generate(
    llm: "AsyncLLM", texts: Sequence[str], sampling: Mapping[str, Any], *, as_json: bool
) -> None:
    async with llm:
        asked = _prepared(llm.prompting, texts, sampling)
        if len(texts) * sampling.get("n", 1) == 1 and not as_json:
            await _print_stream(llm, *asked[0])
        else:
            await _print_all(llm, texts, asked, as_json=as_json)


def _prepared(prompting: "Prompting", texts: Sequence[str], sampling: Mapping[str, Any]) -> Asked:
    """Every prompt's tokens and parameters, before the first is computed: a mistake costs no waiting."""
    asked: Asked = []
    for number, text in enumerate(texts, 1):
        try:
            tokens = prompting.encode(text)
            params = complete_sampling(prompting, sampling, len(tokens))
            prompting.complete(params, len(tokens))
        except InvalidRequest as error:
            raise InvalidRequest(f"prompt {number}: {error}" if len(texts) > 1 else str(error)) from error
        asked.append((tokens, params))
    return asked


async def _print_stream(llm: "AsyncLLM", tokens: Sequence[int], params: SamplingParams) -> None:
    async with aclosing(llm.stream(tokens, params)) as chunks:
        async for chunk in chunks:
            click.echo(chunk.text, nl=False)
    click.echo()


async def _print_all(llm: "AsyncLLM", texts: Sequence[str], asked: Asked, *, as_json: bool) -> None:
    tasks = [asyncio.ensure_future(llm.generate(tokens, params)) for tokens, params in asked]
    try:
        for number, (text, task) in enumerate(zip(texts, tasks, strict=True), 1):
            output = await task
            if as_json:
                click.echo(json.dumps(_described(text, output), ensure_ascii=False, allow_nan=False))
            else:
                _print_texts(output, f"prompt {number}" if len(texts) > 1 else "")
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


def _print_texts(output: "RequestOutput", prompt_name: str) -> None:
    for each in output.outputs:
        output_name = f"output {each.index + 1}" if len(output.outputs) > 1 else ""
        heading = ", ".join(filter(None, (prompt_name, output_name)))
        click.echo(f"[{heading}]\n{each.text}")


def _described(text: str, output: "RequestOutput") -> dict[str, Any]:
    return {
        "prompt": text,
        "prompt_tokens": len(output.prompt_token_ids),
        "outputs": [_described_output(each) for each in output.outputs],
    } | _described_prompt(output.prompt_logprobs)


def _described_prompt(logprobs: "PromptLogprobs | None") -> dict[str, Any]:
    """The first token follows nothing: null."""
    if logprobs is None:
        return {}
    return {"prompt_logprobs": [None if each is None else _described_token(each) for each in logprobs]}


def _described_output(output: "CompletionOutput") -> dict[str, Any]:
    told = {
        "text": output.text,
        "token_ids": output.token_ids,
        "finish_reason": output.finish_reason,
        "stop_reason": output.stop_reason,
    }
    return told | (
        {"logprobs": [_described_token(each) for each in output.logprobs]} if output.logprobs else {}
    )


def _described_token(token: TokenLogprobs) -> dict[str, Any]:
    return token._asdict() | {"likeliest": [candidate._asdict() for candidate in token.likeliest]}
