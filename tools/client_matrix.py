"""Clients that others wrote, run against the server with its built-in model; writes docs/clients.md.

    python tools/client_matrix.py [CLIENT...]

Those whose requirements conflict with ours, or are large, get an environment of their own, `build/clients-NAME`, which
is kept. What each does is in tools/clients/with_NAME.py. Ends with 1 where something fails.
"""

import argparse
import json
import re
import subprocess
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
PAGE = ROOT / "docs" / "clients.md"
CHECK_TIMEOUT_S = 900


@dataclass(frozen=True)
class Client:
    """`packages`: what its own environment holds; none where it runs in this one."""

    name: str
    packages: tuple[str, ...] = ()

    @property
    def module(self) -> str:
        return f"tools.clients.with_{self.name.replace('-', '_')}"


CLIENTS = (
    Client("openai"),
    Client("anthropic"),
    Client("langchain-openai"),
    Client("pydantic-ai"),
    Client("litellm", ("litellm", "mcp")),  # which it imports for tools, and does not require
    Client("instructor", ("instructor",)),
    Client("guidellm", ("guidellm",)),
    Client("curl"),
)


@dataclass(frozen=True)
class Outcome:
    """`state`: "works", "refused" (by design: `told` says with which error) or "fails"."""

    state: str
    told: str


@dataclass(frozen=True)
class Report:
    """What one client found. `versions`: by package."""

    versions: Mapping[str, str]
    features: Mapping[str, Outcome]


def read_report(output: str) -> Report:
    """The report on the last line of a script's output."""
    told = json.loads(output.rstrip().splitlines()[-1])
    features = {name: Outcome(**outcome) for name, outcome in told["features"].items()}
    return Report(told["versions"], features)


def environment(client: Client) -> Path:
    """The interpreter that a client runs in, installed where it is not yet."""
    if not client.packages:
        return Path(sys.executable)
    folder = ROOT / "build" / f"clients-{client.name}"
    python, stamp = folder / "bin" / "python", folder / "installed"
    if not stamp.exists() or stamp.read_text() != " ".join(client.packages):
        subprocess.run([sys.executable, "-m", "venv", folder], check=True)
        subprocess.run(
            [python, "-m", "pip", "install", "--quiet", "--no-input", *client.packages], check=True
        )
        stamp.write_text(" ".join(client.packages))
    return python


@contextmanager
def serving() -> Iterator[str]:
    """The address of a server with the built-in model."""
    command = [sys.executable, "-m", "weft.cli.main", "serve", "weft-tiny", "--port", "0"]
    server = subprocess.Popen(
        [*command, "--log-level", "warning"], stdout=subprocess.PIPE, text=True, cwd=ROOT
    )
    try:
        assert server.stdout is not None
        told = ""
        while (found := re.search(r"^ready after .*: (http\S+)$", told, re.MULTILINE)) is None:
            line = server.stdout.readline()
            if not line:
                raise SystemExit(f"the server ended before it was ready: {told}")
            told += line
        yield found[1]
    finally:
        server.terminate()
        server.communicate()


def run_client(client: Client, url: str) -> Report:
    """What a client finds at this address."""
    command = [str(environment(client)), "-m", client.module, url]
    ran = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=CHECK_TIMEOUT_S)
    if ran.returncode != 0:
        raise SystemExit(f"{client.module} ended with {ran.returncode}: {ran.stderr[-2000:]}")
    if client.name == "curl":
        version = subprocess.run(["curl", "--version"], capture_output=True, text=True, check=True).stdout
        return Report({"curl": version.split()[1]}, read_report(ran.stdout).features)
    return read_report(ran.stdout)


def page(reports: Mapping[str, Report]) -> str:
    """The matrix as Markdown: a row per feature, a column per client."""
    features = list(dict.fromkeys(name for report in reports.values() for name in report.features))
    rows = [[name, *(_cell(report, name) for report in reports.values())] for name in features]
    versions = [[name, _versions(report)] for name, report in reports.items()]
    return "\n\n".join(
        (_HEAD, _table(["", *reports], rows), _LEGEND, _table(["client", "versions"], versions))
    ) + (f"\n\n## Refused by design\n\n{_refusals(reports)}\n")


_HEAD = """# Clients

What libraries and programs that others wrote do with `weft serve` and its built-in model. `make clients` runs them and
writes this page; each line of the table is a function in [`tools/clients`](../tools/clients). The tests run those of
langchain-openai, pydantic-ai and curl too, and more of openai and anthropic."""
_LEGEND = """`works`: the client asked in its own way and took the answer. `refused`: an error by design, which the
client raised as its own. Empty: the client does not have it, or it is not tried.

- `tools`: a call that is demanded; its arguments fit the schema. `streamed tools`: in pieces, which the client joins.
- `structured`: an object of a class, by `response_format` or the protocol's own field.
- `async`: several at once, by the client's asynchronous part.
- `responses`, `messages`: the client speaks that protocol instead of chat completions."""


def _versions(report: Report) -> str:
    return ", ".join(f"{name} {version}" for name, version in report.versions.items())


def _cell(report: Report, feature: str) -> str:
    outcome = report.features.get(feature)
    return "" if outcome is None else outcome.state


def _refusals(reports: Mapping[str, Report]) -> str:
    rows = [
        [name, feature, f"`{outcome.told}`"]
        for name, report in reports.items()
        for feature, outcome in report.features.items()
        if outcome.state == "refused"
    ]
    return _table(["client", "asked for", "what the error says"], rows)


def _table(heads: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    lines = [heads, ["---"] * len(heads), *rows]
    return "\n".join("| " + " | ".join(cell.replace("|", "\\|") for cell in line) + " |" for line in lines)


def main() -> None:
    """Run all clients or those that are named; only a run of all writes the page."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    names = [client.name for client in CLIENTS]
    parser.add_argument("clients", metavar="CLIENT", nargs="*", help=f"of {', '.join(names)}")
    named = parser.parse_args().clients
    if unknown := [name for name in named if name not in names]:
        parser.error(f"there is no client {unknown[0]}; there are {', '.join(names)}")
    chosen = [client for client in CLIENTS if not named or client.name in named]
    reports = {}
    with serving() as url:
        for client in chosen:
            reports[client.name] = run_client(client, url)
            for feature, outcome in reports[client.name].features.items():
                print(f"{client.name:16} {feature:22} {outcome.state:8} {outcome.told}", flush=True)
    if not named:
        PAGE.write_text(page(reports), encoding="utf-8")
    failed = [
        each for report in reports.values() for each in report.features.values() if each.state == "fails"
    ]
    sys.exit(1 if failed else 0)


if __name__ == "__main__":
    main()
