"""`weft simulate --sweep`: which values of which flags, and how many processes."""

import re
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

import click
from click.core import ParameterSource
from tqdm import tqdm

from weft.cli.mistakes import nearest
from weft.cli.model_options import size
from weft.contracts.errors import ConfigurationError
from weft.executor.limits import available_processors
from weft.measurement.sweep import Told
from weft.measurement.sweep_plan import Span, Values

AUTO = "auto"
FORMS = "NAME=LOW:HIGH, NAME=LOW:HIGH:POINTS or NAME=VALUE,VALUE"

_SWEEP = re.compile(r"(?:--)?([\w-]+)=(.+)", re.DOTALL)


def read_sweeps(texts: Sequence[str], context: click.Context) -> dict[str, Values]:
    """The values to try, by name of the command's arguments.

    Raises `click.UsageError` for a flag that is no number, that is swept twice, or given besides, and for values that
    the flag itself would refuse.
    """
    options = {_name(option): option for option in context.command.params if _is_number(option)}
    found: dict[str, Values] = {}
    for text in texts:
        if (match := _SWEEP.fullmatch(text.strip())) is None:
            raise click.UsageError(f"--sweep is {text!r}; write {FORMS}")
        name, values = match[1].replace("_", "-"), match[2]
        if name not in options:
            raise click.UsageError(
                f"--sweep {text}: there is no numeric flag --{name}; {_advice(name, list(options))}"
            )
        field = str(options[name].name)
        if field in found:
            raise click.UsageError(f"--sweep names {name} twice; give all its values at once")
        if _is_given(context, field):
            raise click.UsageError(f"--{name} is given and swept over; leave one of the two out")
        found[field] = _values(text, values, options[name])
    return found


def _is_given(context: click.Context, field: str) -> bool:
    """A sweep on the command line goes before a value in a file, as any flag does."""
    source = context.get_parameter_source(field)
    if source is ParameterSource.DEFAULT_MAP:
        return context.get_parameter_source("sweeps") is source
    return source is ParameterSource.COMMANDLINE


def _is_number(option: click.Parameter) -> bool:
    number = isinstance(option.type, (click.types.IntParamType, click.types.FloatParamType))
    return number or getattr(option.type, "func", None) is size


def _name(option: click.Parameter) -> str:
    return option.opts[-1].removeprefix("--")


def _advice(name: str, known: Sequence[str]) -> str:
    near = nearest(name, known)
    return f"did you mean {near}?" if near else f"choose from {', '.join(known)}"


def _values(text: str, values: str, option: click.Parameter) -> Values:
    parts = values.split(":")
    try:
        if len(parts) == 1:
            return [_number(each, option) for each in values.split(",")]
        if len(parts) > 3:
            raise ConfigurationError(f"a range has at most two colons; write {FORMS}")
        low, high = (_number(each, option) for each in parts[:2])
        return Span(low, high, *map(_whole, parts[2:]))
    except (ConfigurationError, click.BadParameter) as error:
        message = error.message.rstrip(".") if isinstance(error, click.BadParameter) else str(error)
        advice = "" if ";" in message else f"; give what --{_name(option)} takes"
        raise click.UsageError(f"--sweep {text}: {message}{advice}") from None


def _number(text: str, option: click.Parameter) -> float:
    """As the flag itself reads it."""
    value: float = option.type.convert(text.strip(), option, None)
    return value


def _whole(text: str) -> int:
    if not text.strip().isdecimal():
        raise ConfigurationError(f"the number of points is {text!r}; give a whole number")
    return int(text)


def job_count(text: str) -> int:
    """A number of processes; auto: as many as there are processors to use. Raises `click.UsageError` for others."""
    if text == AUTO:
        return available_processors()
    if not text.strip().isdecimal() or int(text) < 1:
        raise click.UsageError(f"-j is {text!r}; give a number of processes from 1, or {AUTO}")
    return int(text)


@contextmanager
def points_bar() -> Iterator[Told]:
    """On stderr, where that is a terminal: how many simulations are over."""
    with tqdm(unit="point", disable=None, leave=False) as bar:

        def tell(num_ended: int, num_known: int) -> None:
            bar.total = num_known
            bar.update(num_ended - bar.n)

        yield tell
