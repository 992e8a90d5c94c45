"""What a configuration's text may be, and what is said of any other."""

from pathlib import Path

import pytest

from weft.cli.config_reading import MOST_BYTES, Entry, read_entries
from weft.contracts.errors import ConfigurationError


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "service.yaml"


def test_texts_lists_and_sections_come_with_their_lines(path: Path) -> None:
    path.write_text(
        "# a service\nmodel: m\nserve:\n  port: 8\n  api_key:\n    - a\n    - b c\nend: {x: [1]}\n"
    )
    assert read_entries(path) == [
        Entry(2, "", "model", "m"),
        Entry(3, "", "serve", None, is_section=True),
        Entry(4, "serve", "port", "8"),
        Entry(5, "serve", "api_key", ("a", "b c")),
        Entry(8, "", "end", None, is_section=True),
        Entry(8, "end", "x", ("1",)),
    ]


@pytest.mark.parametrize(
    ("written", "meant"),
    [
        ("no", "no"),
        ("on", "on"),
        ("010", "010"),
        ("1:30", "1:30"),
        ("1_000", "1_000"),
        ("2024-01-01", "2024-01-01"),
        ("'null'", "null"),
        ('""', ""),
        ("vtc:weights=a=2+b=1  # why", "vtc:weights=a=2+b=1"),
        ("", None),
        ("~", None),
        ("NULL", None),
    ],
)
def test_values_stay_texts(path: Path, written: str, meant: str | None) -> None:
    path.write_text(f"key: {written}\n")
    assert [entry.value for entry in read_entries(path)] == [meant]


def test_a_mark_of_byte_order_is_no_part_of_a_key(path: Path) -> None:
    path.write_bytes(b"\xef\xbb\xbfmodel: m\r\n")
    assert read_entries(path) == [Entry(1, "", "model", "m")]


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("", ": it is empty"),
        ("# nothing\n", ": it is empty"),
        ("---\n", ": it is empty"),
        ("- a\n", ":1: the file is no mapping"),
        ("just words\n", ":1: the file is no mapping"),
        ("a: 1\nb: [1\n", ":3: this is no YAML"),
        ("a: b: c\n", ":1: this is no YAML"),
        ("a: 1\n\tb: 2\n", ":2: this is no YAML"),
        ("a: \x07\n", ": this is no YAML (special characters are not allowed)"),
        ('a: "\\UFFFFFFFF"\n', ": this is no YAML"),
        (f"%YAML {'9' * 5000}.1\n---\na: 1\n", ": this is no YAML"),
        ("a: 1\n---\nb: 2\n", ":2: a second document begins"),
        ("a: &x 1\n", ":1: an anchor (&) is not allowed"),
        ("&x a: 1\n", ":1: an anchor (&) is not allowed"),
        ("a: &x {b: 1}\n", ":1: an anchor (&) is not allowed"),
        ("a: 1\nb: *x\n", ":2: an alias (*) is not allowed"),
        ("a: !!python/name:os.system x\n", ":1: the tag 'tag:yaml.org,2002:python/name:os.system'"),
        ("a: !!int 3\n", ":1: the tag"),
        ("? [x]\n: y\n", ":1: a key is no plain text"),
        ("a: [[1]]\n", ":1: in the list 'a' is another one"),
        ("a: [1, ~]\n", ":1: in the list 'a' is an empty item"),
        ("a:\n  b:\n    c: 1\n", ":3: 'b' is a mapping; give a text"),
        ('a: "\\0"\n', ":1: a text has a character that no text may have"),
        ('a: "\\ud800"\n', ":1: a text has a character that no text may have"),
        ("a:\n" + "- x\n" * 1000, ":1001: there are more than 1000 keys and values"),
        ("[" * 100_000, ":1: the file is no mapping"),
        ("{a: " * 100_000, ":1: 'a' is a mapping"),
    ],
    ids=lambda text: repr(text)[:30],
)
def test_any_other_text_is_refused_with_its_line(path: Path, text: str, told: str) -> None:
    path.write_text(text)
    with pytest.raises(ConfigurationError) as caught:
        read_entries(path)
    assert str(caught.value).startswith(f"{path}{told}")
    assert ";" in str(caught.value)


def test_what_is_no_text_of_the_right_size_is_refused(path: Path, tmp_path: Path) -> None:
    path.write_bytes(b"a: \xff\n")
    with pytest.raises(ConfigurationError, match="is no UTF-8 text at byte 3"):
        read_entries(path)
    path.write_bytes(b"#" * (MOST_BYTES + 1))
    with pytest.raises(ConfigurationError, match="is larger than 1024 KiB"):
        read_entries(path)
    for wrong in (tmp_path, tmp_path / "none.yaml", Path("a\0b")):
        with pytest.raises(ConfigurationError, match="cannot be read"):
            read_entries(wrong)
