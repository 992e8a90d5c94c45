"""Which files make up a Hugging Face checkpoint, and which tensor lies in which of them."""

import json
import re
from collections.abc import Iterable, Mapping
from pathlib import Path

from weft.contracts.errors import ConfigurationError
from weft.model_specs.gguf_header import is_gguf
from weft.weights.gguf_tensors import GgufTensors
from weft.weights.messages import clipped, first_few, quoted
from weft.weights.tensor_file import StoredTensors, TensorFile

SINGLE_FILE = "model.safetensors"
INDEX_FILE = "model.safetensors.index.json"
PACKED_FILE = "weights.weft"
"""Of a directory that `weft quantize` wrote."""

# An index comes from elsewhere: it may name files beside itself, never a path.
SHARD_NAME = re.compile(r"[\w.+-]+\.safetensors", re.ASCII)


def open_checkpoint(directory: Path) -> Mapping[str, StoredTensors]:
    """Every tensor's name and the opened file that holds it: of a directory's, or the one GGUF file that is named.

    All headers are read here, so a damaged or missing shard is found before any time goes into loading. Raises
    `ConfigurationError` where files are missing, damaged or contradict each other.
    """
    if is_gguf(directory):
        stored = GgufTensors(directory)
        return dict.fromkeys(stored.names, stored)
    if not directory.is_dir():
        raise ConfigurationError(
            f"{directory} is not a directory; name the directory that holds {SINGLE_FILE}"
        )
    if not (directory / INDEX_FILE).exists():
        return _located([TensorFile(_single_file(directory))])
    shard_of = _read_index(directory / INDEX_FILE)
    located = _located([TensorFile(path) for path in _shard_paths(directory, shard_of.values())])
    _check_index(directory / INDEX_FILE, shard_of, located)
    return located


def _single_file(directory: Path) -> Path:
    path = directory / SINGLE_FILE
    if path.exists():
        return path
    names = sorted(entry.name for entry in directory.iterdir())
    if PACKED_FILE in names:
        raise ConfigurationError(
            f"{directory} holds weights that are packed for the backend 'cpu': choose that, or name the directory that "
            "they were made from"
        )
    others = [name for name in names if name.endswith(".safetensors")]
    pickled = [name for name in names if name.startswith("pytorch_model") and name.endswith(".bin")]
    if others:
        advice = f"found {first_few(others)}; fetch the index as well, or rename a lone file to {SINGLE_FILE}"
    elif pickled:
        advice = (
            f"{first_few(pickled)} is refused because unpickling runs code from the file; convert it where you "
            "trust it: transformers' from_pretrained(…) then save_pretrained(…, safe_serialization=True)"
        )
    else:
        advice = "download the checkpoint's *.safetensors files into it"
    raise ConfigurationError(f"{directory} has neither {SINGLE_FILE} nor {INDEX_FILE}; {advice}")


def _read_index(path: Path) -> dict[str, str]:
    """The index's weight_map: tensor name to file name."""
    try:
        index = json.loads(path.read_bytes())
    except OSError as error:
        raise ConfigurationError(f"{path} cannot be read: {clipped(str(error))}; check the file") from error
    except (ValueError, RecursionError) as error:
        raise ConfigurationError(
            f"{path} is not valid JSON: {clipped(str(error))}; download it again"
        ) from error
    weight_map = index.get("weight_map") if isinstance(index, dict) else None
    if not isinstance(weight_map, dict) or not weight_map:
        raise ConfigurationError(f'{path} has no "weight_map" from tensor to file names; download it again')
    for name, shard in weight_map.items():
        if not isinstance(shard, str) or not SHARD_NAME.fullmatch(shard):
            raise ConfigurationError(
                f"{path}: tensor {quoted(name)} is said to be in {quoted(str(shard))}, which is not the name of a "
                ".safetensors file in the same directory; download the index again"
            )
    return weight_map


def _shard_paths(directory: Path, shards: Iterable[str]) -> list[Path]:
    names = sorted(dict.fromkeys(shards))
    missing = [name for name in names if not (directory / name).exists()]
    if missing:
        raise ConfigurationError(
            f"{directory} lacks {len(missing)} of the {len(names)} files that {INDEX_FILE} names: "
            f"{first_few(missing)}; download them"
        )
    if SINGLE_FILE not in names and (directory / SINGLE_FILE).exists():
        raise ConfigurationError(
            f"{directory} has {SINGLE_FILE} as well as {INDEX_FILE}, which does not name it; "
            "delete the one that is out of date"
        )
    return [directory / name for name in names]


def _located(files: Iterable[TensorFile]) -> dict[str, TensorFile]:
    located: dict[str, TensorFile] = {}
    for file in files:
        for name in file.names:
            if name in located:
                raise ConfigurationError(
                    f"tensor {quoted(name)} is in {located[name].path} and in {file.path.name}; "
                    "they are from different checkpoints: download both again"
                )
            located[name] = file
    return located


def _check_index(path: Path, shard_of: Mapping[str, str], located: Mapping[str, TensorFile]) -> None:
    for name, shard in shard_of.items():
        file = located.get(name)
        if file is None or file.path.name != shard:
            where = f"{file.path.name} holds it" if file else "no file holds it"
            raise ConfigurationError(
                f"{path} says that tensor {quoted(name)} is in {shard}, but {where}; "
                "index and files are from different checkpoints: download them again"
            )
