"""`weft serve`: a model behind the routes of OpenAI's API."""

import asyncio
import logging
import sys
import time
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from weft.cli.answering_options import answering_options
from weft.cli.cluster_options import check_cluster, cluster_options, cluster_settings
from weft.cli.config_option import config_option
from weft.cli.emulation_options import check_emulation, emulated_name, emulation_options, load_emulated
from weft.cli.mistakes import NearChoice
from weft.cli.model_options import model_options
from weft.cli.policy_options import chosen_policies
from weft.cli.serve_options import caller_options, checked_keys, objective
from weft.contracts.options import serving_options
from weft.llm.model_path import resolve_model
from weft.model_specs.builtin import DEFAULT, NAMES
from weft.model_specs.gguf_header import is_gguf

if TYPE_CHECKING:
    from weft.llm.language_model import LanguageModel
    from weft.server.state import ServerState

LEVELS = ("debug", "info", "warning", "error")
log = logging.getLogger("weft.server")


@click.command()
@click.argument("model", required=False)
@config_option("serve")
@click.option("--host", default="127.0.0.1", show_default=True, help="Address to listen on.")
@click.option(
    "--port",
    type=click.IntRange(0, 65535),
    default=8000,
    show_default=True,
    help="To listen on; 0: any that is free.",
)
@cluster_options
@caller_options
@answering_options
@click.option(
    "--stalled-after",
    "stalled_after_s",
    type=click.FloatRange(min=0, min_open=True),
    default=60.0,
    show_default=True,
    help="Seconds without the end of a step after which /health reports a busy engine as stuck.",
)
@click.option(
    "--shutdown-timeout",
    "shutdown_s",
    type=click.FloatRange(min=0),
    default=30.0,
    show_default=True,
    help="Seconds for requests under way once the server is to stop; then they end with an error.",
)
@click.option(
    "--send-timeout",
    "send_s",
    type=click.FloatRange(min=0, min_open=True),
    default=60.0,
    show_default=True,
    help="Seconds for a client to read some of what waits for it; then its connection ends.",
)
@click.option(
    "--log-level", type=NearChoice(LEVELS), default="info", show_default=True, help="Of what to log."
)
@click.option(
    "--dry-run", is_flag=True, help="Say whether it fits and how many blocks there are; serve nothing."
)
@emulation_options
@model_options()
def command(
    model: str | None,
    names: tuple[str, ...],
    dry_run: bool,
    log_level: str,
    given: dict[str, Any],
    **arguments: Any,
) -> None:
    """Serve MODEL over HTTP, in the protocol of OpenAI's API.

    MODEL is a Hugging Face directory, a .gguf file, ORG/NAME of huggingface.co, or one that comes with Weft:
    weft-tiny, which is the default, or weft-nano, its draft.

    SIGTERM or Ctrl-C ends what runs and stops; a second one stops at once.
    """
    _log_to_stderr(log_level)
    if arguments["emulate"] is not None:
        _emulate(model, names, given, arguments, dry_run=dry_run)
        return
    directory = resolve_model(model)
    if dry_run:
        _tell_plan(directory, given, arguments)
        return
    chosen, cluster = prepared(given, arguments), cluster_settings(arguments)

    def load() -> "LanguageModel":
        return _load(directory, chosen, cluster)

    _serve(str(directory), names or (default_name(model, directory),), load, arguments)


def default_name(model: str | None, directory: Path) -> str:
    """What clients call a model: ORG/NAME stays; of a path, the last part: where a model lies is nobody's business."""
    if model is None or model in NAMES:
        return model or DEFAULT
    if is_gguf(directory):
        return directory.stem
    return directory.resolve().name or "model" if Path(model).is_dir() else model.partition("@")[0]


def _log_to_stderr(level: str) -> None:
    """Libraries tell of trouble only."""
    logging.basicConfig(stream=sys.stderr, format="%(asctime)s %(levelname)s %(message)s", force=True)
    logging.getLogger("weft").setLevel(level.upper())


def _tell_plan(directory: Path, given: dict[str, Any], arguments: dict[str, Any]) -> None:
    from weft.executor.serving_plan import plan_serving
    from weft.executor.shared_machine import plan_share
    from weft.llm.prompting import Prompting
    from weft.server.announcement import describe_plan

    check_emulation(arguments)
    replicas, files = arguments["replicas"], (arguments["tokenizer"], arguments["chat_template"])
    if replicas == 1:
        plan = plan_serving(directory, serving_options(given))
    else:
        plan, _ = plan_share(directory, given, replicas)
    Prompting(directory, plan.spec.vocab_size, plan.max_model_len, *files)
    click.echo("\n".join(describe_plan(plan, str(directory))))
    click.echo("it fits" if replicas == 1 else f"it fits {replicas} times")


