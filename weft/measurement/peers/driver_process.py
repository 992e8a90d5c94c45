"""A peer's process: what it is told to do, and how long it may take."""

import json
import os
import select
import shlex
import shutil
import subprocess
import sys
from collections.abc import Mapping, Sequence
from importlib import metadata
from pathlib import Path
from types import TracebackType
from typing import IO, Any, Self

from weft.contracts.errors import ConfigurationError
from weft.measurement.peers.peer import Peer

LOOP = Path(__file__).parent / "drivers" / "loop.py"
TORCH = f"torch=={metadata.version('torch').partition('+')[0]}"
"""The version that Weft computes with, so that pip takes the same build where it can."""
LAST_BYTES = 4000
LONGEST_REASON = 200


class PeerFailed(ConfigurationError):
    """A peer cannot be installed, converted or measured; the others can."""


class Place:
    """Where a peer's environment, its log and its files are: below the directory of the benchmark."""

    def __init__(self, root: Path, peer: Peer) -> None:
        self.peer, self.environment = peer, root / peer.name
        self.log = root / f"{peer.name}.log"
        self._files = root / "files"

    @property
    def python(self) -> str:
        """The interpreter."""
        return sys.executable if self.peer.packages is None else str(self.environment / "bin" / "python")

    def files(self, kind: str) -> Path:
        """Of the model in one of its formats."""
        return self._files / f"{self.peer.name}-{kind}"

    def install(self, timeout_s: float) -> None:
        """Make the environment, where it is not there yet. Raises `PeerFailed`."""
        stamp, packages = self.environment / "installed", self.peer.packages
        if packages is None:
            return
        made_of = " ".join([*packages, *self.peer.build_settings])
        if stamp.is_file() and stamp.read_text() == made_of:
            return
        self.run([sys.executable, "-m", "venv", str(self.environment)], timeout_s)
        pinned = [TORCH if package == "torch" else package for package in packages]
        self.run([self.python, "-m", "pip", "install", "--no-input", *pinned], timeout_s, self._building())
        if self.peer.unwanted:
            self.run([self.python, "-m", "pip", "uninstall", "-y", *self.peer.unwanted], timeout_s)
        stamp.write_text(made_of)

    def _building(self) -> dict[str, str]:
        """Environment variables for pip, of which it tells what compiles."""
        settings = self.peer.build_settings
        return {"CMAKE_ARGS": shlex.join(settings)} if settings else {}

    def convert(self, model: Path, kind: str, timeout_s: float) -> Path:
        """The files of the model in a format, made where they are not there yet. Raises `PeerFailed`."""
        files = self.files(kind)
        if not files.exists():
            self._files.mkdir(parents=True, exist_ok=True)
            partial = files.with_name(f"{files.name}.partial-{os.getpid()}")
            command = [self.python, str(LOOP), self.peer.driver, "convert", str(model), str(partial), kind]
            try:
                self.run(command, timeout_s)
                partial.replace(files)
            finally:
                shutil.rmtree(partial, ignore_errors=True)
        return files

    def run(self, command: Sequence[str], timeout_s: float, more: Mapping[str, str] | None = None) -> None:
        """To its end, with `more` environment variables, its output in the log. Raises `PeerFailed` where it fails or
        takes longer."""
        variables = {**os.environ, **(more or {})}
        with self.log.open("ab") as log:
            try:
                subprocess.run(command, check=True, stdout=log, stderr=log, timeout=timeout_s, env=variables)
            except subprocess.TimeoutExpired as error:
                raise PeerFailed(f"took longer than {timeout_s:.0f} s: {Path(command[0]).name}") from error
            except (OSError, subprocess.CalledProcessError) as error:
                raise PeerFailed(last_words(self.log)) from error


class DriverProcess:
    """A peer that has loaded the model and waits. Raises `PeerFailed` where it does not answer in time."""

    def __init__(
        self,
        place: Place,
        kind: str,
        files: Path,
        threads: int,
        timeout_s: float,
        environment: Mapping[str, str],
    ) -> None:
        self._timeout_s, self._log = timeout_s, place.log
        command = [place.python, str(LOOP), place.peer.driver, "serve", str(files), kind, str(threads)]
        with place.log.open("ab") as log:
            self._process = subprocess.Popen(
                command,
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=log,
                env={**os.environ, "OMP_NUM_THREADS": str(threads), **environment},
                bufsize=0,
            )
        try:
            self._answer()
            self.versions: Mapping[str, str] = self.call("describe")
        except BaseException:
            self.close()
            raise

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def call(self, method: str, *arguments: Any) -> Any:
        """What a method of `Driver` returns, see `drivers/loop.py`."""
        try:
            _stream(self._process.stdin).write(json.dumps([method, *arguments]).encode() + b"\n")
        except OSError as error:
            raise PeerFailed(f"ended: {last_words(self._log)}") from error
        return self._answer()

    def close(self) -> None:
        """End it."""
        self._process.kill()
        self._process.communicate()

    def _answer(self) -> Any:
        output = _stream(self._process.stdout)
        if not select.select([output], [], [], self._timeout_s)[0]:
            raise PeerFailed(f"did not answer for {self._timeout_s:.0f} s")
        line = output.readline()
        if not line:
            raise PeerFailed(f"ended: {last_words(self._log)}")
        told = json.loads(line)
        if "error" in told:
            raise PeerFailed(str(told["error"])[:LONGEST_REASON])
        return told["result"]


def last_words(log: Path) -> str:
    """The last line of a log that says anything."""
    text = log.read_bytes()[-LAST_BYTES:].decode(errors="replace") if log.is_file() else ""
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    errors = [line for line in lines if "rror" in line]
    return " ".join((errors or lines or ["it said nothing"])[-1].split())[:LONGEST_REASON]


def _stream(stream: IO[bytes] | None) -> IO[bytes]:
    assert stream is not None
    return stream
