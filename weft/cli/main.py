"""The `weft` command. Verbs are named in a table and imported only when they run, so that help is instant."""

import difflib
import errno
import importlib
import os
import sys
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple, NoReturn

import click

from weft.contracts.version import __version__

EXIT_USER_ERROR = 2
EXIT_INTERRUPTED = 130
"""As a shell reports a process that Ctrl-C ended: 128 and the number of the signal."""


class Verb(NamedTuple):
    """A command that is not imported yet.

    `target` is "module:attribute" and names a `click.Command`; without one the verb is a group, whose
    members are the entries under its dotted name. `help` is its line in the listing of commands.
    """

    help: str
    target: str = ""


VERBS: Mapping[str, Verb] = {
    "bench": Verb("Measure this machine and this installation."),
    "bench.cluster": Verb("Time a router, and what a lost replica costs.", "weft.cli.bench_cluster:command"),
    "bench.kernels": Verb(
        "Time linear layers beside the machine's limits.", "weft.cli.bench_kernels:command"
    ),
    "bench.latency": Verb("Time a model's tokens by batch size.", "weft.cli.bench_latency:command"),
    "bench.loop": Verb("Time how late the event loop is.", "weft.cli.bench_loop:command"),
    "bench.overload": Verb("Ask a server for too much.", "weft.cli.bench_overload:command"),
    "bench.policies": Verb("Time what a decision of each policy costs.", "weft.cli.bench_policies:command"),
    "bench.peers": Verb("Time other engines beside Weft.", "weft.cli.bench_peers:command"),
    "bench.peers-serve": Verb(
        "Give other engines and Weft the same load.", "weft.cli.bench_peers_serve:command"
    ),
    "bench.scheduler": Verb("Time what the scheduler costs per step.", "weft.cli.bench_scheduler:command"),
    "bench.serve": Verb("Time what a running server gives a load.", "weft.cli.bench_serve:command"),
    "bench.server": Verb("Time what HTTP costs beside the model.", "weft.cli.bench_server:command"),
    "bench.simulator": Verb("Time how fast a simulation runs.", "weft.cli.bench_simulator:command"),
    "bench.throughput": Verb("Time a load of requests.", "weft.cli.bench_throughput:command"),
    "cache": Verb("Packed weights that were kept for the next start."),
    "cache.clear": Verb("Remove them.", "weft.cli.cache:clear_command"),
    "cache.list": Verb("One line per model and format.", "weft.cli.cache:list_command"),
    "calibrate": Verb("Measure a model on this machine, to simulate it.", "weft.cli.calibrate:command"),
    "campaign": Verb("Let clusters fail in virtual time.", "weft.cli.campaign:command"),
    "chat": Verb("Talk with a model in the terminal.", "weft.cli.chat:command"),
    "compare": Verb("Compare policies on the same requests.", "weft.cli.compare:command"),
    "config": Verb("One file of flags, for weft serve and weft simulate."),
    "config.check": Verb("Say what is wrong with one.", "weft.cli.config:check_command"),
    "config.show": Verb("Say all that one means.", "weft.cli.config:show_command"),
    "convert": Verb("Turn weights of other formats into a directory to serve.", "weft.cli.convert:command"),
    "doctor": Verb("Check this machine and a model; one fix per finding.", "weft.cli.doctor:command"),
    "env": Verb("Tell versions, processors, memory and GPUs.", "weft.cli.env:command"),
    "eval": Verb("Measure what a model can do.", "weft.cli.eval:command"),
    "generate": Verb("Continue texts.", "weft.cli.generate:command"),
    "papers": Verb("Measure what papers claim."),
    "papers.list": Verb("One line per paper.", "weft.cli.papers:list_command"),
    "papers.report": Verb("Claim, measured, verdict, as a page.", "weft.cli.papers:report_command"),
    "papers.run": Verb("Measure a card.", "weft.cli.papers:run_command"),
    "papers.show": Verb("What a card says.", "weft.cli.papers:show_command"),
    "policies": Verb("List policies and their knobs.", "weft.cli.policies:command"),
    "quantize": Verb("Write a model again with fewer bits per weight.", "weft.cli.quantize:command"),
    "run-batch": Verb("Answer a file of requests.", "weft.cli.run_batch:command"),
    "serve": Verb("Serve a model over HTTP.", "weft.cli.serve:command"),
    "simulate": Verb("Predict how a service fares on given hardware.", "weft.cli.simulate:command"),
    "train": Verb("Train a small model by a recipe.", "weft.cli.train:command"),
    "validate": Verb("Compare predictions with what was measured.", "weft.cli.validate:command"),
}


