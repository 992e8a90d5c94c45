"""The page of clients: what their scripts report becomes a table."""

import json
from pathlib import Path

from tools.client_matrix import CLIENTS, ROOT, page, read_report


def test_a_report_is_the_last_line() -> None:
    features = {
        "chat": {"state": "works", "told": ""},
        "images": {"state": "refused", "told": "text | only"},
        "tools": {"state": "fails", "told": "ValueError"},
    }
    told = json.dumps({"versions": {"some-client": "1.2"}, "features": features})
    written = page(
        {"some-client": read_report(f"a library's own words\n{told}\n"), "other": read_report(told)}
    )
    assert "|  | some-client | other |" in written
    assert "| tools | fails | fails |" in written
    assert "| some-client | some-client 1.2 |" in written
    assert "| other | images | `text \\| only` |" in written


def test_every_client_has_a_script() -> None:
    scripts = {path.stem for path in Path(ROOT, "tools", "clients").glob("with_*.py")}
    assert {client.module.rpartition(".")[2] for client in CLIENTS} == scripts
