"""docs/validation.md: its example is a run, and its table has every key."""

import re
from dataclasses import fields
from pathlib import Path

from tests.measurement.validation.recorded import POINT, write_run
from weft.measurement.validation.facts import RunFacts, read_facts

PAGE = (Path(__file__).parents[2] / "docs" / "validation.md").read_text(encoding="utf-8")


def test_the_example_can_be_read(tmp_path: Path) -> None:
    (example,) = re.findall(r"```json\n(.*?)```", PAGE, re.DOTALL)
    write_run(tmp_path, "points", [POINT])
    (tmp_path / "run.json").write_text(example)
    assert read_facts(tmp_path / "run.json").hardware == "h100"


def test_every_key_is_explained() -> None:
    table = PAGE.partition("| key | meaning | default |")[2].partition("\n\n")[0]
    explained = [name for row in table.splitlines()[2:] for name in re.findall(r"`(\w+)`", row.split("|")[1])]
    assert sorted(explained) == sorted(field.name for field in fields(RunFacts))


def test_every_column_is_named() -> None:
    for name in (*POINT, "arrival_s", "e2e_s", "prefix_hashes", "start_s", "duration_s", "prefill_sequences"):
        assert f"`{name}`" in PAGE
