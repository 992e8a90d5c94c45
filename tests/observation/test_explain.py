from hypothesis import given
from hypothesis import strategies as st

from tests.observation.histories import History
from weft.contracts.events import (
    ComputedUnits,
    DraftVerified,
    Event,
    FirstToken,
    PrefixLookup,
    RequestArrived,
    RequestEnded,
    Status,
    StepRecord,
    TransferEnded,
    TransferStarted,
    Transition,
    WaitReason,
)
from weft.contracts.transfers import TransferKind
from weft.observation.explain import explain
from weft.observation.timeline import timeline

WAITING, RUNNING, PREEMPTED = Status.WAITING, Status.RUNNING, Status.PREEMPTED


def move(time_s: float, before: Status | None, after: Status, reason: str, number: int = 1) -> Transition:
    return Transition(time_s, "a", number, before, after, reason)


def step(
    time_s: float, *explicit: ComputedUnits, standing: int = 0, left: tuple[int, ...] = ()
) -> StepRecord:
    return StepRecord(time_s, 0, time_s, 0, standing, explicit, left, 0, 0, 0)


def explained(*events: Event) -> list[str]:
    return explain(timeline(events, "a")).splitlines()


def test_a_whole_life() -> None:
    joins = ComputedUnits(1, 64, 36, True, True)
    lines = explained(
        RequestArrived(10.0, "a", "acme", 100, 50),
        move(10.0, None, WAITING, "arrived"),
        WaitReason(10.012, "a", 1, "no free blocks"),
        PrefixLookup(10.3, "a", 1, 100, 64),
        move(10.3, WAITING, RUNNING, "admitted"),
        step(10.4, joins),
        FirstToken(10.4, "a"),
        step(10.5, standing=1),
        move(10.5, RUNNING, PREEMPTED, "out of blocks"),
        TransferStarted(10.5, 1, TransferKind.SWAP_OUT, 1, 7),
        TransferEnded(10.75, 1, "checksum differs"),
        move(11.0, PREEMPTED, RUNNING, "recomputed"),
        DraftVerified(11.5, "a", 1, 4, 3),
        step(11.5, ComputedUnits(1, 0, 100, True, False), left=(1,)),
        move(11.5, RUNNING, Status.FINISHED, "stop"),
        RequestEnded(11.5, "a", Status.FINISHED, "stop", 6),
    )
    assert lines == [
        "request 'a'",
        "0.000 s arrived: 100 prompt tokens, at most 50 output tokens, tenant 'acme'",
        "0.000–0.012 s waiting: arrived",
        "0.012–0.300 s waiting: no free blocks",
        "0.300–0.500 s running: admitted (2 steps, 2 tokens)",
        "0.300 s prefix cache: 64 of 100 tokens found",
        "0.400 s first token",
        "0.500–1.000 s preempted: out of blocks",
        "0.500–0.750 s swap out of 7 blocks, failed: checksum differs",
        "1.000–1.500 s running: recomputed (1 step, 4 tokens)",
        "1.500 s drafts: 3 of 4 drafted tokens were right",
        "1.500 s finished: stop (6 output tokens)",
    ]


def test_several_sequences_are_told_apart() -> None:
    lines = explained(
        RequestArrived(0.0, "a", "acme", 1, 1),
        move(0.0, None, RUNNING, "admitted"),
        move(1.0, None, RUNNING, "fork", 2),
        move(2.0, RUNNING, Status.CANCELLED, "pruned"),
        move(3.0, RUNNING, Status.FINISHED, "stop", 2),
        RequestEnded(3.0, "a", Status.FINISHED, "stop", 1),
    )
    assert lines[2:] == [
        "0.000–2.000 s sequence 1 running: admitted",
        "1.000–3.000 s sequence 2 running: fork",
        "2.000 s sequence 1 cancelled: pruned",
        "3.000 s sequence 2 finished: stop",
        "3.000 s finished: stop (1 output token)",
    ]


def test_a_request_still_under_way_and_an_arrival_not_in_the_log() -> None:
    lines = explained(move(5.0, WAITING, RUNNING, "admitted"), WaitReason(6.0, "a", 1, "no row"))
    assert lines == [
        "request 'a': the log begins after its arrival; what came before is missing",
        "0.000 s waiting: before the log begins",
        "0.000–1.000 s running: admitted",
        "1.000 s to the end of the log: running: no row",
    ]


def test_what_takes_no_time_counts_where_it_happens() -> None:
    lines = explained(
        RequestArrived(0.0, "a", "acme", 1, 1),
        move(0.0, None, WAITING, "arrived"),
        WaitReason(0.0, "a", 1, "no row"),
        move(1.0, WAITING, RUNNING, "admitted"),
        step(1.0, ComputedUnits(1, 0, 1, True, False)),
        move(1.0, RUNNING, Status.FINISHED, "stop"),
    )
    assert lines[2:] == [
        "0.000–1.000 s waiting: no row",
        "1.000 s running: admitted (1 step, 1 token)",
        "1.000 s finished: stop",
    ]


def test_a_single_event_is_enough() -> None:
    assert explained(DraftVerified(5.0, "a", 1, 4, 1))[1:] == [
        "0.000 s drafts: 1 of 4 drafted tokens were right"
    ]
    assert explained(FirstToken(5.0, "a"))[1:] == ["0.000 s first token"]


def test_text_of_others_adds_no_lines_and_no_control_characters() -> None:
    lines = explained(
        RequestArrived(0.0, "a", "x", 1, 1), move(0.0, None, WAITING, "one\n0.001 s \x1b[2Jtwo")
    )
    assert lines[2] == "0.000 s to the end of the log: waiting: one\ufffd0.001 s \ufffd[2Jtwo"


@given(seed=st.integers(0, 10**6))
def test_every_history_can_be_explained_in_order(seed: int) -> None:
    history = History(seed)
    for index in range(history.num_requests):
        story = timeline(history.events, f"request-{index}")
        lines = explain(story).splitlines()
        begins = [float(line.split(" ")[0].split("–")[0]) for line in lines[1:]]
        assert begins == sorted(begins)
        assert begins[0] == 0
        assert lines[-1].endswith("tokens)") or lines[-1].endswith("output token)")
