"""Running `weft` as its users do: in a process of its own."""

import subprocess
import sys
from pathlib import Path

LONG = {"max_position_embeddings": 1 << 16}
"""Config of a tiny model whose answers take as long as a test needs to interrupt them."""

ENDLESS = ("--ignore-eos", "--max-tokens", "60000", "--threads", "1")


def start(*arguments: str | Path) -> subprocess.Popen[bytes]:
    """`weft` with these arguments, its three streams as pipes."""
    program = [sys.executable, "-m", "weft.cli.main", *map(str, arguments)]
    pipe = subprocess.PIPE
    return subprocess.Popen(program, stdin=pipe, stdout=pipe, stderr=pipe, bufsize=0)


def end(process: subprocess.Popen[bytes], text: str = "") -> tuple[int, str, str]:
    """Its exit code, and what it wrote after `text` was its last input."""
    out, err = process.communicate(text.encode(), timeout=40)
    return process.returncode, out.decode(errors="replace"), err.decode()
