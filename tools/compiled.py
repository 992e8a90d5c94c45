"""A copy of the package in which what a simulation spends its time in is compiled by mypyc.

What it does is the same; only types are checked at run time where they were not, and constructors of records are
written out, see `constructors.py`. What is left out uses what mypyc does not know: an event loop of one's own,
asynchronous generators.

    python tools/compiled.py build/compiled
    PYTHONPATH=build/compiled weft bench simulator
"""

import os
import shutil
import subprocess
import sys
import sysconfig
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tools.constructors import with_constructors

ROOT = Path(__file__).resolve().parents[1]
COMPILED = (
    *("cluster/assignment.py", "cluster/books.py", "cluster/circuit_breaker.py", "cluster/cluster.py"),
    "cluster/inference_replica.py",
    *("cluster/latency_estimate.py", "cluster/link.py", "cluster/member.py", "cluster/membership.py"),
    *("cluster/open_request.py", "cluster/retry_budget.py", "cluster/router.py"),
    *("contracts/events.py", "contracts/execution.py", "contracts/policies.py", "contracts/prompts.py"),
    *("contracts/requests.py", "contracts/state.py", "contracts/steps.py", "contracts/transfers.py"),
    *("costs/kernel_ratios.py", "costs/kernel_terms.py", "costs/profiled_span_costs.py"),
    *("costs/servers.py", "costs/span_costs.py", "costs/step_costs.py", "costs/token_terms.py"),
    "engine/*.py",
    *("measurement/log_histogram.py", "measurement/request_table.py", "measurement/serving_figures.py"),
    *("measurement/simulation.py", "measurement/timeline.py"),
    *("observation/conditions.py", "observation/event_log.py", "observation/faults.py"),
    *("observation/instruments.py", "observation/token_intervals.py"),
    "policies/*.py",
    *("simulator/agenda.py", "simulator/clustered_service.py", "simulator/coasting_driver.py"),
    *("simulator/playing.py", "simulator/prompt_aftermath.py", "simulator/replica_figures.py"),
    "simulator/reporting_coasting_driver.py",
    *("simulator/request_outcome.py", "simulator/service.py", "simulator/simulated_executor.py"),
    *("simulator/simulated_fabric.py", "simulator/simulated_replica.py", "simulator/simulated_rows.py"),
    *("simulator/standing_sums.py", "simulator/step_work.py"),
    *("workloads/arrivals.py", "workloads/audience.py", "workloads/distributions.py"),
    "workloads/generated.py",
    *("workloads/lengths.py", "workloads/limits.py", "workloads/sessions.py", "workloads/shapes.py"),
)
LEFT_OUT = ("engine/client.py", "*/__init__.py")

DIRECT_CALLS = "-fno-semantic-interposition"
"""Else a function in a shared library may be replaced by one of that name elsewhere: it is called by a table, and never
inlined."""


def modules(package: Path) -> list[Path]:
    """What is compiled, in a fixed order."""
    found = [path for pattern in COMPILED for path in sorted(package.glob(pattern))]
    return [path for path in found if not any(path.match(pattern) for pattern in LEFT_OUT)]


def compile_copy(out: Path) -> None:
    """Make `out` anew. Raises `CalledProcessError` where mypyc or the C compiler fails, after it has said why."""
    shutil.rmtree(out, ignore_errors=True)
    shutil.copytree(ROOT / "weft", out / "weft", ignore=shutil.ignore_patterns("__pycache__"))
    for name in ("pyproject.toml", "README.md", "LICENSE"):
        shutil.copy(ROOT / name, out)
    named = [str(path.relative_to(out)) for path in modules(out / "weft")]
    for name in named:
        (out / name).write_text(with_constructors((out / name).read_text()))
    with _emptied(out / "weft" / "__init__.py"):
        environment = os.environ | {"CFLAGS": f"{_flags()} {DIRECT_CALLS}"}
        subprocess.run([sys.executable, "-m", "mypyc", *named], cwd=out, check=True, env=environment)


def _flags() -> str:
    """What is given in place of these is all that the C compiler is told."""
    return os.environ.get("CFLAGS") or sysconfig.get_config_var("CFLAGS") or ""


@contextmanager
def _emptied(path: Path) -> Iterator[None]:
    """Whoever compiles a module reads all that its package imports, which here is everything there is."""
    text = path.read_text()
    path.write_text("")
    yield
    path.write_text(text)


def main() -> None:
    """From the command line: where to."""
    if len(sys.argv) != 2:
        sys.exit("usage: python tools/compiled.py DIRECTORY, which is made anew")
    out = Path(sys.argv[1]).resolve()
    compile_copy(out)
    print(f"{len(modules(out / 'weft'))} modules compiled; use them with PYTHONPATH={out}")


if __name__ == "__main__":
    main()
