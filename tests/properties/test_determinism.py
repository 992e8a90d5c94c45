"""The same seed gives the same event log, byte for byte, whatever the hash seed of the process."""

import os
import subprocess
import sys
from hashlib import sha256

from tests.properties.worlds import play
from weft.observation.jsonl import to_json_line

SEEDS = range(700, 712)


def log_hash() -> str:
    """A hash over the event logs of some histories."""
    digest = sha256()
    for seed in SEEDS:
        for event in play(seed).log.events():
            digest.update(to_json_line(event).encode())
    return digest.hexdigest()


def test_two_processes_with_different_hash_seeds_write_the_same_log() -> None:
    expected = log_hash()
    hashes = [
        subprocess.run(
            [
                sys.executable,
                "-c",
                "from tests.properties.test_determinism import log_hash; print(log_hash())",
            ],
            env={**os.environ, "PYTHONHASHSEED": hash_seed, "PYTHONPATH": os.getcwd()},
            capture_output=True,
            text=True,
            check=True,
        ).stdout
        for hash_seed in ("1", "2")
    ]
    assert hashes == [expected + "\n"] * 2
