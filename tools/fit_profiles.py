"""Derive the compact profiles of `weft/costs/profiles/shipped` from tables of measured kernels.

    python tools/fit_profiles.py PROFILES [NAME ...]
    python tools/fit_profiles.py PROFILES [NAME ...] --check
    python tools/fit_profiles.py --table

PROFILES is a folder with aiconfigurator/ and llmservingsim/ (see docs/profiles.md). What is written are ratios at knots
and errors at a fifth of the configurations, to which nothing was fitted; no row of a table is kept. `--check` writes
nothing and fails where what ships is not what would be derived. `--table` prints the errors of what ships.
"""

import argparse
import json
import sys
from collections.abc import Iterator
from math import isclose
from pathlib import Path
from typing import Any

import torch

from tools.profile_fits import compact_errors, errors_at, fit, is_held_out, is_served, summary
from weft.costs.profiles.bench import Measured
from weft.costs.profiles.find import SHIPPED, description, relative_to, surfaces_of
from weft.costs.profiles.interpolation import Surface
from weft.costs.profiles.points import Family, family_of
from weft.costs.profiles.tables import NAMES, Tables, surface_through
from weft.hardware.catalogue import find_cluster

TARGET = Path(__file__).resolve().parents[1] / "weft" / "costs" / "profiles" / "shipped"
AGREEMENT = 0.02
"""To which share derived figures have to be those that ship: sums on another machine differ in their last digits."""

CITATIONS = {
    "aiconfigurator": "ai-dynamo/aiconfigurator, commit 095f58a, Apache-2.0",
    "llmservingsim": "casys-kaist/LLMServingSim, profiler/perf, MIT",
}


def main() -> None:
    """Fit all devices or those named, check them, or print the table of errors."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("profiles", type=Path, nargs="?")
    parser.add_argument("names", nargs="*", default=list(SHIPPED.values()))
    parser.add_argument("--check", action="store_true")
    parser.add_argument("--table", action="store_true")
    arguments = parser.parse_args()
    if arguments.table:
        print(error_table())
        return
    torch.set_num_threads(1)
    changed = [name for name in arguments.names if not _derived(arguments.profiles, name, arguments.check)]
    if changed:
        sys.exit(f"not what ships: {', '.join(changed)}")


def _derived(directory: Path, name: str, check: bool) -> bool:
    """Whether what ships is what is derived; it is after writing."""
    data = fitted(Tables(directory, find_cluster(name)))
    if check:
        return agree(data, description(name))
    (TARGET / f"{name}.json").write_text(written(data), encoding="utf-8")
    print(name, data["relative_error"], data["table_relative_error"])
    return True


def fitted(tables: Tables) -> dict[str, Any]:
    """A profile as it ships."""
    surfaces, compact, raw = dict[str, Any](), list[float](), list[float]()
    for name in NAMES:
        family = family_of(name)
        measured = [each for each in tables.measured(name) if is_served(family, each)]
        if not measured:
            continue
        surfaces[name], errors = _surface(family, measured)
        surfaces[name]["borrowed"] = tables.borrows(family)
        if name.endswith(("bfloat16", "reduce")) and not tables.borrows(family):
            compact += errors[0]
            raw += errors[1]
    return {
        "device": tables.cluster.device.name,
        "profile": _title(tables),
        "sources": _sources(tables),
        "relative_to": relative_to(tables.cluster),
        "relative_error": _share(summary(compact).of_four_fifths),
        "table_relative_error": _share(summary(raw).of_four_fifths),
        "surfaces": surfaces,
    }


def _surface(
    family: Family, measured: list[Measured]
) -> tuple[dict[str, Any], tuple[list[float], list[float]]]:
    """The surface with its errors where nothing was fitted, and these errors one by one: compact, interpolated."""
    known = [each for each in measured if not is_held_out(each)]
    held_out = [each for each in measured if is_held_out(each)]
    surface = fit(family, known)
    compact = compact_errors(family, _only(surface), held_out)
    through = surface_through(known)
    assert through is not None, "something was measured"
    raw = errors_at(through, ((each.point, each) for each in held_out))
    roofline = [each.roofline_s / each.seconds - 1.0 for each in held_out]
    surface["measured"] = len(measured)
    surface["errors"] = {
        form: [_share(share) for share in (errors.median, errors.of_nine_tenths)]
        for form, errors in (
            ("compact", summary(compact)),
            ("tables", summary(raw)),
            ("roofline", summary(roofline)),
        )
    }
    return surface, (compact, raw)


def _only(surface: dict[str, Any]) -> Surface:
    return surfaces_of({"surfaces": {"only": surface}})["only"]


def _share(error: float) -> float:
    return round(error, 3)


def _title(tables: Tables) -> str:
    names = [name for name in CITATIONS if _files(tables, name)]
    versions = dict.fromkeys(path.parent.name for path in tables.files() if path.parent.parent.name == "vllm")
    version = "".join(f" {each}" for each in versions)
    citations = " and ".join(CITATIONS[name].split(",")[0] for name in names)
    return f"vLLM{version} kernels on {tables.cluster.device.name} ({citations}), compact fit"


def _sources(tables: Tables) -> dict[str, list[str]]:
    """By citation, the files."""
    return {CITATIONS[name]: _files(tables, name) for name in CITATIONS if _files(tables, name)}


def _files(tables: Tables, name: str) -> list[str]:
    paths = (path.relative_to(tables.directory) for path in tables.files())
    return [path.as_posix() for path in paths if path.parts[0] == name]


def written(data: dict[str, Any]) -> str:
    """As JSON, with each list of numbers on a line."""
    lists = dict[str, str]()
    marked = json.dumps(_marked(data, lists), indent=1)
    for mark, text in lists.items():
        marked = marked.replace(f'"{mark}"', text)
    return marked + "\n"


def _marked(value: Any, lists: dict[str, str]) -> Any:
    if isinstance(value, dict):
        return {key: _marked(each, lists) for key, each in value.items()}
    if isinstance(value, list) and not any(isinstance(each, str) for each in value):
        mark = f"<list {len(lists)}>"
        lists[mark] = json.dumps(value)
        return mark
    return value


def agree(one: Any, other: Any) -> bool:
    """Whether two descriptions say the same, numbers within `AGREEMENT`."""
    if isinstance(one, dict):
        return list(one) == list(other) and all(agree(one[key], other[key]) for key in one)
    if isinstance(one, list):
        return len(one) == len(other) and all(map(agree, one, other))
    if isinstance(one, float):
        return isclose(one, other, rel_tol=AGREEMENT, abs_tol=0.002)
    return bool(one == other)


def error_table() -> str:
    """Markdown: of each surface of each profile, medians and 90th percentiles of errors."""
    lines = [
        "| device | kernels | measured | numbers | compact | tables | roofline |",
        "|---|---|---|---|---|---|---|",
    ]
    return "\n".join([*lines, *(row for name in SHIPPED.values() for row in _rows(name))])


def _rows(name: str) -> Iterator[str]:
    for surface, each in description(name)["surfaces"].items():
        if not each["borrowed"]:
            errors = (" / ".join(f"{100 * share:.1f}" for share in pair) for pair in each["errors"].values())
            cells = (
                name,
                surface.replace("_", " "),
                f"{each['measured']:,}",
                f"{len(each['ratios'])}",
                *errors,
            )
            yield f"| {' | '.join(cells)} |"


if __name__ == "__main__":
    main()
