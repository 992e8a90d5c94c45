"""A replica that goes bad under load, in a small form."""

import asyncio

from weft.cluster.timing import Timing
from weft.measurement.health_trial import STOPPED, WEDGED, Outage, measure_outage

TIMING = Timing(heartbeat_s=0.1, lost_after_s=3.0, stalled_after_s=1.0, restart_s=0.1)


def test_an_engine_that_gets_nowhere_is_found_though_its_process_lives() -> None:
    figures = asyncio.run(measure_outage(Outage(WEDGED, 0.2, 2.0, TIMING), is_checked=True))
    assert figures.detected_s is not None
    assert figures.restored_s is not None
    assert 0.9 < figures.detected_s < figures.restored_s
    assert figures.false_alarms == ()
    assert figures.num_tokens > 0


def test_where_nobody_looks_clients_wait_for_the_end_of_the_outage() -> None:
    figures = asyncio.run(measure_outage(Outage(STOPPED, 0.2, 1.0, TIMING), is_checked=False))
    assert figures.pause_s > 0.9
    assert (figures.detected_s, figures.restored_s, figures.false_alarms) == (None, None, ())
