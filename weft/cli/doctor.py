"""`weft doctor`: what is wrong with this machine or a model, and what to do about it."""

import os
import socket
import sys
from collections.abc import Iterator
from importlib.util import find_spec
from pathlib import Path

import click

from weft.cli.doctor_checks import CHECKS, GIBIBYTE, Facts, Finding, Level
from weft.cli.machine_facts import find_torch, has_nvidia_device, hub_cache, instruction_sets, kernel_level
from weft.cli.mistakes import split_advice
from weft.contracts.errors import WeftError
from weft.contracts.options import ServingOptions
from weft.executor.limits import available_memory_bytes, available_processors
from weft.llm.model_path import resolve_model

DEFAULT_PORT = 8000
WHAT_A_MODEL_HAS = "give a directory with config.json and *.safetensors, as transformers saves them"


@click.command()
@click.argument("model", required=False)
def command(model: str | None) -> None:
    """Check this machine; with MODEL, also whether that could be loaded (nothing is downloaded).

    Each finding comes with one thing to do. The exit code is 1 where there is a problem, else 0: advice is not
    one.
    """
    facts = gather()
    findings = [check(facts) for check in CHECKS]
    if model is not None and not isinstance(facts.torch, str):
        findings += check_model(model)
    for finding in findings:
        click.echo(f"{finding.level.value:7}  {finding.text}")
        if finding.fix:
            click.echo(f"{'':7}  → {finding.fix}")
    if any(finding.level is Level.PROBLEM for finding in findings):
        sys.exit(1)


def gather(port: int = DEFAULT_PORT) -> Facts:
    """The facts of this machine and this process."""
    cache = hub_cache()
    return Facts(
        python=sys.version_info[:3],
        torch=find_torch(),
        kernel_level=kernel_level(),
        has_numpy=find_spec("numpy") is not None,
        memory_bytes=available_memory_bytes(),
        cores=available_processors(),
        environment=dict(os.environ),
        instruction_sets=instruction_sets(),
        has_nvidia_device=has_nvidia_device(),
        port=port,
        is_port_free=is_port_free(port),
        cache=str(cache),
        is_cache_writable=can_write(cache),
    )


def is_port_free(port: int) -> bool:
    """Whether a server could listen there on the loopback device."""
    with socket.socket() as listener:
        # As servers do it: a port whose last connections linger is free.
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            listener.bind(("127.0.0.1", port))
        except OSError:
            return False
    return True


def can_write(directory: Path) -> bool:
    """Whether files can be made there, or the directory itself where it is not there yet."""
    existing = next(path for path in (directory, *directory.absolute().parents) if path.exists())
    return existing.is_dir() and os.access(existing, os.W_OK | os.X_OK)


def check_model(model: str) -> Iterator[Finding]:
    """Whether a model could be loaded, by its files' headers, and would fit."""
    from weft.executor.inspection import inspect_checkpoint
    from weft.executor.serving_plan import plan_serving
    from weft.llm.prompting import Prompting

    try:
        directory = resolve_model(model, may_download=False)
        spec = inspect_checkpoint(directory)
        yield Finding(Level.OK, f"{model}: all weights are there, {spec.num_parameters:,} parameters")
        plan = plan_serving(directory, ServingOptions())
        needed = f"{plan.weights_bytes / GIBIBYTE:.2f} GiB of {plan.free_bytes / GIBIBYTE:.1f} free"
        yield Finding(
            Level.OK, f"{model}: it fits into memory ({needed}), with the cache for a whole sequence"
        )
        prompting = Prompting(directory, spec.vocab_size, spec.max_length_tokens)
    except WeftError as error:
        problem, fix = split_advice(f"{model}: {error}")
        yield Finding(Level.PROBLEM, problem, fix or WHAT_A_MODEL_HAS)
        return
    yield _check_text(
        model, prompting.tokenizer is not None, has_template=prompting.chat_template is not None
    )


def _check_text(model: str, has_tokenizer: bool, *, has_template: bool) -> Finding:
    if not has_tokenizer:
        text = f"{model}: there is no tokenizer, so prompts must be token ids"
        return Finding(Level.ADVICE, text, "give --tokenizer PATH, or put tokenizer.json into the directory")
    if not has_template:
        text = f"{model}: there is no chat template, so it continues texts but does not converse"
        return Finding(Level.ADVICE, text, "give --chat-template PATH for conversations")
    return Finding(Level.OK, f"{model}: tokenizer and chat template can be read")
