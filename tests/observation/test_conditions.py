import pytest
from hypothesis import given
from hypothesis import strategies as st

from weft.contracts.errors import ConfigurationError, InvariantViolation
from weft.observation import conditions
from weft.observation.conditions import (
    ConditionCount,
    ConditionRegistry,
    Kind,
    Report,
    merge_reports,
    report_from_json,
    report_to_json,
    unhit_in,
)


@pytest.fixture
def registry() -> ConditionRegistry:
    return ConditionRegistry()


def test_sometimes_counts_hits(registry: ConditionRegistry) -> None:
    preempted = registry.sometimes("preempted")
    preempted.hit()
    preempted.hit()
    assert registry.report() == {"preempted": ConditionCount(Kind.SOMETIMES, 2)}


def test_always_counts_checks_and_raises(registry: ConditionRegistry) -> None:
    conserved = registry.always("blocks_conserved")
    conserved.check(True, "unused")
    with pytest.raises(InvariantViolation, match=r"\[blocks_conserved\] one lost") as caught:
        conserved.check(False, "one lost")
    assert caught.value.name == "blocks_conserved"
    assert registry.report() == {"blocks_conserved": ConditionCount(Kind.ALWAYS, 2)}


def test_the_detail_is_only_made_where_needed(registry: ConditionRegistry) -> None:
    made: list[str] = []

    def detail() -> str:
        made.append("made")
        return "seen"

    condition = registry.always("holds")
    condition.check(True, detail)
    assert made == []
    with pytest.raises(InvariantViolation, match="seen"):
        condition.check(False, detail)


def test_never_raises_where_reached(registry: ConditionRegistry) -> None:
    lost = registry.never("lost_wakeup")
    with pytest.raises(InvariantViolation, match=r"\[lost_wakeup\] at 3 s"):
        lost.reached("at 3 s")
    assert registry.report() == {"lost_wakeup": ConditionCount(Kind.NEVER, 1)}


def test_a_name_is_one_condition_of_one_kind(registry: ConditionRegistry) -> None:
    assert registry.sometimes("a") is registry.sometimes("a")
    with pytest.raises(ConfigurationError, match="'a' is both 'sometimes' and 'always'"):
        registry.always("a")


def test_report_keeps_the_order_of_declaration(registry: ConditionRegistry) -> None:
    for name in ("z", "a", "m"):
        registry.sometimes(name)
    registry.sometimes("a").hit()
    assert list(registry.report()) == ["z", "a", "m"]


def test_unhit_names_only_sometimes_conditions_under_the_prefix(registry: ConditionRegistry) -> None:
    registry.always("scheduler.sane")
    registry.never("scheduler.lost")
    for name in ("scheduler.a", "scheduler.b", "cache.c"):
        registry.sometimes(name)
    registry.sometimes("scheduler.b").hit()
    assert registry.unhit() == ["scheduler.a", "cache.c"]
    assert registry.unhit("scheduler.") == ["scheduler.a"]


def test_reset_keeps_what_is_declared(registry: ConditionRegistry) -> None:
    condition = registry.sometimes("a")
    condition.hit()
    registry.reset()
    assert registry.report() == {"a": ConditionCount(Kind.SOMETIMES, 0)}
    condition.hit()
    assert registry.unhit() == []


def test_the_modules_functions_share_one_registry(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(conditions._REGISTRY, "_conditions", {})
    conditions.sometimes("a").hit()
    conditions.always("b")
    conditions.never("c")
    conditions.sometimes("d")
    assert list(conditions.report()) == ["a", "b", "c", "d"]
    assert conditions.unhit() == ["d"]
    conditions.reset()
    assert conditions.unhit() == ["a", "d"]


KIND_OF = {"a": Kind.SOMETIMES, "b": Kind.ALWAYS, 'odd "name"\n': Kind.NEVER}
REPORTS = st.dictionaries(st.sampled_from([*KIND_OF]), st.integers(0, 2**70)).map(
    lambda hits: {name: ConditionCount(KIND_OF[name], count) for name, count in hits.items()}
)


@given(reports=st.lists(REPORTS, max_size=4))
def test_merging_sums(reports: list[Report]) -> None:
    merged = merge_reports(*reports)
    assert merged == {
        name: ConditionCount(KIND_OF[name], sum(report[name].hits for report in reports if name in report))
        for name in dict.fromkeys(name for report in reports for name in report)
    }
    assert unhit_in(merged) == (["a"] if "a" in merged and not merged["a"].hits else [])


def test_merging_refuses_two_kinds() -> None:
    first = {"a": ConditionCount(Kind.SOMETIMES, 1)}
    with pytest.raises(ConfigurationError, match="'a' is both"):
        merge_reports(first, {"a": ConditionCount(Kind.NEVER, 1)})


@given(report=REPORTS)
def test_json_is_exact_and_keeps_order(report: Report) -> None:
    back = report_from_json(report_to_json(report))
    assert list(back.items()) == list(report.items())


@pytest.mark.parametrize(
    "text",
    [
        "",
        "[]",
        '{"a": 3}',
        '{"a": ["often", 3]}',
        '{"a": ["never", -1]}',
        '{"a": ["never", true]}',
        "[" * 99999,
        '{"a": ["never", false]}',
        '{"a": ["never", 1.5]}',
    ],
)
def test_what_is_no_report_is_refused(text: str) -> None:
    with pytest.raises(ConfigurationError, match=r"expected|not a report"):
        report_from_json(text)
