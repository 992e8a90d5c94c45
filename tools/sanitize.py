"""The kernels' tests under AddressSanitizer and UndefinedBehaviorSanitizer.

    python tools/sanitize.py [PYTEST-ARGUMENT...]

Builds the extension module in build/sanitize, which takes minutes the first time, and runs tests/ops/cpu with it in
place of the one that is installed. Ends with pytest's code; the first error of a sanitizer ends it at once. Needs g++,
cmake and nanobind. It is also the plugin of pytest that puts the module in its place.
"""

import importlib.util
import os
import shutil
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
SOURCES = ROOT / "weft" / "ops" / "cpu" / "cpp"
BUILD = ROOT / "build" / "sanitize"
MODULE = "weft.ops.cpu._kernels"
FLAGS = "-fsanitize=address,undefined -fno-sanitize-recover=all -fno-omit-frame-pointer -g1"
RULE = "<CMAKE_CXX_COMPILER> <DEFINES> <INCLUDES> <FLAGS> -O1 -o <OBJECT> -c <SOURCE>"
"""Behind the flags of the kernels themselves: at -O3 gcc takes many minutes for what the sanitizers make of them."""
PRELOADED = ("libasan.so", "libstdc++.so.6")
"""The second, because the first looks for the functions that throw when it begins."""
VARIABLES = {
    "ASAN_OPTIONS": "detect_leaks=0:abort_on_error=1",  # Python itself leaks at its end
    "UBSAN_OPTIONS": "print_stacktrace=1",
    "OMP_NUM_THREADS": "1",
}
TESTS = "tests/ops/cpu"


def build() -> None:
    """Compile what has changed. Ends the program where a tool is missing."""
    if shutil.which("cmake") is None or importlib.util.find_spec("nanobind") is None:
        sys.exit(f"sanitize: cmake and nanobind are needed; {sys.executable} -m pip install cmake nanobind")
    told = subprocess.run(
        [sys.executable, "-m", "nanobind", "--cmake_dir"], check=True, capture_output=True, text=True
    )
    configure = ["cmake", "-S", str(SOURCES), "-B", str(BUILD), f"-DPython_EXECUTABLE={sys.executable}"]
    configure += [f"-Dnanobind_DIR={told.stdout.strip()}", f"-DCMAKE_CXX_FLAGS={FLAGS}"]
    configure += ["-DCMAKE_CXX_COMPILER=g++", f"-DCMAKE_CXX_COMPILE_OBJECT={RULE}"]
    subprocess.run(configure, check=True, stdout=subprocess.DEVNULL)
    subprocess.run(["cmake", "--build", str(BUILD)], check=True)


def preloads() -> str:
    """The compiler's own copies of the libraries."""
    found = [
        subprocess.run(["g++", f"-print-file-name={name}"], check=True, capture_output=True, text=True)
        for name in PRELOADED
    ]
    return " ".join(each.stdout.strip() for each in found)


def pytest_configure() -> None:
    """Import the module that was built here under the name of the other."""
    (path,) = BUILD.glob("_kernels*.so")
    spec = importlib.util.spec_from_file_location(MODULE, path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    sys.modules[MODULE] = module


def main(arguments: Sequence[str]) -> int:
    """Build and test; pytest's exit code."""
    build()
    command = [
        sys.executable,
        "-m",
        "pytest",
        "-q",
        "-p",
        "tools.sanitize",
        "-p",
        "no:cacheprovider",
        "--capture=sys",
    ]
    command += ["--timeout", "900", TESTS, *arguments]
    environment = {**os.environ, **VARIABLES, "LD_PRELOAD": preloads()}
    return subprocess.run(command, cwd=ROOT, env=environment, check=False).returncode


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
