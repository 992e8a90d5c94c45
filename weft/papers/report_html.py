"""Runs of cards as a page of one file, with a plot of each claim."""

from collections.abc import Iterator, Sequence
from typing import Any

from weft.measurement.html_page import page, paragraphs, plots, section, table
from weft.measurement.svg_plot import Line, Plot
from weft.papers.card import Card, Claim
from weft.papers.catalogue import find_card
from weft.papers.judging import Judgement
from weft.papers.reporting import claimed, in_order, judgements, origin, shown_interval
from weft.papers.storing import StoredRun

HEADS = ("paper", "claimed", "measured, 95 % interval", "verdict")


def report_page(runs: Sequence[StoredRun]) -> str:
    """The table of all claims, then each card with the effect in each of its settings. Raises `CardError` as
    `judgements` does."""
    judged = [(find_card(run.card_id), run, judgements(run)) for run in in_order(runs)]
    rows = [_row(card, claim, found) for card, _, each in judged for claim, found in each]
    sections = [_section(card, run, each) for card, run, each in judged]
    return page("Papers, measured here", [section("All claims", table(HEADS, rows)), *sections])


def _row(card: Card[Any], claim: Claim, found: Judgement) -> list[str]:
    return [card.id, claimed(claim), shown_interval(found.measured), found.verdict.value]


def _section(card: Card[Any], run: StoredRun, judged: Sequence[tuple[Claim, Judgement]]) -> str:
    return section(
        f"{card.id}: {card.title}",
        paragraphs(_said(card, run, judged)),
        plots(card.id, [_plot(claim, found) for claim, found in judged]),
    )


def _said(card: Card[Any], run: StoredRun, judged: Sequence[tuple[Claim, Judgement]]) -> Iterator[str]:
    yield f"{card.venue}, {card.year}. {card.mechanism}"
    yield f"Baseline: {card.baseline}"
    for claim, found in judged:
        yield f"{claim.quantity}: {found.verdict.value}; {found.reason} ({claim.source})."
    if card.departures:
        yield f"What differs from the paper: {'; '.join(card.departures)}."
    if card.finding:
        yield f"Finding: {card.finding}"
    yield f"Run: {origin(run)}."


def _plot(claim: Claim, found: Judgement) -> Plot:
    """One upright stroke per setting, from the interval's low end to its high end, and what is claimed across all."""
    width = len(found.effects) + 0.5
    strokes = [
        Line(name, [(number, effect.low), (number, effect.mean), (number, effect.high)], marked=True)
        for number, (name, effect) in enumerate(found.effects.items(), 1)
    ]
    across = [
        Line("claimed", [(0.5, claim.number), (width, claim.number)]),
        Line("no effect", [(0.5, claim.effect.none), (width, claim.effect.none)]),
    ]
    return Plot(claim.quantity, "setting", claim.effect.value, [*strokes, *across])
