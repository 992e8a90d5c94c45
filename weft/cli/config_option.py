"""`--config`: flags from a file."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import click

from weft.cli.asking import notice
from weft.cli.model_options import Decorator


def config_option(section: str) -> Decorator:
    """Give a command `--config`: what the file says at the top, and in this section, stands for the flags that are not
    given. It goes after the environment, and before defaults. Raises `ConfigurationError` for a file that is wrong."""

    def take(context: click.Context, _: click.Parameter, path: Path | None) -> None:
        if path is None or context.resilient_parsing:
            return
        from weft.cli.config_keys import Configuration  # here, so that nobody else waits for YAML
        from weft.cli.config_places import require

        configuration = Configuration.read(path)
        require(configuration, section)
        for other, keys in configuration.only_for_others(section).items():
            notice(f"weft: note: {path}: for weft {other} alone: {', '.join(keys)}")
        context.default_map = configuration.values(section)

    def decorate(command: Callable[..., Any]) -> Callable[..., Any]:
        return click.option(
            "--config",
            type=click.Path(path_type=Path),
            is_eager=True,
            expose_value=False,
            callback=take,
            help="YAML file with flags as keys; flags that are given win.",
        )(command)

    return decorate
