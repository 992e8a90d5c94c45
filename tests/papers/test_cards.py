"""Every card: it is complete, and its quick form shows the claimed direction."""

from pathlib import Path
from typing import Any

import pytest

from tests.papers.recorded import write_recorded
from weft.papers.burstgpt import Service as Bursts
from weft.papers.card import LEAST_SEEDS, Card, CardError, Regime
from weft.papers.catalogue import IDS, find_card
from weft.papers.running import run_card
from weft.papers.statistics import paired_effect
from weft.papers.traceupscaler import Load, Thinned
from weft.workloads.arrivals import gamma, poisson
from weft.workloads.registry import find_workload

ROOT = Path(__file__).parents[2]


@pytest.fixture(params=IDS)
def card(request: pytest.FixtureRequest) -> Card[Any]:
    return find_card(request.param)


def test_a_card_is_found_by_its_id(card: Card[Any]) -> None:
    assert find_card(card.id) is card


def test_it_names_files_that_are_there(card: Card[Any]) -> None:
    assert all((ROOT / name).exists() for name in card.files)


def test_it_has_seeds_enough(card: Card[Any]) -> None:
    assert len(card.seeds) >= LEAST_SEEDS or not card.has_chance
    assert len(card.grid) >= 3


def test_what_is_simulated_says_that_nothing_validates_it(card: Card[Any]) -> None:
    assert card.is_validated is (card.regime is not Regime.SIMULATED)


def test_its_quick_form_shows_the_claimed_direction(card: Card[Any], tmp_path: Path) -> None:
    (measurement,) = run_card(card, quick=True, data=write_recorded(card.id, tmp_path))
    # Settings of another kind may measure what other claims are about.
    is_one_kind = all(isinstance(setting, type(card.quick)) for setting in card.grid)
    claims = card.claims if is_one_kind else card.claims[:1]
    assert all(each.quantity in measurement.observation.pairs for each in claims)
    claim = card.claims[0]
    effect = paired_effect([measurement.observation.pairs[claim.quantity]], claim.effect)
    assert (effect.mean > claim.effect.none) is claim.is_rise


def test_recorded_runs_go_to_the_cards_that_read_them(tmp_path: Path) -> None:
    with pytest.raises(CardError, match=r"ets-itertime needs recorded runs .* name theirs with --data"):
        run_card(find_card("ets-itertime"), quick=True)
    with pytest.raises(CardError, match=r"burstgpt reads no recorded runs; leave out --data"):
        run_card(find_card("burstgpt"), quick=True, data=tmp_path)


def test_an_unknown_card_is_named() -> None:
    with pytest.raises(CardError, match=r"there is no card 'vllm'; .*vllm-pagedattention"):
        find_card("vllm")
    with pytest.raises(CardError, match=r"did you mean orca\?"):
        find_card("orka")


def test_processes_measure_the_same() -> None:
    card = find_card("datacenter-gpu-as-computer")
    assert run_card(card, quick=True, jobs=2) == run_card(card, quick=True)


def test_bursts_bring_the_same_requests() -> None:
    service = Bursts("here", 2.0, num_requests=20)
    calm, bursty = (
        [turn.output_tokens for each in service.requests(arrivals, 3).sessions() for turn in each.turns]
        for arrivals in (poisson(1.0), gamma(1.0, 2.0))
    )
    assert calm == bursty


def test_thinning_keeps_one_in_so_many_as_they_are() -> None:
    truth = find_workload("azure-conv", 10.0, 1, num_requests=2000)
    kept = list(Thinned(truth, 4, 1).sessions())
    recorded = {session.number: session for session in truth.sessions()}
    assert all(recorded[session.number] == session for session in kept)
    assert 400 < len(kept) < 600


def test_a_load_names_a_workload_there_is() -> None:
    for load in find_card("traceupscaler").grid:
        assert isinstance(load, Load)
        assert find_workload(load.workload).name == load.workload
