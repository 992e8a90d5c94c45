"""Tables of the policies' page are replaced where they are named, and all of them have a place there."""

from pathlib import Path

import pytest

from tools.policy_tables import TABLES, named_tables, replaced

PAGE = Path(__file__).parents[2] / "docs" / "benchmarks" / "policies.md"


def test_a_table_is_replaced_and_nothing_else() -> None:
    page = "Text\n\n<!-- table: one -->\n| a |\n|---|\n| 1 |\n\nMore\n<!-- table: two -->\nEnd\n"
    changed = replaced(page, {"one": "| b |\n"})
    assert changed == "Text\n\n<!-- table: one -->\n| b |\n\nMore\n<!-- table: two -->\nEnd\n"
    assert replaced(changed, {"two": "| c |\n"}).endswith("<!-- table: two -->\n| c |\nEnd\n")


def test_a_table_without_a_place_is_refused() -> None:
    with pytest.raises(ValueError, match="no place for three"):
        replaced("<!-- table: one -->\n", {"three": "| b |\n"})


def test_the_page_has_a_place_for_each_and_names_its_load() -> None:
    page = PAGE.read_text()
    assert sorted(named_tables(page)) == sorted(TABLES)
    for arguments in TABLES.values():
        load = arguments[arguments.index("--workload") :].removesuffix(" --slo-told none")
        assert f"`{load}`" in page
