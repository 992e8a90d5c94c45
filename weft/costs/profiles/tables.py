"""Profiles of raw tables: through every measured point, interpolated between."""

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping
from itertools import chain
from math import exp, log
from pathlib import Path
from statistics import fmean

from weft.contracts.errors import ConfigurationError
from weft.costs.profiles.aiconfigurator import SYSTEMS, AiconfiguratorTables
from weft.costs.profiles.bench import Measured
from weft.costs.profiles.interpolation import Ladder, Point, Surface
from weft.costs.profiles.llmservingsim import GPUS, LlmServingSimTables
from weft.costs.profiles.points import Family, family_of
from weft.hardware.catalogue import find_cluster
from weft.hardware.cluster import Cluster

LENDERS = {
    Family.NORM: "rtx-4090",
    Family.HEAD_NORM: "rtx-pro-6000",
    Family.ROTARY: "rtx-4090",
    Family.ACTIVATION: "rtx-4090",
    Family.EMBEDDING: "rtx-4090",
    Family.SAMPLING: "rtx-4090",
}
"""Measured on two GPUs only. Others have the ratios of the one whose cache is more like theirs, where it has any."""

BESIDE_LENDERS = {"A100 SXM 80 GB": "rtx-4090", "L40S": "rtx-4090"}
"""Devices on which attention is FlashAttention 2 as well; that of others handles chunks and single tokens in ways of
its own, which nobody measured together."""

_BY_FORMAT = (
    Family.PRODUCT,
    Family.EXPERTS,
    Family.WIDENED_EXPERTS,
    Family.SINGLE_ATTENTION,
    Family.ATTENTION_BESIDE,
    Family.CHUNK_ATTENTION,
)
NAMES = tuple(
    name
    for family in Family
    for name in (
        [f"{family.label} {number}" for number in ("bfloat16", "float8", "float4")]
        if family in _BY_FORMAT
        else [family.label]
    )
)
"""Of all surfaces."""


class Tables:
    """All tables of a device below a folder.

    It has folders aiconfigurator/ or llmservingsim/, or is one of these. Raises `ConfigurationError` where there is
    none for the device.
    """

    def __init__(self, directory: Path, cluster: Cluster) -> None:
        self.directory, self.cluster = directory, cluster
        nested = directory / "aiconfigurator"
        self._systems = AiconfiguratorTables(nested if nested.is_dir() else directory, cluster)
        nested = directory / "llmservingsim"
        self._models = nested if nested.is_dir() else directory
        self._own = LlmServingSimTables(self._models, cluster)
        if not self.files():
            raise ConfigurationError(self._nothing())

    def files(self) -> list[Path]:
        """All that is read for the device itself."""
        own = self._own.files() if self.cluster.device.name in GPUS else []
        return self._systems.files() + own

    def measured(self, surface: str) -> Iterator[Measured]:
        """What lies on a surface."""
        family, _, number = surface.partition(" ")
        read = (family_of(family), number or "bfloat16")
        models = self._lender(read[0])
        systems, own = self._systems.measured(*read), models.measured(*read) if models.files() else ()
        return _cold(systems, list(own)) if read[0] is Family.SINGLE_ATTENTION else chain(systems, own)

    def borrows(self, family: Family) -> bool:
        """Whether a family was not measured on the device itself."""
        return self._lender(family) is not self._own

    def _lender(self, family: Family) -> LlmServingSimTables:
        name = self.cluster.device.name
        lender = BESIDE_LENDERS.get(name) if family is Family.ATTENTION_BESIDE else LENDERS.get(family)
        if lender is None or (name in GPUS and family is not Family.HEAD_NORM):
            return self._own
        return LlmServingSimTables(self._models, find_cluster(lender))

    def _nothing(self) -> str:
        name = self.cluster.device.name
        if name not in SYSTEMS and name not in GPUS:
            known = ", ".join(dict.fromkeys((*SYSTEMS, *GPUS)))
            return f"{self.directory}: tables are known of {known}, not of {name}; leave --profiles out"
        looked_for = [f"{SYSTEMS[name]}/gemm/*/*/gemm_perf.parquet"] if name in SYSTEMS else []
        looked_for += ["perf_dense.parquet"] if name in GPUS else []
        return (
            f"{self.directory}: no tables of {name}; looked for {' and '.join(looked_for)}, there and in "
            "aiconfigurator/ and llmservingsim/; check the path"
        )


def _cold(looped: Iterable[Measured], served: list[Measured]) -> Iterator[Measured]:
    """Attention of single tokens whose keys come from memory, as those of each layer of a server do.

    A loop over one layer finds them in the cache where they fit. So `served`, rows of models, stand alone for the
    heads that they are of, and rows faster than the memory is are left out.
    """
    heads = dict.fromkeys(each.point[:2] for each in served)
    rows = chain((each for each in looped if each.point[:2] not in heads), served)
    return (each for each in rows if each.seconds >= each.roofline_s)


class TableSurfaces(Mapping[str, Surface]):
    """Surfaces through all measurements, read as they are asked for."""

    def __init__(self, tables: Tables) -> None:
        self._tables, self._known = tables, dict[str, Surface | None]()

    def __getitem__(self, name: str) -> Surface:
        if name not in self._known:
            self._known[name] = surface_through(list(self._tables.measured(name)))
        found = self._known[name]
        if found is None:
            raise KeyError(name)
        return found

    def __iter__(self) -> Iterator[str]:
        return (name for name in NAMES if name in self)

    def __len__(self) -> int:
        return sum(1 for _ in self)


def surface_through(measured: list[Measured]) -> Surface | None:
    """Through points, and through the mean ratio where there are several at one; None where there are none."""
    if not measured:
        return None
    start_s = start_of(measured)
    by_point = defaultdict[Point, list[float]](list)
    for each in measured:
        by_point[each.point].append(log(ratio_of(each, start_s)))
    return Surface(start_s, Ladder.through({point: exp(fmean(logs)) for point, logs in by_point.items()}))


def start_of(measured: Iterable[Measured]) -> float:
    """What a kernel takes that does nothing: what the shortest that was measured took beyond its roofline."""
    shortest = min(measured, key=lambda each: each.seconds)
    return max(0.0, shortest.seconds - shortest.roofline_s) / shortest.kernels


def ratio_of(measured: Measured, start_s: float) -> float:
    """Measured over predicted."""
    return measured.seconds / (measured.roofline_s + measured.kernels * start_s)
