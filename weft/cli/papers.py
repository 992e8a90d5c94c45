"""`weft papers`: what papers claim, measured here."""

import json
from functools import partial
from pathlib import Path
from typing import Any

import click
from tqdm import tqdm

from weft.cli.model_options import COUNT
from weft.measurement.machine import describe_machine
from weft.papers.card import Card, CardError, Recorded
from weft.papers.catalogue import IDS, find_card
from weft.papers.report_html import report_page
from weft.papers.reporting import report
from weft.papers.running import run_card
from weft.papers.statistics import paired_effect
from weft.papers.storing import StoredRun, read_run, stored_run, write_run

DIRECTORY = click.Path(exists=True, file_okay=False, path_type=Path)


@click.command()
def list_command() -> None:
    """One line per paper."""
    width = max(map(len, IDS))
    for card_id in IDS:
        card = find_card(card_id)
        claim = card.claims[0]
        click.echo(f"{card_id:<{width}}  {card.year}  {claim.quantity}: {claim.number:.3g} {claim.unit}")


@click.command()
@click.argument("card_id", metavar="ID")
def show_command(card_id: str) -> None:
    """What a card says: claims, mechanism, baseline, grid."""
    click.echo("\n".join(_described(find_card(card_id))))


def _described(card: Card[Any]) -> list[str]:
    lines = [card.title, f"{card.venue}, {card.year}", ""]
    for claim in card.claims:
        lines.append(f"claim      {claim.quantity}: {claim.number:.3g} {claim.unit}")
        lines.append(f"           {claim.where} ({claim.source}; the number is {claim.origin.value})")
    lines += [
        f"mechanism  {card.mechanism}",
        f"files      {', '.join(card.files)}",
        f"baseline   {card.baseline}",
    ]
    lines += [f"regime     {card.regime.value}: {card.regime_reason}"]
    if not card.is_validated or card.validated_by:
        lines.append(f"validated  {card.validated_by or 'unvalidated regime'}")
    if isinstance(card.measure, Recorded):
        lines.append(f"data       {card.measure.what}")
    lines += [f"seeds      {', '.join(map(str, card.seeds))}"]
    lines += [f"setting    {json.dumps(each._asdict())}" for each in card.grid]
    lines += [f"differs    {each}" for each in card.departures]
    return lines + ([f"finding    {card.finding}"] if card.finding else [])


@click.command()
@click.argument("card_id", metavar="ID")
@click.option("--quick", is_flag=True, help="One small setting and one seed: the direction only.")
@click.option("--out", type=click.Path(dir_okay=False, path_type=Path), help="File to write to.")
@click.option("-j", "--jobs", type=COUNT, default=1, show_default=True, help="Processes.")
@click.option("--data", type=DIRECTORY, help="Recorded runs, for a card that reads some.")
def run_command(card_id: str, quick: bool, out: Path | None, jobs: int, data: Path | None) -> None:
    """Measure a card: every setting of its grid with every seed."""
    card = find_card(card_id)
    if out is not None and not out.absolute().parent.is_dir():
        raise click.UsageError(f"--out: there is no directory {out.parent}; make it first")
    total = 1 if quick else len(card.grid) * len(card.seeds)
    with tqdm(total=total, unit="measurement", disable=None, leave=False) as bar:
        measurements = run_card(card, quick=quick, jobs=jobs, data=data, progress=partial(_advance, bar))
    run = stored_run(card, measurements, describe_machine(), quick=quick)
    click.echo("\n".join(_summary(card, run)))
    if out is not None:
        write_run(run, out)


def _advance(bar: "tqdm[Any]") -> None:
    bar.update()


def _summary(card: Card[Any], run: StoredRun) -> list[str]:
    """Of each claim, the effect in each setting."""
    lines = []
    for claim in card.claims:
        lines.append(f"{claim.quantity}: claimed {claim.number:.3g} {claim.unit}")
        for setting, pairs in run.pairs(claim.quantity).items():
            mean, low, high = paired_effect(pairs, claim.effect)
            lines.append(f"  {setting}: {mean:.3g} ({low:.3g} to {high:.3g})")
    return lines


@click.command()
@click.argument("directory", type=DIRECTORY)
@click.option(
    "--html",
    "html_path",
    type=click.Path(dir_okay=False, path_type=Path),
    help="Write a page with plots, in one file, instead.",
)
def report_command(directory: Path, html_path: Path | None) -> None:
    """Claim, measured, verdict: the full runs in DIRECTORY (*.json) as a page of Markdown, or of HTML."""
    paths = sorted(directory.glob("*.json"))
    if not paths:
        raise CardError(
            f"{directory} has no *.json; make runs with weft papers run ID --out {directory}/ID.json"
        )
    runs = [read_run(path) for path in paths]
    if html_path is None:
        click.echo(report(runs), nl=False)
    else:
        html_path.write_text(report_page(runs), encoding="utf-8")
