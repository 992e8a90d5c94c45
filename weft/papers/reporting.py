"""Runs of cards as a page: what is claimed, what was measured, and the verdict."""

import json
from collections.abc import Iterator, Sequence
from statistics import fmean
from typing import Any

from weft.measurement.statistics import Interval
from weft.papers.card import Card, CardError, Claim, Effect, Origin, Pair
from weft.papers.catalogue import IDS, find_card
from weft.papers.judging import Judgement, judge
from weft.papers.statistics import paired_effect
from weft.papers.storing import StoredRun

HEAD = (
    "# Papers, measured here",
    "",
    "Rendered by `weft papers report`; [papers.md](../papers.md) tells what a card is and how it is judged. "
    "*Measured* is in the setting nearest to the paper's, with its 95 % interval.",
    "",
    "| paper | claimed | measured | verdict |",
    "|---|---|---|---|",
)


def judgements(run: StoredRun) -> list[tuple[Claim, Judgement]]:
    """Each claim of the run's card and what became of it.

    Raises `CardError` for a quick run, which decides nothing, and where the card has another grid by now.
    """
    card = find_card(run.card_id)
    if run.quick:
        raise CardError(
            f"the run of {card.id} is a quick one; make a full one with weft papers run {card.id}"
        )
    _check_grid(card, run)
    return [(claim, judge(card, claim, run.pairs(claim.quantity))) for claim in card.claims]


def _check_grid(card: Card[Any], run: StoredRun) -> None:
    made = {(each.setting, each.seed) for each in run.measurements}
    wanted = {(setting.name, seed) for setting in card.grid for seed in card.seeds}
    changed = [each.name for each in card.grid if run.settings.get(each.name) != _plain(each._asdict())]
    if changed or made != wanted:
        raise CardError(
            f"the run of {card.id} has another grid than the card ({', '.join(changed) or 'other seeds'}); run it anew"
        )


def _plain(values: dict[str, Any]) -> Any:
    """As a file of JSON gives them back."""
    return json.loads(json.dumps(values))


def report(runs: Sequence[StoredRun]) -> str:
    """The page, in Markdown: a table of all claims, then each card. Raises `CardError` as `judgements` does."""
    judged = [(run, judgements(run)) for run in in_order(runs)]
    rows = [_row(find_card(run.card_id), claim, found) for run, each in judged for claim, found in each]
    sections = [line for run, each in judged for line in _section(find_card(run.card_id), run, each)]
    return "\n".join([*HEAD, *rows, *sections]) + "\n"


def in_order(runs: Sequence[StoredRun]) -> list[StoredRun]:
    """As cards are listed."""
    return sorted(runs, key=lambda run: IDS.index(find_card(run.card_id).id))


def claimed(claim: Claim) -> str:
    """A claim in a few words."""
    bound = "" if claim.origin is Origin.PAPER else "at least " if claim.is_rise else "at most "
    return f"{claim.quantity}: {bound}{_number(claim.number)} {claim.unit}"


def _row(card: Card[Any], claim: Claim, found: Judgement) -> str:
    measured = shown_interval(found.measured)
    return f"| [{card.id}](#{card.id}) | {claimed(claim)} | {measured} | **{found.verdict.value}** |"


def _section(card: Card[Any], run: StoredRun, judged: Sequence[tuple[Claim, Judgement]]) -> Iterator[str]:
    yield from ("", f"## {card.id}", "", f"*{card.title}*. {card.venue}, {card.year}.", "")
    yield from (f"**Mechanism.** {card.mechanism}", "", f"**Baseline.** {card.baseline}", "")
    yield from (
        f"**Regime.** {_capitalised(card.regime.value)}: {card.regime_reason}. {_validation(card)}".rstrip(),
        "",
    )
    for claim, found in judged:
        yield f"- {claim.quantity}: **{found.verdict.value}**; {found.reason}. Claimed: {claim.where} ({claim.source})."
    yield from ("", *_grid(card, run))
    if card.departures:
        yield from ("**What differs from the paper.** " + _capitalised("; ".join(card.departures)) + ".", "")
    if card.finding:
        yield from (f"**Finding.** {card.finding}", "")
    yield f"Files: {', '.join(f'`{each}`' for each in card.files)}. Run: {origin(run)}."


def _validation(card: Card[Any]) -> str:
    if card.is_validated:
        return f"Validated by {card.validated_by}." if card.validated_by else ""
    return (
        "*Unvalidated regime*: no recorded real run stands behind it, so that a verdict is *partly* at best."
    )


def _grid(card: Card[Any], run: StoredRun) -> Iterator[str]:
    """Every quantity in every setting, claimed or not."""
    effects = {claim.quantity: claim.effect for claim in card.claims}
    quantities = dict.fromkeys(name for each in run.measurements for name in each.observation.pairs)
    usual = card.claims[0].effect
    for quantity in quantities:
        effect = effects.get(quantity, usual)
        yield from (
            f"| {quantity} | baseline | technique | {effect.value} (95 % interval) |",
            "|---|---|---|---|",
        )
        for setting, pairs in run.pairs(quantity).items():
            yield _grid_row(setting, pairs, effect)
        yield ""


def _grid_row(setting: str, pairs: Sequence[Pair], effect: Effect) -> str:
    baseline, technique = (fmean(values) for values in zip(*pairs, strict=True))
    interval = shown_interval(paired_effect(pairs, effect))
    return f"| {setting} | {_number(baseline)} | {_number(technique)} | {interval} |"


def shown_interval(interval: Interval) -> str:
    """The mean, and where it is known, how sure it is."""
    mean, low, high = map(_number, interval)
    return mean if mean == low == high else f"{mean} ({low} to {high})"


def _number(value: float) -> str:
    return f"{value:.3g}".replace("-", "−") if abs(value) < 1000.0 else f"{value:,.0f}"


def _capitalised(text: str) -> str:
    return text[:1].upper() + text[1:]


def origin(run: StoredRun) -> str:
    """How many measurements a run has, and of what."""
    machine = run.machine
    seeds = len({each.seed for each in run.measurements})
    times = f" x {seeds} seeds" if seeds > 1 else ", without chance"
    return f"{len(run.settings)} settings{times}, commit {machine.get('commit')}, {machine.get('processor')}"
