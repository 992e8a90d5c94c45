"""The example in README.md runs and prints what it says."""

import re
import subprocess
import sys
from pathlib import Path

from tests.llm.tiny_model import make_model
from weft import LLM
from weft.contracts.prompts import TokenPrompt
from weft.contracts.requests import Request, SamplingParams
from weft.contracts.state import ConstantGroup, PagedGroup, StateLayout
from weft.simulator.fake_model import FakeModelSpec
from weft.simulator.fake_reference import reference_output

ROOT = Path(__file__).parents[2]


def run_example(number: int, **replacements: str) -> str:
    code = re.findall(r"```python\n(.*?)```", (ROOT / "README.md").read_text(), re.DOTALL)[number]
    for placeholder, value in replacements.items():
        assert placeholder in code
        code = code.replace(placeholder, value)
    return subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout


def test_the_first_example_prints_what_a_model_says(tmp_path: Path) -> None:
    directory = make_model(tmp_path / "tiny")
    printed = run_example(0, **{"path/to/a/huggingface/directory": str(directory)})
    params = SamplingParams(max_tokens=20, temperature=0.8, top_p=0.95, seed=1)
    with LLM(directory) as model:
        outputs = model.generate(["The sea is", "In an old house"], params)
    assert printed == "".join(f"{output.prompt} {output.outputs[0].text}\n" for output in outputs)


def test_the_second_example_prints_what_the_model_says_alone() -> None:
    printed = run_example(1)
    groups = (PagedGroup("kv", 8), PagedGroup("local", 8, window_tokens=32), ConstantGroup("ssm", 64))
    prompt = TokenPrompt(tuple(range(50)))
    request = Request("first", prompt, SamplingParams(max_tokens=8, n=2))
    spec = FakeModelSpec(StateLayout(groups))
    assert str(tuple(reference_output(spec, request, sample) for sample in (0, 1))) in printed


def test_every_link_leads_somewhere() -> None:
    for page in [ROOT / "README.md", ROOT / "CONTRIBUTING.md", *(ROOT / "docs").glob("*.md")]:
        for target in re.findall(r"\]\(([^)#]+)(?:#[^)]*)?\)", page.read_text()):
            assert target.startswith("http") or (page.parent / target).exists(), f"{page.name}: {target}"
