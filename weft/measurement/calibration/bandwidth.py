"""How fast this machine's memory is right now: whoever else uses it shows, and so does a host that moved us."""

from collections.abc import Sequence
from statistics import median
from time import perf_counter

COPIED_BYTES = 64 << 20
"""Well above the caches of one core."""

NUM_COPIES = 9
FLIPPED_SHARE = 0.1
"""How far from its fellows a probe is before it is taken to be of another machine, as it were."""


def probe_bandwidth() -> float:
    """Bytes per second, read and written, of one thread that copies; the median of a few copies."""
    source, target = bytearray(COPIED_BYTES), bytearray(COPIED_BYTES)
    read, written = memoryview(source), memoryview(target)
    written[:] = read  # so that every page is there
    times_s = []
    for _ in range(NUM_COPIES):
        begun_s = perf_counter()
        written[:] = read
        times_s.append(perf_counter() - begun_s)
    return 2 * COPIED_BYTES / median(times_s)


def is_flipped(bandwidths: Sequence[float], usual: float) -> bool:
    """Whether any of the probes around a measurement is far from what is usual on this machine."""
    return any(abs(each / usual - 1.0) > FLIPPED_SHARE for each in bandwidths)
