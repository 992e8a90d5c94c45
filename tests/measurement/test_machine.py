"""What is said about the machine is true, or None."""

import subprocess
from pathlib import Path

from weft.measurement.machine import commit, describe_machine, processor_model


def test_the_processor_is_named_as_the_kernel_names_it(tmp_path: Path) -> None:
    file = tmp_path / "cpuinfo"
    file.write_text("processor\t: 0\nmodel name\t: Quick 9000\nprocessor\t: 1\nmodel name\t: Quick 9000\n")
    assert processor_model(file) == "Quick 9000"
    assert processor_model(tmp_path / "absent") != "Quick 9000"


def test_a_commit_is_named_with_changes(tmp_path: Path) -> None:
    assert commit(tmp_path) is None

    def git(*arguments: str) -> str:
        identity = ["-c", "user.name=a", "-c", "user.email=a@b"]
        command = ["git", "-C", str(tmp_path), *identity, *arguments]
        return subprocess.run(command, capture_output=True, text=True, check=True).stdout.strip()

    git("init")
    assert commit(tmp_path) is None
    (tmp_path / "file").write_text("one")
    git("add", "file")
    git("commit", "-m", "first")
    assert commit(tmp_path) == git("rev-parse", "HEAD")
    (tmp_path / "file").write_text("two")
    assert commit(tmp_path) == git("rev-parse", "HEAD") + "+changes"


def test_the_machine() -> None:
    machine = describe_machine()
    assert machine["cores_usable"] >= 1
    assert machine["torch"]
    assert machine["version"]
