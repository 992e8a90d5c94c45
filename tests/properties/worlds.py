"""Random worlds and random histories: what the property suite plays.

Everything follows from one seed, so that a failure is replayed by `play(seed)` and a run is the same in
every process.
"""

from functools import partial
from random import Random

from tests.properties.player import Player
from weft.contracts.events import Event, RequestEnded, Status
from weft.contracts.policies import EVERY_STEP, EngineView, OrderPolicy, Rank, SequenceView
from weft.contracts.prompts import HashPrompt, LengthPrompt, MediaItem, Prompt, TokenPrompt
from weft.contracts.requests import Request, SamplingParams, Slo
from weft.contracts.state import StateLayout
from weft.engine.config import EngineConfig, Reservation
from weft.measurement.campaign.layouts import BLOCK_TOKENS, COMMON_TEXT, LAYOUTS, STOP_TOKEN, VOCABULARY
from weft.policies.registry import POLICIES, PolicyChoice
from weft.simulator.fake_drafter import FakeDrafter
from weft.simulator.fake_model import FakeModelSpec


class LastFirst(OrderPolicy):
    """Serves the latest arrival first and may change its mind at every step."""

    rerank = EVERY_STEP

    def decide(self, view: EngineView, sequence: SequenceView, now_s: float) -> Rank:
        return (-sequence.arrival_s,)


class FairTurns(OrderPolicy):
    """Serves the tenant first that has had the fewest requests done: ranks change by events."""

    observes = (RequestEnded,)

    def __init__(self) -> None:
        self._ended: dict[str, int] = {}

    def observe(self, event: Event) -> None:
        assert isinstance(event, RequestEnded)
        tenant = event.request_id.partition("/")[0]
        self._ended[tenant] = self._ended.get(tenant, 0) + 1
        self.revision += 1

    def decide(self, view: EngineView, sequence: SequenceView, now_s: float) -> Rank:
        return (self._ended.get(sequence.request.tenant, 0), sequence.arrival_s)


PLAIN_ORDERS: tuple[PolicyChoice, ...] = ("fcfs", "priority", LastFirst, FairTurns)
OTHER_ORDERS = (*POLICIES["order"], "tiny_quanta:quantum_tokens=2", "srpt:ageing_tokens_per_s=0")
ORDERS: tuple[PolicyChoice, ...] = (*PLAIN_ORDERS * 3, *OTHER_ORDERS)
BUDGETS = ["decode_first", "decode_first", "prefill_first", "request_level", *POLICIES["budget"]]
PREEMPTS = ["latest_first", *(["latest_first_swap", "cheapest_to_restore"] * 2), *POLICIES["preempt"]]
RETAINS = ["lru", "lru", *POLICIES["retain"]]


