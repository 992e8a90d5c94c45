"""What a user may name a model by; the hub is played by a fake, but for the paths that need no network."""

import sys
from pathlib import Path
from typing import Any

import huggingface_hub
import pytest
from huggingface_hub import errors
from huggingface_hub.utils._paths import filter_repo_objects

from weft.contracts.errors import ConfigurationError
from weft.llm import model_path
from weft.llm.model_path import resolve_model
from weft.model_specs.builtin import builtin_model
from weft.weights import hub

COMMIT = "a" * 40


class FakeHub:
    """Records what was asked of it. `problem`: what it answers with instead; `download_problem`: how downloads end."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        self.problem: Exception | None = None
        self.download_problem: Exception | None = None
        self.is_cached = False
        self.asked: list[tuple[str, str | None]] = []
        self.snapshots: list[dict[str, Any]] = []

    def model_info(self, name: str, *, revision: str | None, timeout: float) -> None:
        assert 0 < timeout <= 10
        self.asked.append((name, revision))
        if self.problem:
            raise self.problem

    def snapshot_download(self, name: str, **arguments: Any) -> str:
        self.snapshots.append({"name": name, **arguments})
        if self.download_problem:
            raise self.download_problem
        if arguments["local_files_only"] and not self.is_cached:
            raise errors.LocalEntryNotFoundError("not here")
        return str(self.directory)


@pytest.fixture
def fake(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> FakeHub:
    directory = tmp_path / "snapshot"
    directory.mkdir()
    for name in ("config.json", "model.safetensors"):
        (directory / name).touch()
    fake = FakeHub(directory)
    monkeypatch.setattr(huggingface_hub, "HfApi", lambda **_: fake)
    monkeypatch.setattr(huggingface_hub, "snapshot_download", fake.snapshot_download)
    monkeypatch.chdir(tmp_path)
    return fake


def answer(kind: type[Exception]) -> Exception:
    """An error of the hub's library, without the response of a server that it wants."""
    error = kind.__new__(kind)
    error.args = ("404 of some request",)
    return error


def refusal(text: str | None, **options: Any) -> str:
    with pytest.raises(ConfigurationError) as raised:
        resolve_model(text, **options)
    assert "\n" not in str(raised.value)
    return str(raised.value)


def test_a_directory_is_itself_also_where_it_looks_like_a_name_of_the_hub(
    tmp_path: Path, fake: FakeHub
) -> None:
    (tmp_path / "org" / "name").mkdir(parents=True)
    assert resolve_model(str(tmp_path)) == tmp_path
    assert resolve_model("org/name") == Path("org/name")
    assert fake.asked == []


