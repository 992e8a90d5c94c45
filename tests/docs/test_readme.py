"""The example in README.md runs and prints what it says."""

import re
import subprocess
import sys
from pathlib import Path

from weft.contracts.prompts import TokenPrompt
from weft.contracts.requests import Request, SamplingParams
from weft.contracts.state import ConstantGroup, PagedGroup, StateLayout
from weft.simulator.fake_model import FakeModelSpec
from weft.simulator.fake_reference import reference_output

ROOT = Path(__file__).parents[2]


def test_the_example_prints_what_the_model_says_alone() -> None:
    code = re.findall(r"```python\n(.*?)```", (ROOT / "README.md").read_text(), re.DOTALL)[0]
    printed = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout
    groups = (PagedGroup("kv", 8), PagedGroup("local", 8, window_tokens=32), ConstantGroup("ssm", 64))
    prompt = TokenPrompt(tuple(range(50)))
    request = Request("first", prompt, SamplingParams(max_tokens=8, n=2))
    spec = FakeModelSpec(StateLayout(groups))
    assert str(tuple(reference_output(spec, request, sample) for sample in (0, 1))) in printed


def test_every_link_leads_somewhere() -> None:
    for page in [ROOT / "README.md", ROOT / "CONTRIBUTING.md", *(ROOT / "docs").glob("*.md")]:
        for target in re.findall(r"\]\(([^)#]+)(?:#[^)]*)?\)", page.read_text()):
            assert target.startswith("http") or (page.parent / target).exists(), f"{page.name}: {target}"
