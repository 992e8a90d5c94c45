import json
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.text import tiny
from weft.text.loading import load_tokenizer
from weft.text.tokenizer import Tokenizer

JSON_MAKERS: dict[str, Callable[[], object]] = {
    "byte_level": tiny.byte_level,
    "byte_fallback": tiny.byte_fallback,
    "metaspace": tiny.metaspace,
    "plain": tiny.plain,
}
MODEL_OPTIONS: dict[str, dict[str, object]] = {
    "sentencepiece": {},
    "sentencepiece_nfkc": {"normalization_rule_name": "nmt_nfkc", "remove_extra_whitespaces": True},
    "sentencepiece_bare": {"add_dummy_prefix": False, "byte_fallback": False, "vocab_size": 160},
}
NAMES = [*JSON_MAKERS, *MODEL_OPTIONS]


@pytest.fixture(scope="session")
def folders(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """A folder for each tiny tokenizer."""
    made = {name: tmp_path_factory.mktemp(name) for name in NAMES}
    for name, make in JSON_MAKERS.items():
        (made[name] / "tokenizer.json").write_text(make().to_str(), encoding="utf-8")  # type: ignore[attr-defined]
        tiny.write_json(made[name] / "tokenizer_config.json", tiny.CONFIG)
    for name, options in MODEL_OPTIONS.items():
        (made[name] / "tokenizer.model").write_bytes(tiny.sentencepiece_model(**options))
    return made


@pytest.fixture(scope="session")
def tokenizers_by_name(folders: dict[str, Path]) -> dict[str, Tokenizer]:
    return {name: load_tokenizer(folder) for name, folder in folders.items()}


@pytest.fixture(params=NAMES)
def tokenizer(request: pytest.FixtureRequest, tokenizers_by_name: dict[str, Tokenizer]) -> Tokenizer:
    return tokenizers_by_name[request.param]


@pytest.fixture(scope="session")
def byte_level_files(folders: dict[str, Path], tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The byte-level tokenizer as vocab.json and merges.txt."""
    folder = tmp_path_factory.mktemp("files")
    model = json.loads((folders["byte_level"] / "tokenizer.json").read_text(encoding="utf-8"))["model"]
    tiny.write_json(folder / "vocab.json", model["vocab"])
    lines = ["#version: 0.2", *(" ".join(merge) for merge in model["merges"])]
    (folder / "merges.txt").write_text("\n".join(lines) + "\n", encoding="utf-8")
    return folder