class LazyGroup(click.Group):
    """A group whose commands are the entries of `verbs` directly below `path`, a dotted name ("" at the top).

    Listing reads only the table; a target is imported when its command is called or asked for help.
    """

    def __init__(self, verbs: Mapping[str, Verb], path: str = "", **attributes: Any) -> None:
        super().__init__(**attributes)
        self.verbs = verbs
        self.path = path

    def list_commands(self, ctx: click.Context) -> list[str]:
        parents_and_names = (dotted.rpartition(".")[::2] for dotted in self.verbs)
        return sorted(name for parent, name in parents_and_names if parent == self.path)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        verb = self.verbs.get(self._dotted(cmd_name))
        if verb is None:
            return None
        if not verb.target:
            return LazyGroup(self.verbs, self._dotted(cmd_name), name=cmd_name, help=verb.help)
        return _load(verb.target)

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        rows = [(name, self.verbs[self._dotted(name)].help) for name in self.list_commands(ctx)]
        if rows:
            with formatter.section("Commands"):
                formatter.write_dl(rows)

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        if not args[0].startswith("-") and args[0] not in self.list_commands(ctx):
            self._fail_unknown(ctx, args[0])
        return super().resolve_command(ctx, args)

    def _fail_unknown(self, ctx: click.Context, name: str) -> NoReturn:
        names = self.list_commands(ctx)
        nearest = difflib.get_close_matches(name, names, n=1)
        advice = f"did you mean {nearest[0]!r}?" if nearest else f"choose from: {', '.join(names)}"
        ctx.fail(f"no such command {name!r}; {advice}")

    def _dotted(self, name: str) -> str:
        return f"{self.path}.{name}" if self.path else name


def _load(target: str) -> click.Command:
    module, _, attribute = target.partition(":")
    command = getattr(importlib.import_module(module), attribute)
    if not isinstance(command, click.Command):
        raise TypeError(f"{target} is not a click command; mend the table in {__name__}")
    return command


command_line = click.version_option(__version__, prog_name="weft")(
    LazyGroup(VERBS, name="weft", help="Serve and simulate large language models.")
)


def main(arguments: Sequence[str] | None = None) -> None:
    """Run `weft` with these arguments, by default the process's own.

    A user's mistake ends as one line on stderr, never as a traceback.
    """
    run(command_line, arguments)


def run(command: click.Command, arguments: Sequence[str] | None = None) -> NoReturn:
    """Run a command as `main` does, and exit.

    Code 2 and one line on stderr where it raises a `WeftError` or click refuses the arguments; 130 where it is
    interrupted; 1 without a word where nobody reads what it writes.
    """
    try:
        code = command.main(args=arguments, prog_name="weft", standalone_mode=False)
    except click.exceptions.NoArgsIsHelpError as error:
        error.show()
        sys.exit(EXIT_USER_ERROR)
    except click.ClickException as error:
        from weft.cli.mistakes import explain  # here, so that help imports nothing but click

        _fail(explain(error))
    except (click.Abort, KeyboardInterrupt):
        sys.exit(EXIT_INTERRUPTED)
    except OSError as error:
        if error.errno not in (errno.EPIPE, errno.ENOSPC):
            raise
        _forget_output()
        if error.errno == errno.ENOSPC:
            _fail("there is no space left to write to; make some, or write elsewhere")
        sys.exit(1)
    except Exception as error:
        from weft.contracts.errors import WeftError

        if not isinstance(error, WeftError):
            raise
        _fail(str(error))
    sys.exit(code if isinstance(code, int) else 0)


def _fail(message: str) -> NoReturn:
    click.echo(f"weft: error: {' '.join(message.split())}", err=True)
    sys.exit(EXIT_USER_ERROR)


def _forget_output() -> None:
    """Let what could not be written go nowhere: Python would try once more at its end, and complain."""
    nowhere = os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, sys.stdout.fileno())


if __name__ == "__main__":
    main()
