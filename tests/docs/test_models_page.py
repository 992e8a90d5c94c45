"""docs/models.md: its example serves a model, and its tables name what the code knows."""

import re
import runpy
import sys
from collections.abc import Iterator
from importlib import import_module
from pathlib import Path

import pytest
import torch

from tests.models.oracle import SIZES, Oracle, Variant, prompts
from tests.models.paged_runs import PagedRuns, chunked
from tests.models.traced_steps import differences
from weft.model_specs.decoder_config import UNSUPPORTED
from weft.model_specs.families import FAMILIES, family_of, read_spec
from weft.model_specs.operations import ForwardWork, Span
from weft.model_specs.rope_config import SCALINGS
from weft.models.decoder import Attention
from weft.ops.torch_ops import TorchOps

PAGE = (Path(__file__).parents[2] / "docs" / "models.md").read_text(encoding="utf-8")
MOST_LINES = 55
HELIUM = {"head_dim": 8, "num_key_value_heads": 3}
LENGTHS = (1, 20, 33)


@pytest.fixture(autouse=True)
def one_thread() -> Iterator[None]:
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """The working directory, with the package of the page in it; what the package changes is undone."""
    spec_file, model_file, serve_file = re.findall(r"```python\n(.*?)```", PAGE, re.DOTALL)
    assert len((spec_file + model_file).splitlines()) <= MOST_LINES
    (tmp_path / "my_helium").mkdir()
    (tmp_path / "my_helium" / "__init__.py").write_text(spec_file)
    (tmp_path / "my_helium" / "model.py").write_text(model_file)
    (tmp_path / "serve.py").write_text(serve_file)
    monkeypatch.syspath_prepend(str(tmp_path))
    monkeypatch.chdir(tmp_path)
    families, modules = dict(FAMILIES), dict(sys.modules)
    yield tmp_path
    FAMILIES.clear()
    FAMILIES.update(families)
    for name in [name for name in sys.modules if name not in modules and name.startswith("my_helium")]:
        del sys.modules[name]


@pytest.mark.parametrize("backend", ["torch", "reference", "cpu"])
def test_the_example_serves_what_transformers_computes(folder: Path, backend: str) -> None:
    oracle = Oracle(Variant("Helium", HELIUM), folder / "helium-1-2b")
    text = Path("serve.py").read_text()
    Path("serve.py").write_text(text.replace('dtype="float32"', f'dtype="float32", backend="{backend}"'))
    tokens = runpy.run_path("serve.py")["result"].outputs[0].token_ids
    assert len(tokens) == 16 or tokens[-1] == SIZES["eos_token_id"]
    logits_TV = oracle.logits([1, 5, 8, 13, *tokens])[3:-1]
    assert logits_TV.argmax(-1).tolist() == list(tokens)


@pytest.mark.parametrize("changes", [{}, {"attention_bias": True, "mlp_bias": True}], ids=["plain", "biases"])
def test_the_example_has_the_logits_of_transformers(folder: Path, changes: dict[str, bool]) -> None:
    oracle = Oracle(Variant("Helium", HELIUM | changes), folder / "helium")
    import_module("my_helium")
    assert _error(oracle) <= 1e-4


def test_the_example_would_be_wrong_without_its_attention(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    oracle = Oracle(Variant("Helium", HELIUM), folder / "helium")
    import_module("my_helium")
    assert _error(oracle) <= 1e-4
    monkeypatch.setattr(sys.modules["my_helium.model"].Helium, "attention", Attention)
    assert _error(oracle) > 0.01


def _error(oracle: Oracle) -> float:
    """Of our logits, as a share of the largest."""
    texts = prompts(LENGTHS)
    found = PagedRuns(oracle.directory, TorchOps(1)).logits(texts, chunked(LENGTHS, 7))
    pairs = [(ours, oracle.logits(text)) for text, ours in zip(texts, found, strict=True)]
    return max(float((ours - theirs).abs().max() / theirs.abs().max()) for ours, theirs in pairs)


def test_a_step_of_the_example_is_what_its_spec_lists(folder: Path) -> None:
    Oracle(Variant("Helium", HELIUM), folder / "helium")
    import_module("my_helium")
    spec = read_spec(folder / "helium")
    assert family_of(spec.architecture).model == "my_helium.model:Helium"
    assert differences(spec, spec, ForwardWork((Span(0, 20), Span(9, 1)), 2)) == []


@pytest.mark.parametrize("known", [*FAMILIES, *UNSUPPORTED, *SCALINGS])
def test_the_page_names_what_the_code_knows(known: str) -> None:
    assert f"`{known}`" in PAGE
