"""The engine as a state machine that hypothesis drives, so that a failure shrinks to a short story."""

from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

from tests.properties.worlds import World


class EngineMachine(RuleBasedStateMachine):
    """Submit, plan, execute, move, cancel, fail, stop, update, in any order that hypothesis likes."""

    world: World | None = None

    @initialize(seed=st.integers(0, 2**32))
    def begin(self, seed: int) -> None:
        self.world = World(seed)

    @property
    def alive(self) -> World:
        assert self.world is not None
        return self.world

    @rule()
    def submit(self) -> None:
        if self.alive.num_requests < 20:
            self.alive.submit()

    @rule()
    def plan(self) -> None:
        self.alive.player.plan()

    @rule()
    def execute(self) -> None:
        self.alive.player.execute()

    @rule()
    def execute_badly(self) -> None:
        self.alive.player.execute("device error")

    @rule(which=st.integers(0, 5), error=st.sampled_from([None, None, "lost"]))
    def move(self, which: int, error: str | None) -> None:
        self.alive.player.move(which, error)

    @rule(which=st.integers(0, 19))
    def cancel(self, which: int) -> None:
        for tenant in "ab":
            self.alive.player.cancel(f"{tenant}/{which}")

    @rule(which=st.integers(0, 19), sample=st.integers(0, 2), num_tokens=st.integers(1, 9))
    def stop_output(self, which: int, sample: int, num_tokens: int) -> None:
        for tenant in "ab":
            self.alive.player.stop(f"{tenant}/{which}", sample, num_tokens)

    @rule()
    def update_weights(self) -> None:
        self.alive.player.update_weights()

    @invariant()
    def keeps_integrity(self) -> None:
        if self.world is not None:
            self.world.player.engine.check_integrity()

    def teardown(self) -> None:
        if self.world is not None:
            self.world.player.settle()


TestEngineMachine = EngineMachine.TestCase
