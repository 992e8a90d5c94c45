"""A validation in lines, as a terminal shows it."""

from collections.abc import Sequence

from weft.measurement.validation.experiment import Experiment
from weft.measurement.validation.figures import Errors, Figure
from weft.measurement.validation.validating import Validation

UNKNOWN = "–"
SHORT = 1.0
"""Seconds below which a latency is shown in milliseconds."""


def describe_against(validation: Validation) -> list[str]:
    """A block for each run, and one for all."""
    machine = validation.machine
    commit = f" ({machine['commit']})" if machine["commit"] else ""
    lines = [f"weft {machine['version']}{commit}, {validation.date}, {machine['processor']}"]
    for experiment in validation.experiments:
        lines += ["", *describe_experiment(experiment)]
    return [*lines, "", *_summary(validation)]


def describe_experiment(experiment: Experiment) -> list[str]:
    """A run: what it was, and what came of it."""
    run, facts = experiment.run, experiment.run.facts
    cut = " ".join(
        f"{axis} {size}" for axis in ("tp", "pp", "dp", "ep", "cp") if (size := getattr(facts, axis)) > 1
    )
    lines = [
        f"{run.name}: {run.num_records} {run.kind}",
        f"  {facts.server} {facts.version}, {facts.model} on {facts.hardware}{f', {cut}' if cut else ''}",
    ]
    if experiment.refusal is not None:
        return [*lines, f"  not predicted: {experiment.refusal}"]
    if experiment.num_unanswered:
        lines.append(
            f"  {experiment.num_unanswered} requests were not answered in the simulation and do not count"
        )
    lines += [f"  {line}" for line in aligned(_figure_rows(experiment.figures))] if experiment.figures else []
    lines += [f"  {line}" for line in aligned(error_rows(experiment.errors))] if experiment.errors else []
    return [*lines, f"  from {experiment.profile}{_interval(experiment)}"]


def _interval(experiment: Experiment) -> str:
    if experiment.relative_error is None or experiment.covered is None:
        return ""
    return f"; {experiment.covered:.0%} within the stated ± {experiment.relative_error:.0%}"


def _summary(validation: Validation) -> list[str]:
    lines = []
    if validation.overall:
        lines += ["all runs", *(f"  {line}" for line in aligned(error_rows(validation.overall)))]
    for kind, (number, share) in validation.covered.items():
        lines.append(
            f"  {share:.0%} of {number} values of {kind} lie within the stated intervals (80 % should)"
        )
    refused = sum(each.refusal is not None for each in validation.experiments)
    return [*lines, f"  {refused} runs could not be predicted"] if refused else lines


def _figure_rows(figures: Sequence[Figure]) -> list[list[str]]:
    rows = [["", "measured", "predicted", "error"]]
    return rows + [
        [each.name, _amount(each, each.measured), _amount(each, each.predicted), f"{each.error:+.1%}"]
        for each in figures
    ]


def _amount(figure: Figure, value: float) -> str:
    if figure.name.endswith("/s"):
        return f"{value:,.1f}"
    return f"{value:,.2f} s" if figure.measured >= SHORT else f"{1e3 * value:,.1f} ms"


def error_rows(errors: Sequence[Errors]) -> list[list[str]]:
    """A head and a row for each: errors without their sign, then the median with it."""
    rows = [["", "number", "median", "90th percentile", "with sign", "of a constant"]]
    for each in errors:
        constant = UNKNOWN
        if each.constant_median is not None and each.constant_p90 is not None:
            constant = f"{each.constant_median:.1%}, {each.constant_p90:.1%}"
        shares = (f"{each.median:.1%}", f"{each.p90:.1%}", f"{each.bias:+.1%}")
        rows.append([each.name, f"{each.number:,}", *shares, constant])
    return rows


def aligned(rows: Sequence[Sequence[str]]) -> list[str]:
    """Columns as wide as their widest cell; the first to the left, the others to the right."""
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    lines = []
    for first, *others in rows:
        cells = [first.ljust(widths[0])]
        cells += [cell.rjust(width) for cell, width in zip(others, widths[1:], strict=True)]
        lines.append("  ".join(cells))
    return lines
