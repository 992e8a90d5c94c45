"""Metrics in the text format that Prometheus scrapes."""

from collections.abc import Mapping
from math import inf

from weft.observation.instruments import Histogram

MEDIA_TYPE = "text/plain; version=0.0.4; charset=utf-8"


class PrometheusText:
    """A page that grows family by family. `prefix` begins each name, `labels` stand on each sample."""

    def __init__(self, prefix: str, labels: Mapping[str, str]) -> None:
        self._prefix, self._labels = prefix, labels
        self._lines: list[str] = []

    def counter(self, name: str, meaning: str, by_label: Mapping[str, float], label: str = "") -> None:
        """A counter, its total under the key "", or one value for each value of a label."""
        self._begin(name, meaning, "counter")
        for value, count in by_label.items():
            self._sample(f"{name}_total", count, {label: value} if label else {})

    def gauge(self, name: str, meaning: str, value: float) -> None:
        """A number that goes up and down."""
        self._begin(name, meaning, "gauge")
        self._sample(name, value, {})

    def gauges(self, name: str, meaning: str, by_label: Mapping[str, float], label: str) -> None:
        """One number for each value of a label."""
        self._begin(name, meaning, "gauge")
        for value, number in by_label.items():
            self._sample(name, number, {label: value})

    def histogram(self, name: str, meaning: str, histogram: Histogram) -> None:
        """Cumulative buckets, sum and count."""
        self._begin(name, meaning, "histogram")
        for bound, count in histogram.buckets():
            self._sample(f"{name}_bucket", count, {"le": "+Inf" if bound == inf else repr(bound)})
        self._sample(f"{name}_sum", histogram.sum, {})
        self._sample(f"{name}_count", histogram.count, {})

    def text(self) -> str:
        """The page."""
        return "\n".join(self._lines) + "\n"

    def _begin(self, name: str, meaning: str, kind: str) -> None:
        full = f"{self._prefix}{name}{'_total' if kind == 'counter' else ''}"
        self._lines += [f"# HELP {full} {meaning}", f"# TYPE {full} {kind}"]

    def _sample(self, name: str, value: float, more: Mapping[str, str]) -> None:
        pairs = ",".join(f'{key}="{_escaped(text)}"' for key, text in {**self._labels, **more}.items())
        self._lines.append(f"{self._prefix}{name}{{{pairs}}} {value!r}")


def _escaped(text: str) -> str:
    return text.replace("\\", r"\\").replace('"', r"\"").replace("\n", r"\n")