def test_the_built_in_model(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(model_path, "builtin_model", lambda name: tmp_path / name)
    assert resolve_model(None) == resolve_model("builtin") == tmp_path / "builtin"
    assert resolve_model("weft-nano") == tmp_path / "weft-nano"
    with pytest.raises(ConfigurationError, match="no built-in model weft-nano"):
        builtin_model("weft-nano", tmp_path)


def test_a_file_of_a_whole_model(fake: FakeHub, tmp_path: Path) -> None:
    (tmp_path / "tiny.Q8_0.gguf").touch()
    assert resolve_model("tiny.Q8_0.gguf") == Path("tiny.Q8_0.gguf")
    assert "there is no model 'none.gguf'" in refusal("none.gguf")
    assert fake.asked == []


def test_a_model_of_the_hub(fake: FakeHub) -> None:
    assert resolve_model("Org/some-Model_1.5B") == fake.directory
    assert resolve_model("org/name@refs/pr/3") == fake.directory
    assert fake.asked == [("Org/some-Model_1.5B", None), ("org/name", "refs/pr/3")]
    first, second = fake.snapshots
    assert (first["name"], first["revision"], first["local_files_only"]) == (
        "Org/some-Model_1.5B",
        None,
        False,
    )
    assert second["revision"] == "refs/pr/3"


def test_only_weights_config_and_tokenizer_are_fetched(fake: FakeHub) -> None:
    resolve_model("org/name")
    (asked,) = fake.snapshots
    names = [
        *("config.json", "model-00001-of-00002.safetensors", "model.safetensors.index.json"),
        *("tokenizer.model", "merges.txt", "chat_template.jinja"),
        *("pytorch_model.bin", "model.gguf", "README.md", "run.py", "flax_model.msgpack"),
        *("consolidated.00.safetensors", "original/params.json", "onnx/model.safetensors"),
    ]
    patterns = {"allow_patterns": asked["allow_patterns"], "ignore_patterns": asked["ignore_patterns"]}
    assert list(filter_repo_objects(names, **patterns)) == names[:6]


def test_without_an_answer_the_cache_will_do(fake: FakeHub) -> None:
    fake.problem, fake.is_cached = ConnectionError("no route to host"), True
    assert resolve_model("org/name") == fake.directory
    assert fake.snapshots[-1]["local_files_only"]


def test_nothing_is_asked_where_nothing_may_be_downloaded(fake: FakeHub) -> None:
    assert "`weft generate` or `weft serve` downloads it" in refusal("org/name", may_download=False)
    fake.is_cached = True
    assert resolve_model("org/name", may_download=False) == fake.directory
    assert fake.asked == []


@pytest.mark.parametrize(
    ("problem", "advice"),
    [
        (ConnectionError("no route\nto host"), "(no route to host) and is not complete in the cache"),
        (TimeoutError(), "(TimeoutError) and is not complete in the cache"),
        (answer(errors.GatedRepoError), "is gated; accept its terms at https://huggingface.co/org/name"),
        (answer(errors.RepositoryNotFoundError), "has no model org/name that you may see; check the name"),
        (answer(errors.RevisionNotFoundError), "org/name has no revision 'v2'; leave it away"),
        (errors.HFValidationError("no -- in names"), "is no name of a model (no -- in names); give ORG/NAME"),
        (errors.OfflineModeIsEnabled("offline"), "HF_HUB_OFFLINE forbids to fetch it; unset that"),
    ],
    ids=lambda value: type(value).__name__ if isinstance(value, Exception) else "",
)
def test_each_refusal_says_what_to_do(fake: FakeHub, problem: Exception, advice: str) -> None:
    fake.problem = problem
    assert advice in refusal("org/name@v2")


def test_a_download_that_breaks_off_is_one_line(fake: FakeHub) -> None:
    fake.download_problem = OSError(28, "No space left on device")
    assert "[Errno 28] No space left on device" in refusal("org/name")


@pytest.mark.parametrize("missing", ["config.json", "model.safetensors"])
def test_a_repository_in_another_format(fake: FakeHub, missing: str) -> None:
    (fake.directory / missing).unlink()
    message = refusal("org/name")
    assert "org/name on the hub has no " in message
    assert "choose a repository with weights in the format of transformers" in message


def test_a_mistyped_directory_that_looks_like_a_name_of_the_hub(fake: FakeHub, tmp_path: Path) -> None:
    (tmp_path / "models" / "tiny").mkdir(parents=True)
    fake.problem = answer(errors.RepositoryNotFoundError)
    assert refusal("models/tinny").endswith("did you mean the directory models/tiny?")


def test_what_is_no_model(fake: FakeHub, tmp_path: Path) -> None:
    (tmp_path / "stories").mkdir()
    (tmp_path / "stories.bin").touch()
    (tmp_path / "org").mkdir()
    (tmp_path / "org" / "model.safetensors").touch()
    assert refusal("storys") == "there is no model 'storys'; did you mean the directory stories?"
    assert refusal(f"{tmp_path}/storis/").endswith(f"did you mean the directory {tmp_path}/stories?")
    assert "there is no model 'xyz'; give a Hugging Face directory, a .gguf file, ORG/NAME" in refusal("xyz")
    assert "weft convert" in refusal("stories.bin")
    assert "is a file, not a model: name the directory that holds it" in refusal("org/model.safetensors")
    assert "the model comes first, texts after it ('builtin'" in refusal("Once upon a time")
    for odd in ("", "a\0b", "x" * 5000, "../up/and/away", "org/name@", "org/na me"):
        assert len(refusal(odd)) < 400
    assert fake.asked == []


def test_directories_need_no_library_of_the_hub(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.delitem(sys.modules, hub.__name__)
    resolve_model(str(tmp_path))
    assert hub.__name__ not in sys.modules


class TestOffline:
    """The library itself, told to stay offline."""

    @pytest.fixture(autouse=True)
    def _offline(self, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
        monkeypatch.setattr(huggingface_hub.constants, "HF_HUB_OFFLINE", True)
        monkeypatch.setattr(huggingface_hub.constants, "HF_HUB_CACHE", str(tmp_path / "cache"))

    def test_no_copy(self) -> None:
        message = refusal("org/name")
        assert "org/name is not complete in the cache" in message
        assert "HF_HUB_OFFLINE forbids to fetch it; unset that, or give a directory" in message

    def test_a_copy_in_the_cache(self, tmp_path: Path) -> None:
        stored = tmp_path / "cache" / "models--org--name"
        snapshot = stored / "snapshots" / COMMIT
        snapshot.mkdir(parents=True)
        (stored / "refs").mkdir()
        (stored / "refs" / "main").write_text(COMMIT)
        for name in ("config.json", "model.safetensors"):
            (snapshot / name).touch()
        assert resolve_model("org/name").resolve() == snapshot.resolve()
        assert resolve_model(f"org/name@{COMMIT}").resolve() == snapshot.resolve()
        assert "HF_HUB_OFFLINE" in refusal("org/name@other")
