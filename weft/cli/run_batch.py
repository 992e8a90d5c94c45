"""`weft run-batch`: a file of requests answered without a server."""

import asyncio
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click
from tqdm import tqdm

from weft.cli.answering_options import answering_options
from weft.cli.asking import load, notice
from weft.cli.model_options import model_options
from weft.cli.serve import default_name
from weft.contracts.errors import ConfigurationError
from weft.contracts.options import serving_options
from weft.llm.model_path import resolve_model

if TYPE_CHECKING:
    from weft.llm.async_llm import AsyncLLM
    from weft.server.batch.run import BatchCounts

EXIT_SOME_FAILED = 1
AHEAD = 2
"""Requests under way per sequence that may run: some wait, so that the engine never does."""


@click.command()
@click.argument("model", required=False)
@click.option(
    "-i",
    "--input",
    "input_path",
    required=True,
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    help="Of requests, one JSON object per line: custom_id, method, url, body.",
)
@click.option(
    "-o",
    "--output",
    "output_path",
    required=True,
    type=click.Path(dir_okay=False, path_type=Path),
    help="For answers, one per line, as they come.",
)
@click.option(
    "--resume", is_flag=True, help="Skip each custom_id that the output has, and go on with the rest."
)
@answering_options
@model_options()
def command(
    model: str | None,
    input_path: Path,
    output_path: Path,
    resume: bool,
    names: tuple[str, ...],
    given: dict[str, Any],
    **choices: Any,
) -> int:
    """Answer a file of requests by MODEL, in the format of OpenAI's batches.

    MODEL is a Hugging Face directory, a .gguf file, ORG/NAME of huggingface.co, or one that comes with Weft:
    weft-tiny, which is the default, or weft-nano, its draft.

    Ends with 1 where a request failed. What was interrupted goes on by --resume.
    """
    if output_path.exists() and output_path.samefile(input_path):
        raise ConfigurationError(f"{output_path} is the input too; name another --output")
    directory = resolve_model(model)
    serving_options(given)
    batch = _Batch(input_path, output_path, resume=resume)
    tool_format = {"tool_format": choices["tool_format"]}
    llm = load(directory, {**given, **tool_format}, choices["tokenizer"], choices["chat_template"])
    counts = asyncio.run(batch.run(llm, names or (default_name(model, directory),)))
    click.echo(
        f"{counts.answered:,} answered, {counts.failed:,} failed, {counts.skipped:,} skipped; see {output_path}",
        err=True,
    )
    return EXIT_SOME_FAILED if counts.failed else 0


class _Batch:
    """One run of the verb. Raises `ConfigurationError` at once for files that will not do."""

    def __init__(self, input_path: Path, output_path: Path, *, resume: bool) -> None:
        from weft.server.batch.lines import count_lines
        from weft.server.batch.output import answered_ids, open_output

        self._input_path = input_path
        self._num_lines = count_lines(input_path)
        self._done = answered_ids(output_path) if resume else set()
        self._output = open_output(output_path, resume=resume)

    async def run(self, llm: "AsyncLLM", names: tuple[str, ...]) -> "BatchCounts":
        """Answer all that is not answered yet."""
        from weft.server.batch.lines import read_lines
        from weft.server.batch.output import write_line
        from weft.server.batch.run import BatchRun
        from weft.server.state import ServerSettings, ServerState

        async with llm:
            state = ServerState(ServerSettings(names))
            state.model_is_ready(llm)
            with (
                self._output as output,
                self._input_path.open("rb") as lines,
                tqdm(total=self._num_lines, unit="request", disable=None, leave=False) as bar,
            ):
                run = BatchRun(
                    state, self._done, lambda line: write_line(output, line), self._tell, bar.update
                )
                await run.run(read_lines(lines), AHEAD * llm.serving.config.max_running)
        return run.counts

    def _tell(self, line: int, problem: str) -> None:
        with tqdm.external_write_mode():
            notice(f"{self._input_path} line {line}: {problem}")
