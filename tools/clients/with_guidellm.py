"""What GuideLLM's benchmark does with the server: synthetic prompts over each protocol, one after the other and side
by side."""

import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

from tools.clients.checking import MODEL, main, require

TOKENIZER = Path(__file__).parents[2] / "weft" / "models" / "builtin" / MODEL
NUM_REQUESTS, OUTPUT_TOKENS = 4, 12
OPTIONS = {
    "constraint": f"kind=max_requests,count={NUM_REQUESTS}",
    "tokenizer": f"kind=hf_auto,model={TOKENIZER}",
    "data": f"kind=synthetic_text,prompt_tokens=48,output_tokens={OUTPUT_TOKENS}",
}


def benchmark(url: str, path: str, profile: str) -> dict[str, Any]:
    """The one benchmark of the report that it writes."""
    backend = f"kind=openai_http,target={url},model={MODEL},request_format={path}"
    with tempfile.TemporaryDirectory() as folder:
        report = Path(folder) / "report.json"
        given = {**OPTIONS, "backend": backend, "profile": profile, "output": f"kind=json,path={report}"}
        flags = [part for name, value in given.items() for part in (f"--{name}", value)]
        subprocess.run(
            [sys.executable, "-m", "guidellm", "run", "--disable-console", *flags],
            env={**os.environ, "HF_HUB_OFFLINE": "1"},
            capture_output=True,
            check=True,
        )
        (found,) = json.loads(report.read_text())["benchmarks"]
    return dict(found)


def _by(path: str, profile: str = "kind=synchronous") -> Callable[[str], None]:
    def check(url: str) -> None:
        """All requests succeed, and each has as many tokens as were asked for."""
        requests = benchmark(url, path, profile)["requests"]
        require(not requests["errored"], requests["errored"] and requests["errored"][0]["info"]["error"])
        lengths = [each["output_metrics"]["text_tokens"] for each in requests["successful"]]
        require(lengths == [OUTPUT_TOKENS] * NUM_REQUESTS, lengths)

    return check


CHECKS = {
    "stream": _by("/v1/chat/completions"),
    "async": _by("/v1/chat/completions", "kind=concurrent,streams=2"),
    "completions": _by("/v1/completions"),
    "responses": _by("/v1/responses"),
}

if __name__ == "__main__":
    main(["guidellm", "httpx"], CHECKS)
