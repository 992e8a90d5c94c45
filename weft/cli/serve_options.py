"""Flags of `weft serve` that say whom it answers, and how fast."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import click

from weft.cli.model_options import Decorator
from weft.cli.policy_options import policy_options
from weft.contracts.callers import MOST_OBJECTIVE_S
from weft.contracts.errors import ConfigurationError
from weft.contracts.requests import Slo

MILLISECONDS = click.FloatRange(min=0, min_open=True, max=MOST_OBJECTIVE_S * 1000)
FLAGS: tuple[Decorator, ...] = (
    click.option(
        "--api-key",
        "api_keys",
        multiple=True,
        envvar="WEFT_API_KEY",
        hide_input=True,
        metavar="KEY",
        help="One that clients must send; 'TENANT KEY': and that speaks for this tenant only. May be repeated. Also "
        "from WEFT_API_KEY, separated by spaces, for any tenant.",
    ),
    click.option(
        "--api-key-file",
        type=click.Path(path_type=Path),
        help="Of keys, one per line: KEY, or TENANT KEY. Other users cannot read them from the list of processes.",
    ),
    click.option(
        "--allow-unauthenticated", is_flag=True, help="Without keys, answer other machines than this one too."
    ),
    policy_options,
    click.option(
        "--slo-ttft-ms",
        type=MILLISECONDS,
        help="Requests that cannot have their first token within this are refused; headers may say otherwise.",
    ),
    click.option(
        "--slo-tpot-ms",
        type=MILLISECONDS,
        help="No more requests are let in at once than keep each one's time per output token within this.",
    ),
    click.option(
        "--max-queue-delay",
        "max_queue_delay_s",
        type=click.FloatRange(min=0, min_open=True, max=MOST_OBJECTIVE_S),
        default=30.0,
        show_default=True,
        help="Seconds: requests that would wait longer, and ten times as long as their own prompt takes, are refused.",
    ),
)


def caller_options(command: Callable[..., Any]) -> Callable[..., Any]:
    """Give a command these flags."""
    for flag in reversed(FLAGS):
        command = flag(command)
    return command


def checked_keys(
    host: str, api_keys: tuple[str, ...], api_key_file: Path | None, *, allow_unauthenticated: bool
) -> tuple[str, ...]:
    """All keys. Raises `ConfigurationError` for one that is wrong, and where there are none and others could connect,
    unless that is wanted."""
    from weft.server.callers.gate import is_loopback
    from weft.server.callers.keys import ApiKeys, read_key_file

    keys = api_keys + tuple([] if api_key_file is None else read_key_file(api_key_file))
    if ApiKeys(keys) and allow_unauthenticated:
        raise ConfigurationError(
            "--allow-unauthenticated is given, and so is an API key; leave out one of them"
        )
    if not keys and not allow_unauthenticated and not is_loopback(host):
        raise ConfigurationError(
            f"host {host} can be reached from other machines, and there is no API key; add --api-key KEY (or set "
            "WEFT_API_KEY, or give --api-key-file), or listen on 127.0.0.1; --allow-unauthenticated answers anybody"
        )
    return keys


def objective(slo_ttft_ms: float | None, slo_tpot_ms: float | None) -> Slo | None:
    """How fast requests are to be answered, None where nothing is said of it."""
    ttft_s, tpot_s = (None if each is None else each / 1000 for each in (slo_ttft_ms, slo_tpot_ms))
    return None if ttft_s is None and tpot_s is None else Slo(ttft_s, tpot_s)
