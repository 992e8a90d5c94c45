"""The trace says what the events said."""

import io
import json
from itertools import pairwise
from typing import Any

import pytest

from tests.simulator.simulated_service import Listed, deployment, outcomes
from weft.measurement.chrome_trace import ChromeTrace

LOAD = Listed([(0.01 * number, 50, 30 + number) for number in range(12)])


def traced() -> tuple[list[dict[str, Any]], dict[str, float]]:
    """All events of a run with two slots, and when each request ended."""
    file = io.StringIO()
    trace = ChromeTrace(file)
    ended = {
        each.request_id: each.ended_s for each in outcomes(deployment(max_num_seqs=2), LOAD, trace.watch)
    }
    trace.close()
    events: list[dict[str, Any]] = json.loads(file.getvalue())
    return events, ended


def test_a_request_is_in_one_slot_from_its_start_to_its_end() -> None:
    events, ended = traced()
    spans = {event["name"]: event for event in events if event["ph"] == "X" and event["tid"] > 0}
    ends = {name: (span["ts"] + span["dur"]) / 1e6 for name, span in spans.items()}
    assert ends == pytest.approx(ended, abs=1e-8)
    assert sorted({span["tid"] for span in spans.values()}) == [1, 2]
    assert all(span["args"] == {"then": "finished", "reason": "stop"} for span in spans.values())


def test_what_shares_a_track_does_not_overlap() -> None:
    events, _ = traced()
    for track in (0, 1, 2):
        spans = sorted((e["ts"], e["ts"] + e["dur"]) for e in events if e["ph"] == "X" and e["tid"] == track)
        assert len(spans) > 1
        assert all(before[1] <= after[0] + 0.01 for before, after in pairwise(spans))


def test_tracks_are_named_and_counters_follow() -> None:
    events, _ = traced()
    names = [event["args"]["name"] for event in events if event["ph"] == "M"]
    assert names == ["replica 0", "steps", "slot 0", "slot 1"]
    running = [event["args"]["num_running"] for event in events if event.get("name") == "num_running"]
    assert max(running) == 2


def test_a_trace_of_nothing_is_empty() -> None:
    file = io.StringIO()
    ChromeTrace(file).close()
    assert json.loads(file.getvalue()) == []
