"""The cache of packed weights: an entry per version of a model, not too many of them."""

import os
from pathlib import Path

import pytest

from tests.weights.checkpoints import some_tensors, write
from weft.contracts.errors import ConfigurationError
from weft.weights.packed_cache import ABANDONED_S, LIMIT_VARIABLE, PackedCache


def model(directory: Path) -> Path:
    write(directory, some_tensors())
    (directory / "config.json").write_text("{}")
    return directory


def cache(directory: Path, limit_bytes: int = 1 << 30) -> PackedCache:
    return PackedCache(directory / "packed", limit_bytes)


def put(cache: PackedCache, path: Path, content: bytes = b"1234", used_s: float | None = None) -> None:
    with cache.writing(path) as file:
        file.write(content)
    if used_s is not None:
        os.utime(path, (used_s, used_s))


def test_what_changes_the_weights_changes_the_place(tmp_path: Path) -> None:
    directory, kept = model(tmp_path / "m"), cache(tmp_path)
    weights, places = directory / "model.safetensors", []

    def note(dtype: str = "float32", kind: str = "int8") -> None:
        places.append(kept.place(directory, dtype, kind))

    note()
    assert kept.place(directory, "float32", "int8") == places[0]
    note(dtype="bfloat16")
    note(kind="int4-32")
    os.utime(weights, ns=(1, 1))
    note()
    write(directory, {name.replace("norm", "morn"): tensor for name, tensor in some_tensors().items()})
    os.utime(weights, ns=(1, 1))
    note()
    (directory / "config.json").write_text('{"rope_theta": 1}')
    note()
    directory = model(tmp_path / "n")
    note()
    assert len(places) == len(dict.fromkeys(places))


def test_a_new_layout_needs_a_new_entry(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    directory = model(tmp_path / "m")
    before = cache(tmp_path).place(directory, "float32", "int8")
    monkeypatch.setattr("weft.weights.packed_cache.LAYOUT_VERSION", 99)
    assert cache(tmp_path).place(directory, "float32", "int8") != before


def test_a_model_without_weights_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match=r"neither model\.safetensors"):
        cache(tmp_path).place(tmp_path, "float32", "int8")
    write(tmp_path, some_tensors())
    with pytest.raises(ConfigurationError, match="cannot be read"):
        cache(tmp_path).place(tmp_path, "float32", "int8")


def test_an_entry_is_whole_or_not_there(tmp_path: Path) -> None:
    kept = cache(tmp_path)
    path = kept.directory / "a.weft"

    def begin() -> None:
        with kept.writing(path) as file:
            file.write(b"half")
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        begin()
    assert list(kept.directory.iterdir()) == []
    put(kept, path)
    assert [(entry.path, entry.num_bytes) for entry in kept.entries()] == [(path, 4)]


def test_old_versions_of_a_model_go(tmp_path: Path) -> None:
    directory, kept = model(tmp_path / "m"), cache(tmp_path)
    first = kept.place(directory, "float32", "int8")
    other = kept.place(directory, "float32", "int4-32")
    put(kept, first)
    put(kept, other)
    os.utime(directory / "model.safetensors", ns=(1, 1))
    second = kept.place(directory, "float32", "int8")
    put(kept, second)
    assert sorted(entry.path for entry in kept.entries()) == sorted([second, other])


def test_what_was_not_used_for_longest_makes_room(tmp_path: Path) -> None:
    kept = cache(tmp_path, limit_bytes=10)
    names = ["used-long-ago-0000000000000000.weft", "used-0000000000000000.weft", "new-0000000000000000.weft"]
    first, second, third = (kept.directory / name for name in names)
    put(kept, first, used_s=1000.0)
    put(kept, second, used_s=900.0)
    kept.used(second)
    put(kept, third)
    assert sorted(entry.path for entry in kept.entries()) == sorted([second, third])


def test_what_a_process_left_over_goes_in_the_end(tmp_path: Path) -> None:
    kept = cache(tmp_path)
    kept.directory.mkdir()
    for name in ("old.partial", "young.partial"):
        (kept.directory / name).write_bytes(b"half")
    new = kept.directory / "new-0000000000000000.weft"
    put(kept, new)
    os.utime(kept.directory / "old.partial", (1, new.stat().st_mtime - ABANDONED_S - 1))
    put(kept, new)
    assert sorted(path.name for path in kept.directory.iterdir()) == [new.name, "young.partial"]
    assert [entry.path for entry in kept.clear()] == [new]
    assert list(kept.directory.iterdir()) == []


def test_the_environment_says_where_and_how_much(tmp_path: Path) -> None:
    found = PackedCache.of_user({"XDG_CACHE_HOME": str(tmp_path), LIMIT_VARIABLE: "77"})
    assert (found.directory, found.limit_bytes) == (tmp_path / "weft" / "packed", 77)
    assert found.entries() == found.clear() == []
    with pytest.raises(ConfigurationError, match="WEFT_CACHE_LIMIT_BYTES is '8GB'; give a number of bytes"):
        PackedCache.of_user({LIMIT_VARIABLE: "8GB"})
