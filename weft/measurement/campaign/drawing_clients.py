"""Who asks for what, and how they behave."""

from random import Random

from weft.measurement.campaign.settling import settled_s
from weft.measurement.campaign.world import ClientPlan, PromptKind, PromptPlan, StopPlan, World

MOST_CLIENTS = 26
TOO_MANY_TOKENS = 300
"""More than an engine of these worlds has blocks for."""

SAMPLES: tuple[list[tuple[int, int]], ...] = (
    [(1, 1)],
    [(1, 1), (1, 1), (3, 1), (2, 1)],
    [(1, 1), (1, 1), (3, 1), (1, 2), (1, 4)],
    [(2, 1), (3, 1)],
)
"""Outputs and beams of requests that come to one cluster."""

LOGPROBS: tuple[list[int | None], ...] = ([None], [None, None, 0, 2])


def draw_clients(frame: World) -> tuple[ClientPlan, ...]:
    """Most come while things go wrong, in bursts or one by one; some when all is well again."""
    random = Random(f"{frame.seed}/{frame.mode}/campaign/clients")
    crowd = _Crowd(frame, random)
    num_clients = random.choice([4, 8, 12, 16, MOST_CLIENTS])
    first_s = 0.0 if random.random() < 0.2 else 1.3 * frame.cold_start_s
    times_s = [first_s + each for each in _arrivals(random, num_clients, frame.heals_at_s)]
    times_s += [settled_s(frame) + random.random() for _ in range(random.choice([0, 2, 5]))]
    return tuple(crowd.client(number, at_s) for number, at_s in enumerate(times_s))


def _arrivals(random: Random, count: int, horizon_s: float) -> list[float]:
    if random.random() < 0.3:
        bursts = [random.uniform(0.0, horizon_s) for _ in range(random.choice([1, 2, 3]))]
        return sorted(random.choice(bursts) + 0.01 * random.randrange(3) for _ in range(count))
    return sorted(random.uniform(0.0, horizon_s) for _ in range(count))


class _Crowd:
    """What clients of one world have in common: features that it has or has not."""

    def __init__(self, frame: World, random: Random) -> None:
        self._random, self._frame = random, frame
        self._is_pinned = random.random() < 0.3
        self._whole = random.choice([0.0, 0.3, 1.0])
        self._leaves, self._stops = random.choice([0.0, 0.3]), random.choice([0.0, 0.5, 1.0])
        self._again = random.choice([0.0, 0.5])
        self._samples = random.choice(SAMPLES)
        self._logprobs = random.choice(LOGPROBS)
        kinds: list[list[PromptKind]] = [["tokens"], ["tokens", "tokens", "hashes", "length"]]
        self._kinds = random.choice(kinds)
        self._follows = random.choice([0.0, 0.3])
        self._misfits = random.choice([0.0, 0.0, 0.3])

    def client(self, number: int, at_s: float) -> ClientPlan:
        random, choice = self._random, self._random.choice
        (n, beam_width), max_tokens = choice(self._samples), random.randrange(1, 24)
        if beam_width > 1:
            max_tokens = 1 + max_tokens // 3
        follows = random.randrange(number) if number and random.random() < self._follows else None
        stop = random.random() < self._stops and n >= 1 and beam_width == 1
        return ClientPlan(
            number,
            round(at_s, 3),
            self._prompt(),
            follows,
            max_tokens=max_tokens + self._extra_tokens(beam_width),
            min_tokens=random.randrange(max_tokens + 1) if random.random() < 0.1 else 0,
            stops=random.random() < 0.7,
            temperature=choice([0.0, 1.0]),
            seed=choice([None, 3]),
            n=n,
            beam_width=beam_width,
            logprobs=choice(self._logprobs) if beam_width == 1 else None,
            tenant=choice("aab"),
            session=choice([None, "s", "t"]),
            cache_salt=choice([None, None, "common"]),
            adapter=choice([None, None, None, "tuned"]),
            priority=random.randrange(3),
            whole=random.random() < self._whole,
            leaves_s=round(random.uniform(0.0, 2.0), 3) if random.random() < self._leaves else None,
            stop=self._stop(n) if stop and self._frame.tells else None,
            again=random.random() < self._again,
        )

    def _extra_tokens(self, beam_width: int) -> int:
        if self._random.random() < self._misfits:
            return TOO_MANY_TOKENS
        return 10 if self._is_pinned and beam_width == 1 else 0

    def _prompt(self) -> PromptPlan:
        random, most = self._random, 10 if self._is_pinned else 26
        length = random.randrange(1, most)
        shared = random.randrange(length + 1)
        pictures = tuple(random.randrange(3) for _ in range(random.choice([0, 1, 1, 2])))
        return PromptPlan(
            random.choice(self._kinds),
            shared,
            length - shared,
            pictures if self._frame.engine.layout == "media" else (),
        )

    def _stop(self, n: int) -> StopPlan:
        seen = self._random.choice([0, 2, 5])
        keep, lag_s = self._random.randrange(1, seen + 2), self._random.choice([0.0, 0.0, 0.1, 0.8, 2.0])
        return StopPlan(self._random.randrange(n), seen, keep, lag_s)
