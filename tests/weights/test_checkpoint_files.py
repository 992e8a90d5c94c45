"""Files that are missing, damaged as a whole or contradict each other are found before anything is loaded."""

import json
import os
from pathlib import Path

import pytest
import torch

from tests.weights.checkpoints import EMBEDDING, NORM, opened, some_tensors, write, write_index, write_shards
from weft.contracts.errors import ConfigurationError

INDEX = "model.safetensors.index.json"


def refusal(directory: Path) -> str:
    with pytest.raises(ConfigurationError) as caught:
        opened(directory)
    message = str(caught.value)
    assert "\n" not in message
    assert len(message) < 600 + len(str(directory))
    return message


def test_no_directory(tmp_path: Path) -> None:
    assert "is not a directory" in refusal(tmp_path / "absent")
    assert "name the directory that holds model.safetensors" in refusal(
        write(tmp_path, {"w": torch.zeros(1)})
    )


def test_an_empty_directory(tmp_path: Path) -> None:
    assert "has neither model.safetensors nor" in refusal(tmp_path)


def test_pickled_weights_are_refused(tmp_path: Path) -> None:
    (tmp_path / "pytorch_model-00001-of-00002.bin").touch()
    message = refusal(tmp_path)
    assert "unpickling runs code" in message
    assert "safe_serialization=True" in message


def test_weights_under_another_name_are_mentioned(tmp_path: Path) -> None:
    write(tmp_path, {"w": torch.zeros(1)}, "model-00001-of-00002.safetensors")
    assert "found 'model-00001-of-00002.safetensors'; fetch the index" in refusal(tmp_path)


def test_a_missing_shard(tmp_path: Path) -> None:
    shards = write_shards(tmp_path, some_tensors())
    (tmp_path / shards[1]).unlink()
    message = refusal(tmp_path)
    assert f"lacks 1 of the 4 files that {INDEX} names: '{shards[1]}'; download" in message


@pytest.mark.parametrize(
    "text", [b"", b"{", b"\xff\xfe", b"[" * 100_000, b"1" * 5000, b'{"weight_map": \x00}'], ids=range(6)
)
def test_an_index_that_is_no_json(tmp_path: Path, text: bytes) -> None:
    (tmp_path / INDEX).write_bytes(text)
    assert INDEX in refusal(tmp_path)


@pytest.mark.parametrize("content", [{}, [], 3, None, {"weight_map": []}, {"weight_map": {}}], ids=str)
def test_an_index_without_a_map(tmp_path: Path, content: object) -> None:
    (tmp_path / INDEX).write_text(json.dumps(content))
    assert 'has no "weight_map"' in refusal(tmp_path)


@pytest.mark.parametrize(
    "shard",
    ["../model.safetensors", "/etc/passwd", "a\0.safetensors", "", 3, None, "\ud800.safetensors", "a.bin"],
)
def test_an_index_names_files_beside_itself_only(tmp_path: Path, shard: object) -> None:
    write_index(tmp_path, {"w": shard})
    assert "not the name of a .safetensors file in the same directory" in refusal(tmp_path)


def test_a_tensor_that_is_not_in_its_shard(tmp_path: Path) -> None:
    tensors = some_tensors()
    shards = write_shards(tmp_path, tensors)
    where = dict(zip(tensors, shards, strict=True))
    write_index(tmp_path, where | {"phantom": shards[0]})
    assert f"'phantom' is in {shards[0]}, but no file holds it" in refusal(tmp_path)
    write_index(tmp_path, where | {NORM: shards[0]})
    assert f"'{NORM}' is in {shards[0]}, but {where[NORM]} holds it" in refusal_with_all(tmp_path, where)


def refusal_with_all(directory: Path, where: dict[str, str]) -> str:
    """The file that no entry names any more is still named by a further tensor of it."""
    extra = write(directory, {NORM: torch.zeros(4), "other": torch.zeros(1)}, where[NORM])
    index = json.loads((directory / INDEX).read_text())["weight_map"]
    write_index(directory, index | {"other": extra.name})
    return refusal(directory)


def test_a_tensor_in_two_shards(tmp_path: Path) -> None:
    shards = write_shards(tmp_path, some_tensors())
    write(tmp_path, {NORM: torch.zeros(4), EMBEDDING: torch.zeros(1)}, shards[0])
    assert "they are from different checkpoints" in refusal(tmp_path)


def test_a_tensor_that_the_index_forgot_is_left_over(tmp_path: Path) -> None:
    write(tmp_path, {"a": torch.zeros(1), "b": torch.zeros(1)}, "s.safetensors")
    write_index(tmp_path, {"a": "s.safetensors"})
    source = opened(tmp_path)
    source.read("a", (1,))
    with pytest.raises(ConfigurationError, match="does not use: 'b'"):
        source.finish()


def test_a_single_file_beside_shards_is_ambiguous(tmp_path: Path) -> None:
    write_shards(tmp_path, some_tensors())
    write(tmp_path, some_tensors())
    assert "delete the one that is out of date" in refusal(tmp_path)


def test_a_git_lfs_pointer(tmp_path: Path) -> None:
    pointer = "version https://git-lfs.github.com/spec/v1\noid sha256:00\nsize 5\n"
    (tmp_path / "model.safetensors").write_text(pointer)
    assert "is a Git LFS pointer, not the weights; run `git lfs pull`" in refusal(tmp_path)


def test_files_that_cannot_be_opened(tmp_path: Path) -> None:
    (tmp_path / "model.safetensors").mkdir()
    assert "model.safetensors cannot be read: " in refusal(tmp_path)
    (tmp_path / INDEX).mkdir()
    assert f"{INDEX} cannot be read: " in refusal(tmp_path)


def test_links_are_followed(tmp_path: Path) -> None:
    """The download cache of Hugging Face is a directory of links."""
    path = write(tmp_path / "blobs", {"w": torch.ones(1)}, "0123")
    (tmp_path / "snapshot").mkdir()
    os.symlink(path, tmp_path / "snapshot" / "model.safetensors")
    assert opened(tmp_path / "snapshot").read("w", (1,)).item() == 1


def test_a_dangling_link_is_named(tmp_path: Path) -> None:
    os.symlink(tmp_path / "gone", tmp_path / INDEX)
    assert refusal(tmp_path)
