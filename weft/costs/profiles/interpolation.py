"""Interpolation of positive numbers at positive places, linear in the logarithms of both, constant outside.

Levels may be ragged: each value along the first coordinate has knots of its own along the second, and so on. Where all
have the same, this is multilinear interpolation in a grid.
"""

from bisect import bisect_right
from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import pairwise, product
from math import exp, log

Point = tuple[float, ...]


class Knots:
    """Increasing places along one coordinate."""

    __slots__ = ("_last", "_logs", "_slopes", "places")

    def __init__(self, places: Sequence[float]) -> None:
        assert places, "there is at least one place"
        assert places[0] > 0.0, "places are positive"
        self.places = tuple(places)
        self._logs = [log(place) for place in self.places]
        self._slopes = _slopes(self._logs)
        self._last = len(self.places) - 1

    def between(self, place: float) -> tuple[int, float]:
        """The knot at or before a place, and the share of the way to the next; inside, whatever the place."""
        if place <= self.places[0]:
            return 0, 0.0
        if place >= self.places[-1]:
            return self._last, 0.0
        index = bisect_right(self.places, place) - 1
        return index, (log(place) - self._logs[index]) * self._slopes[index]


class Ladder:
    """A level: knots, and for each of them the next level, or the logarithm of its value on the last."""

    __slots__ = ("_knots", "_rungs")

    def __init__(self, knots: Knots, rungs: Sequence["Ladder | float"]) -> None:
        self._knots, self._rungs = knots, rungs

    @classmethod
    def through(cls, values: Mapping[Point, float]) -> "Ladder":
        """Exactly through values at points, which all have equally many coordinates."""
        return cls._built(sorted((point, log(value)) for point, value in values.items()), 0)

    @classmethod
    def grid(cls, axes: Sequence[Sequence[float]], values: Sequence[float]) -> "Ladder":
        """Through values at all combinations of places, the last coordinate varying fastest."""
        return cls.through(dict(zip(product(*axes), values, strict=True)))

    @classmethod
    def _built(cls, rows: list[tuple[Point, float]], level: int) -> "Ladder":
        groups: dict[float, list[tuple[Point, float]]] = {}
        for row in rows:
            groups.setdefault(row[0][level], []).append(row)
        last = level == len(rows[0][0]) - 1
        rungs = [group[0][1] if last else cls._built(group, level + 1) for group in groups.values()]
        return cls(Knots(tuple(groups)), rungs)

    def at(self, point: Sequence[float]) -> float:
        """The value at a point."""
        return exp(self._log_at(point, 0))

    def _log_at(self, point: Sequence[float], level: int) -> float:
        index, share = self._knots.between(point[level])
        low = self._of(self._rungs[index], point, level)
        return low + share * (self._of(self._rungs[index + 1], point, level) - low) if share else low

    @staticmethod
    def _of(rung: "Ladder | float", point: Sequence[float], level: int) -> float:
        return rung._log_at(point, level + 1) if isinstance(rung, Ladder) else rung

    def plane(self, first: Sequence[float]) -> "Plane":
        """What is left where all but the last two coordinates are given.

        Its knots are those of all levels that `first` lies between.
        """
        leaves = list(self._around(first, 0))
        rows = _merged(place for leaf in leaves for place in leaf._knots.places)
        columns = _merged(
            place
            for leaf in leaves
            for rung in leaf._rungs
            if isinstance(rung, Ladder)
            for place in rung._knots.places
        )
        return Plane(rows, columns, [[self._log_at((*first, x, y), 0) for y in columns] for x in rows])

    def _around(self, first: Sequence[float], level: int) -> Iterator["Ladder"]:
        if level == len(first):
            yield self
            return
        index, share = self._knots.between(first[level])
        for rung in self._rungs[index : index + (2 if share else 1)]:
            assert isinstance(rung, Ladder), "two coordinates are left"
            yield from rung._around(first, level + 1)


class Plane:
    """A grid of two coordinates, for callers in a hurry: written out, as it is asked in every simulated step."""

    __slots__ = ("_column_logs", "_column_slopes", "_columns", "_logs", "_row_logs", "_row_slopes", "_rows")

    def __init__(self, rows: Sequence[float], columns: Sequence[float], logs: list[list[float]]) -> None:
        self._rows, self._columns, self._logs = list(rows), list(columns), logs
        self._row_logs, self._column_logs = [log(row) for row in rows], [log(column) for column in columns]
        self._row_slopes, self._column_slopes = _slopes(self._row_logs), _slopes(self._column_logs)

    def at(self, row: float, column: float) -> float:
        """The value at a point."""
        rows, columns, down, along = self._rows, self._columns, 0.0, 0.0
        i, j = bisect_right(rows, row) - 1, bisect_right(columns, column) - 1
        if i < 0:
            i = 0
        elif i + 1 < len(rows):
            down = (log(row) - self._row_logs[i]) * self._row_slopes[i]
        if j < 0:
            j = 0
        elif j + 1 < len(columns):
            along = (log(column) - self._column_logs[j]) * self._column_slopes[j]
        upper = self._logs[i]
        found = upper[j]
        if along:
            found += along * (upper[j + 1] - found)
        if down:
            lower = self._logs[i + 1]
            other = lower[j] + along * (lower[j + 1] - lower[j]) if along else lower[j]
            found += down * (other - found)
        return exp(found)


class Surface:
    """Measured over predicted seconds of one kind of kernel. `start_s`: was added to what was predicted of each."""

    __slots__ = ("_planes", "ratios", "start_s")

    def __init__(self, start_s: float, ratios: Ladder) -> None:
        self.start_s, self.ratios = start_s, ratios
        self._planes = dict[Point, Plane]()

    def at(self, point: Point) -> float:
        """The ratio at a point; a plane is kept of what it has for the first coordinates, which are a model's sizes."""
        return self.ratios.at(point) if len(point) == 1 else self.plane(point[:-2]).at(*point[-2:])

    def plane(self, first: Point) -> Plane:
        """See `Ladder.plane`."""
        if first not in self._planes:
            self._planes[first] = self.ratios.plane(first)
        return self._planes[first]


def _slopes(logs: Sequence[float]) -> list[float]:
    """How much of the way from each to the next a step of 1 is; none of it where they are so near that they are one."""
    return [1.0 / (after - before) if after > before else 0.0 for before, after in pairwise(logs)]


def _merged(places: Iterable[float]) -> list[float]:
    return sorted(dict.fromkeys(places))