def _emulate(
    model: str | None,
    names: tuple[str, ...],
    given: dict[str, Any],
    arguments: dict[str, Any],
    *,
    dry_run: bool,
) -> None:
    from weft.server.announcement import describe_serving

    chosen = prepared(given, arguments)
    llm, name = load_emulated(model, arguments, chosen, cluster_settings(arguments)), emulated_name(model)
    if dry_run:
        click.echo("\n".join(describe_serving(llm, name)))
        return
    log.warning("no model computes: steps take as long as on %s", llm.emulates)
    _serve(name, names or (name,), lambda: llm, arguments)


def _serve(
    described: str, names: tuple[str, ...], load: Callable[[], "LanguageModel"], arguments: dict[str, Any]
) -> None:
    begun_s = time.perf_counter()
    from weft.server.http.patience import Patience
    from weft.server.lifecycle import listen, serve
    from weft.server.state import ServerSettings, ServerState

    log.debug("import of the HTTP part: %.2f s", time.perf_counter() - begun_s)
    host, is_open = arguments["host"], arguments["allow_unauthenticated"]
    settings = ServerSettings(
        names, _keys(arguments), arguments["stalled_after_s"], allow_unauthenticated=is_open
    )
    state = ServerState(settings)
    listener = listen(host, arguments["port"])
    port = listener.getsockname()[1]

    def announce(llm: "LanguageModel") -> None:
        _announce(llm, described, state, _url(host, port), time.perf_counter() - begun_s)

    patience = Patience(shutdown_s=arguments["shutdown_s"], send_s=arguments["send_s"])
    asyncio.run(serve(listener, state, load, announce, patience))


def _url(host: str, port: int) -> str:
    reachable = {"0.0.0.0": "127.0.0.1", "::": "::1", "": "127.0.0.1"}.get(host, host)
    return f"http://[{reachable}]:{port}" if ":" in reachable else f"http://{reachable}:{port}"


def _keys(arguments: dict[str, Any]) -> tuple[str, ...]:
    return checked_keys(
        arguments["host"],
        arguments["api_keys"],
        arguments["api_key_file"],
        allow_unauthenticated=arguments["allow_unauthenticated"],
    )


def prepared(given: dict[str, Any], arguments: dict[str, Any]) -> dict[str, Any]:
    """What `AsyncLLM` takes beside the model.

    Raises `ConfigurationError` for what cannot be, before the port is taken; `weft config check` asks here, too.
    """
    _keys(arguments)
    check_cluster(arguments)
    check_emulation(arguments)
    serving_options(given)
    names = ("tokenizer", "chat_template", "tool_format", "max_queue_delay_s")
    named = {name: arguments[name] for name in names} | {"policies": chosen_policies(arguments)}
    within = objective(arguments["slo_ttft_ms"], arguments["slo_tpot_ms"])
    return given | named | {"objective": within}


def _load(directory: Path, options: dict[str, Any], cluster: dict[str, Any] | None) -> "LanguageModel":
    """`cluster`: what `ClusterLLM` takes beside the options, where there are several replicas."""
    from weft.llm.async_llm import AsyncLLM
    from weft.llm.cluster_llm import ClusterLLM

    begun_s = time.perf_counter()
    import weft.executor.loading  # noqa: F401  # to tell its time apart: it brings torch

    imported_s = time.perf_counter()
    log.debug("import of torch and the engine: %.2f s", imported_s - begun_s)
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("default", UserWarning)
        llm = (
            AsyncLLM(directory, **options) if cluster is None else ClusterLLM(directory, **cluster, **options)
        )
    for warning in caught:
        log.warning("%s", warning.message)
    log.debug("weights, cache and tokenizer: %.2f s", time.perf_counter() - imported_s)
    return llm


def _announce(llm: "LanguageModel", described: str, state: "ServerState", url: str, took_s: float) -> None:
    from weft.llm.cluster_llm import ClusterLLM
    from weft.server.announcement import describe_serving, lines_to_try

    settings = state.settings
    names = ", ".join(settings.model_names)
    answered = "anybody" if settings.allow_unauthenticated else "only this machine"
    keys = "required" if settings.api_keys else f"none; {answered} is answered"
    click.echo("\n".join(describe_serving(llm, described)))
    if isinstance(llm, ClusterLLM):
        click.echo(f"replicas   {llm.num_replicas}; router {llm.router}")
    click.echo(f"server     model name {names}; API key {keys}")
    click.echo(f"\nready after {took_s:.1f} s: {url}\n\nTry:\n")
    for line in lines_to_try(llm, url, settings.model_names[0], needs_key=bool(settings.api_keys)):
        click.echo(f"  {line}\n")
    sys.stdout.flush()
