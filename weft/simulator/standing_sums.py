"""What all sequences that decode see together, kept up to date at a cost per change, not per sequence."""

from heapq import heappop, heappush


class VisibleTokens:
    """The sum, over the standing rows, of the tokens that each sees in the layers of one group.

    `total`: at the current tick. A row whose state had `base + tick` tokens before a tick sees one more in it, or
    the window where that is less (`window_tokens` None: there is no window).
    """

    __slots__ = ("_growing", "_window_reached", "_window_tokens", "total")

    @property
    def per_tick(self) -> int | None:
        """By how much the total grows with each tick until somebody joins or leaves; None where windows bound it."""
        return self._growing if self._window_tokens is None else None

    def __init__(self, window_tokens: int | None) -> None:
        self.total = 0
        self._window_tokens = window_tokens
        self._growing = 0
        self._window_reached: dict[
            int, int
        ] = {}  # by tick: how many growing rows see a whole window from then on

    def join(self, base: int, tick: int) -> None:
        """A row takes part from `tick` on."""
        self._count(base, tick, 1)

    def leave(self, base: int, tick: int) -> None:
        """A row takes no part from `tick` on."""
        self._count(base, tick, -1)

    def _count(self, base: int, tick: int, sign: int) -> None:
        seen, window = base + tick + 1, self._window_tokens
        if window is None:
            self._growing += sign
        elif seen < window:
            self._growing += sign
            reached = window - base - 1
            self._window_reached[reached] = self._window_reached.get(reached, 0) + sign
        else:
            seen = window
        self.total += sign * seen

    def advance(self, tick: int) -> None:
        """`tick` is the current one now, and was the next before."""
        self.total += self._growing
        if self._window_reached:
            self._growing -= self._window_reached.pop(tick, 0)


class LongestTokens:
    """What the longest of the standing rows sees, where no window bounds it."""

    __slots__ = ("_left", "_longest_first", "_num_rows")

    def __init__(self) -> None:
        self._num_rows = 0
        self._longest_first: list[
            int
        ] = []  # bases below 0, as a heap; of those that left, some are still in it
        self._left: dict[int, int] = {}

    def join(self, base: int) -> None:
        """A row takes part from now on."""
        heappush(self._longest_first, -base)
        self._num_rows += 1

    def leave(self, base: int) -> None:
        """A row takes no part from now on."""
        self._left[base] = self._left.get(base, 0) + 1
        self._num_rows -= 1
        if not self._num_rows:
            self._longest_first.clear()
            self._left.clear()

    def at(self, tick: int) -> int:
        """In that tick; 0 of no rows."""
        if not self._num_rows:
            return 0
        while count := self._left.get(base := -self._longest_first[0]):
            heappop(self._longest_first)
            self._left[base] = count - 1
        return base + tick + 1


class PaddedTokens:
    """As `VisibleTokens`, for a kernel that pads all rows to the longest: their number times what that one sees."""

    __slots__ = ("_longest", "_num_rows", "_window_tokens", "total")

    def __init__(self, window_tokens: int | None) -> None:
        self.total = 0
        self._window_tokens = window_tokens
        self._num_rows = 0
        self._longest = LongestTokens()

    @property
    def per_tick(self) -> int | None:
        """See `VisibleTokens`."""
        return self._num_rows if self._window_tokens is None else None

    def join(self, base: int, tick: int) -> None:
        """A row takes part from `tick` on."""
        self._longest.join(base)
        self._num_rows += 1
        self.advance(tick)

    def leave(self, base: int, tick: int) -> None:
        """A row takes no part from `tick` on."""
        self._longest.leave(base)
        self._num_rows -= 1
        self.advance(tick)

    def advance(self, tick: int) -> None:
        """`tick` is the current one now."""
        seen = self._longest.at(tick)
        if self._window_tokens is not None:
            seen = min(seen, self._window_tokens)
        self.total = self._num_rows * seen