class World:
    """Draws a model, an engine to serve it, requests, and what happens to them."""

    def __init__(self, seed: int) -> None:
        self.seed = seed
        self.random = Random(seed)
        # Long outputs in few blocks: the pool stays full for the whole history, and state moves all the time.
        self.is_pinned = self.random.random() < 0.35
        self.layout_name = self.random.choice(sorted(LAYOUTS))
        self.layout = StateLayout(LAYOUTS[self.layout_name], BLOCK_TOKENS)
        self.spec = FakeModelSpec(self.layout, VOCABULARY, stop_bias=self.random.choice([0.0, 0.05, 0.2]))
        self.depth = self.random.choice([1, 2, 2, 3, 4])
        self.player = Player(self.spec, self.config(), self.depth)
        self.num_requests = 0

    def config(self) -> EngineConfig:
        """An engine, often with too few blocks, rows or tokens for comfort."""
        choice = self.random.choice
        num_blocks = choice([14, 16, 20] if self.is_pinned else [12, 16, 24, 64])
        names = [group.name for group in self.layout.groups]
        host = 40 if self.is_pinned else choice([0, 8, 40, 40])
        pairs = [(name, host) for name in names if name != "vision"] if host else []
        return EngineConfig(
            self.layout,
            num_blocks={name: choice([2, 3, 5, 16]) if name == "ssm" else num_blocks for name in names},
            num_host_blocks=dict(pairs),
            max_step_tokens=choice([8, 16, 32]),
            max_running=8 if self.is_pinned else choice([2, 4, 8]),
            max_queued_tokens=10_000 if self.is_pinned else choice([100, 10_000]),
            prefix_caching=choice([True, True, True, False]),
            reservation=choice([Reservation.PAGED] * 5 + [Reservation.WORST_CASE]),
            order=choice(ORDERS),
            budget=choice(BUDGETS),
            preempt=choice(PREEMPTS),
            retain=choice(RETAINS),
            draft=self._drafter(),
        )

    def _drafter(self) -> PolicyChoice | None:
        if self.random.random() < 0.7:
            return None
        return partial(FakeDrafter, self.spec, self.seed, 2, 0.6, self.random.random() < 0.3)

    def prompt(self) -> Prompt:
        """A prompt that often begins like others, of one of the kinds."""
        draw, length = self.random.random, self.random.randrange(1, 10 if self.is_pinned else 26)
        kind = draw()
        if kind < 0.1:
            return LengthPrompt(length)
        if kind < 0.25:
            hashes = tuple(self.random.randrange(2) for _ in range(-(-length // 8)))
            return HashPrompt(length, hashes, 8)
        if kind < 0.5 and (before := self._conversation()):
            return TokenPrompt((*before, *COMMON_TEXT[: self.random.randrange(1, 4)]))
        shared = self.random.randrange(length + 1)
        own = (self.random.randrange(VOCABULARY) for _ in range(length - shared))
        return TokenPrompt((*COMMON_TEXT[:shared], *own), self._media(length))

    def _conversation(self) -> tuple[int, ...]:
        """Prompt and output of a request that has finished, for another turn; empty where there is none."""
        player = self.player
        turns = [
            (*request.prompt.tokens, *player.told[request_id, 0].tokens)
            for request_id, request in player.requests.items()
            if player.ended.get(request_id) is Status.FINISHED and isinstance(request.prompt, TokenPrompt)
        ]
        turn = self.random.choice(turns or [()])
        return turn[: self.random.randrange(8, 26)]

    def _media(self, length: int) -> tuple[MediaItem, ...]:
        if self.layout_name != "media" or length < 6 or self.random.random() < 0.3:
            return ()
        picture = self.random.randrange(3)
        items = [MediaItem(b"picture %d" % picture, 1, 2 + picture)]
        if length > 14 and self.random.random() < 0.5:
            items.append(MediaItem(b"clip", 7, 6))
        return tuple(items)

    def sampling(self) -> SamplingParams:
        """One output, several, or a search."""
        choice, max_tokens = self.random.choice, self.random.randrange(1, 14)
        logprobs = choice([None, None, None, 0, 2])
        if self.is_pinned:
            stops = choice([(), (), (STOP_TOKEN,)])
            return SamplingParams(
                max_tokens=max_tokens + 14, stop_token_ids=stops, temperature=0.0, logprobs=logprobs
            )
        if self.random.random() < 0.02:
            max_tokens = 300
        num_samples, beam_width = choice([(1, 1)] * 6 + [(3, 1), (1, 2), (1, 4)])
        return SamplingParams(
            max_tokens=max_tokens,
            min_tokens=self.random.randrange(max_tokens + 1) if self.random.random() < 0.2 else 0,
            stop_token_ids=(STOP_TOKEN,),
            temperature=choice([0.0, 1.0]),
            seed=choice([None, 3]),
            n=num_samples,
            beam_width=beam_width,
            logprobs=logprobs if beam_width == 1 else None,
        )

    def submit(self) -> None:
        """One more request."""
        tenant = self.random.choice("ab")
        request = Request(
            f"{tenant}/{self.num_requests}",
            self.prompt(),
            self.sampling(),
            tenant=tenant,
            priority=self.random.randrange(3),
            slo=self.random.choice([None, None, Slo(5e-6, 1e-6), Slo(1e-4)]),
            session=self.random.choice([None, "s", "t"]),
            cache_salt=self.random.choice([None, None, "common"]),
            adapter=self.random.choice([None, None, None, "tuned"]),
        )
        self.num_requests += 1
        self.player.submit(request, stream=self.random.random() < 0.5)

    def act(self) -> None:
        """Something happens: mostly progress, sometimes trouble."""
        player, draw = self.player, self.random.random()
        if player.transfers and self.random.random() < 0.3:
            self.disturb_transfer()
        elif draw < 0.44:
            player.plan()
        elif draw < 0.82:
            player.execute()
        elif draw < 0.90:
            player.move(self.random.randrange(9), "lost" if self.random.random() < 0.2 else None)
        elif draw < 0.945:
            player.cancel(self._somebody())
        elif draw < 0.955:
            player.fail(self._somebody())
        elif draw < 0.965:
            player.execute("device error")
        elif draw < 0.97:
            player.update_weights()
        else:
            self.stop_output(self._somebody())

    def disturb_transfer(self) -> None:
        """Something happens to a transfer under way, or to the request it belongs to."""
        player, which = self.player, self.random.randrange(9)
        owner = player.owners[player.transfers[which % len(player.transfers)].sequence_number]
        match self.random.randrange(7):
            case 0:
                player.move(which)
            case 1:
                player.move(which, "lost")
            case 2:
                player.cancel(owner)
            case 3:
                player.fail(owner)
            case 4:
                player.update_weights()
            case _:
                self.stop_output(owner)

    def stop_output(self, request_id: str) -> None:
        """A client finds a stop string in what it was told, or in what it has not been told yet."""
        told = [len(told.tokens) for (owner, _), told in self.player.told.items() if owner == request_id]
        num_tokens = self.random.choice([1, self.random.randrange(1, 2 + max(told, default=3))])
        self.player.stop(request_id, self.random.choice([0, 0, 0, 0, 0, 1, 2]), num_tokens)

    def _somebody(self) -> str:
        live = self.player.engine.live_requests()
        return self.random.choice(live) if live else "nobody"


def play(seed: int, num_requests: int = 12) -> Player:
    """Play a whole history and check every promise; raises `InvariantViolation` where one is broken."""
    world = World(seed)
    for _ in range(num_requests):
        world.submit()
        for _ in range(world.random.randrange(9)):
            world.act()
        world.player.engine.check_integrity()
    world.player.settle()
    return world.player
