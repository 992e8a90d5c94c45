"""Nothing that Weft reads may run code: no unpickling, no evaluation of text."""

import ast
from collections.abc import Iterator

import pytest

from tests.architecture.source import Finding, SourceFile, imported_names, report, source_files, used_names

UNPICKLERS = ("pickle", "_pickle", "cPickle", "pickle5", "cloudpickle", "dill", "joblib", "marshal", "shelve")
EVALUATORS = ("eval", "exec", "builtins.eval", "builtins.exec")
LOADERS = (
    "yaml.load",
    "yaml.unsafe_load",
    "yaml.full_load",
    "torch.hub.load",
    "torch.jit.load",
    "runpy.run_path",
)
SHELLS = ("os.system", "os.popen", "subprocess.getoutput", "subprocess.getstatusoutput")
FLAGS = {
    "allow_pickle": "runs code from data; store plain arrays",
    "trust_remote_code": "runs code of a model's repository; support the model here",
    "shell": "gives text to a shell; give a list of arguments",
}
"""Arguments that must be False where they are given."""


def security_findings(text: str) -> list[Finding]:
    """Ways in which data could become code in this source."""
    tree = ast.parse(text)
    return [Finding(line, message) for line, message in [*_import_findings(tree), *_use_findings(tree)]]


def _import_findings(tree: ast.AST) -> Iterator[tuple[int, str]]:
    for line, name in imported_names(tree):
        if name.split(".")[0] in UNPICKLERS:
            yield line, f"{name} runs code from data; use JSON, safetensors or a format parsed with bounds"
        elif name == "torch.load":
            yield line, "torch.load unpickles; read safetensors"


def _use_findings(tree: ast.AST) -> Iterator[tuple[int, str]]:
    for node, name in used_names(tree):
        if name in EVALUATORS:
            yield node.lineno, f"{name} runs text as code; parse the text instead"
        elif name in LOADERS or name in SHELLS:
            yield node.lineno, f"{name} runs what data says; parse the data, or give a list of arguments"
        elif name == "torch.load" and isinstance(node, ast.Attribute):
            yield node.lineno, "torch.load unpickles; read safetensors"
    for child in ast.walk(tree):
        if isinstance(child, ast.keyword) and child.arg in FLAGS and not _is_false(child.value):
            yield child.value.lineno, f"{child.arg} {FLAGS[child.arg]}"


def _is_false(node: ast.expr) -> bool:
    return isinstance(node, ast.Constant) and node.value is False


FILES = source_files("weft", "tools")


def test_there_is_something_to_check() -> None:
    assert {"weft/__init__.py", "tools/mutants.py"} <= {file.path for file in FILES}


@pytest.mark.parametrize("file", FILES, ids=lambda file: file.path)
def test_no_data_becomes_code(file: SourceFile) -> None:
    assert report(file, security_findings(file.text)) == []


@pytest.mark.parametrize("module", UNPICKLERS)
def test_an_unpickler_is_found(module: str) -> None:
    for text in (
        f"import {module}",
        f"import {module} as safe",
        f"from {module} import loads",
        f"def f():\n    import {module}",
        f"__import__('{module}')",
    ):
        (finding,) = security_findings(text)
        assert finding.line == len(text.splitlines())
        assert module in finding.message


@pytest.mark.parametrize(
    "text",
    [
        "import torch\nx = torch.load('weights.pt')",
        "import torch as t\nread = t.load",
        "from torch import load",
        "x = 1\ny = eval('x')",
        "exec('x = 1')",
        "import builtins\nbuiltins.exec('x = 1')",
        "import numpy\nnumpy.load('x.npy', allow_pickle=True)",
        "import yaml\nyaml.load('x')",
        "from os import system\nsystem('x')",
        "import subprocess\nsubprocess.run('x', shell=True)",
        "from transformers import AutoModel\nAutoModel.from_pretrained('x', trust_remote_code=flag)",
    ],
)
def test_running_data_is_found(text: str) -> None:
    (finding,) = security_findings(text)
    assert finding.line == len(text.splitlines())


@pytest.mark.parametrize(
    "text", ["import json\njson.load(file)", "model.eval()", "import ast\nast.literal_eval('[1]')"]
)
def test_plain_parsing_passes(text: str) -> None:
    assert security_findings(text) == []
