"""A checkpoint is written whole or not at all, and reads back as what it was."""

import errno
import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor

from tests.weights.checkpoints import EMBEDDING, HEAD, NORM, read_all, same, some_tensors
from weft.contracts.errors import ConfigurationError
from weft.weights import save
from weft.weights.save import save_checkpoint

CONFIG = {"model_type": "llama", "hidden_size": 4}
INDEX = "model.safetensors.index.json"


class Lazy(Mapping[str, Tensor]):
    """Tensors made when they are asked for; some come with something that happens then."""

    def __init__(self, tensors: Mapping[str, Tensor], at: str, happening: Any) -> None:
        self.tensors = tensors
        self.at = at
        self.happening = happening

    def __getitem__(self, name: str) -> Tensor:
        if name == self.at:
            self.happening()
        return self.tensors[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self.tensors)

    def __len__(self) -> int:
        return len(self.tensors)


def files(directory: Path) -> list[str]:
    return sorted(path.name for path in directory.iterdir())


def test_one_file(tmp_path: Path) -> None:
    tensors = some_tensors(torch.bfloat16)
    save_checkpoint(tmp_path / "a" / "b", CONFIG, tensors)
    assert files(tmp_path / "a") == ["b"]
    assert files(tmp_path / "a" / "b") == ["config.json", "model.safetensors"]
    assert json.loads((tmp_path / "a" / "b" / "config.json").read_text()) == CONFIG
    in_float32 = {name: tensor.float() for name, tensor in tensors.items()}
    assert same(read_all(tmp_path / "a" / "b", tensors), in_float32)


def test_shards_with_an_index(tmp_path: Path) -> None:
    """The tensors have 96, 64, 16 and 96 bytes."""
    tensors = some_tensors()
    save_checkpoint(tmp_path, CONFIG, tensors, max_shard_bytes=96)
    shards = [f"model-0000{number}-of-00003.safetensors" for number in (1, 2, 3)]
    assert files(tmp_path) == sorted(["config.json", INDEX, *shards])
    index = json.loads((tmp_path / INDEX).read_text())
    assert index["metadata"] == {"total_size": 272}
    assert list(index["weight_map"].values()) == [shards[0], shards[1], shards[1], shards[2]]
    assert same(read_all(tmp_path, tensors), tensors)


def test_a_tensor_larger_than_a_shard(tmp_path: Path) -> None:
    tensors = some_tensors()
    save_checkpoint(tmp_path, CONFIG, tensors, max_shard_bytes=1)
    assert len(files(tmp_path)) == 6
    assert same(read_all(tmp_path, tensors), tensors)


@pytest.mark.parametrize("max_shard_bytes", [10**9, 96])
def test_views_and_twins(tmp_path: Path, max_shard_bytes: int) -> None:
    """Tensors may share memory, lie in any order and belong to a graph; each is stored for itself."""
    whole = torch.arange(48.0, requires_grad=True).view(6, 8)
    tensors = {EMBEDDING: whole[:, :4], HEAD: whole[:, :4], NORM: whole[0, ::2], "t": whole.t()}
    save_checkpoint(tmp_path, CONFIG, tensors, max_shard_bytes=max_shard_bytes)
    assert same(read_all(tmp_path, tensors), tensors)


def test_everybody_may_read_every_file(tmp_path: Path) -> None:
    save_checkpoint(tmp_path, CONFIG, some_tensors(), max_shard_bytes=96)
    assert len({path.stat().st_mode for path in tmp_path.iterdir()}) == 1


def test_other_files_go_along(tmp_path: Path) -> None:
    source = tmp_path / "source"
    source.write_bytes(b"pieces")
    save_checkpoint(tmp_path / "out", CONFIG, some_tensors(), other_files={"tokenizer.model": source})
    assert (tmp_path / "out" / "tokenizer.model").read_bytes() == b"pieces"
    with pytest.raises(ConfigurationError, match=r"cannot be copied to 'config.json'"):
        save_checkpoint(tmp_path / "again", CONFIG, some_tensors(), other_files={"config.json": source})
    with pytest.raises(ConfigurationError, match=r"cannot be written: .*absent"):
        save_checkpoint(tmp_path / "again", CONFIG, some_tensors(), other_files={"a": tmp_path / "absent"})
    assert files(tmp_path) == ["out", "source"]


def test_nothing_is_overwritten(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    for target in (tmp_path, tmp_path / "file"):
        with pytest.raises(ConfigurationError, match="exists and is not an empty directory"):
            save_checkpoint(target, CONFIG, some_tensors())
    assert files(tmp_path) == ["file"]


def test_the_target_appears_at_the_end(tmp_path: Path) -> None:
    """A crash at the last tensor, after shards were written, would leave no directory of that name."""
    target = tmp_path / "out"
    seen: list[bool] = []
    tensors = Lazy(some_tensors(), HEAD, lambda: seen.append(target.exists()))
    save_checkpoint(target, CONFIG, tensors, max_shard_bytes=1)
    assert seen == [False]
    assert files(tmp_path) == ["out"]


@pytest.mark.parametrize(
    "failure", [KeyboardInterrupt(), ConfigurationError("source ended"), OSError("gone")], ids=repr
)
def test_a_failure_leaves_nothing(tmp_path: Path, failure: BaseException) -> None:
    def fail() -> None:
        raise failure

    tensors = Lazy(some_tensors(), HEAD, fail)
    with pytest.raises((KeyboardInterrupt, ConfigurationError)):
        save_checkpoint(tmp_path / "out", CONFIG, tensors, max_shard_bytes=1)
    assert files(tmp_path) == []


def test_a_full_disk_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_: object, **__: object) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(save, "save_file", full)
    with pytest.raises(ConfigurationError, match=r"out cannot be written: .*No space left on device"):
        save_checkpoint(tmp_path / "out", CONFIG, some_tensors())
    assert files(tmp_path) == []


def test_a_parent_that_is_a_file(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(ConfigurationError, match="cannot be made: Not a directory"):
        save_checkpoint(tmp_path / "file" / "out", CONFIG, some_tensors())


@pytest.mark.parametrize(
    ("tensors", "problem"),
    [
        ({}, "at least one tensor"),
        ({"__metadata__": torch.zeros(1)}, "file format keeps that name"),
        ({"w": torch.zeros(1, dtype=torch.int32)}, "'w' is of type torch.int32"),
        ({"w": torch.zeros(1, device="meta")}, "'w' is on the meta device"),
    ],
)
def test_tensors_that_cannot_be_written(tmp_path: Path, tensors: dict[str, Tensor], problem: str) -> None:
    with pytest.raises(ConfigurationError, match=problem):
        save_checkpoint(tmp_path / "out", CONFIG, tensors)
    assert files(tmp_path) == []


@pytest.mark.parametrize(
    "value", [float("nan"), object(), {1, 2}, b"x"], ids=["nan", "object", "set", "bytes"]
)
def test_a_config_that_is_no_json(tmp_path: Path, value: object) -> None:
    with pytest.raises(ConfigurationError, match=r"config.json cannot be written as JSON"):
        save_checkpoint(tmp_path / "out", {"a": value}, some_tensors())


def test_a_shard_needs_room(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match="max_shard_bytes is 0"):
        save_checkpoint(tmp_path, CONFIG, some_tensors(), max_shard_bytes=0)
