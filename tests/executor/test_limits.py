"""What a process may use, by made-up trees of control groups."""

from pathlib import Path

import pytest

from weft.executor.limits import (
    available_memory_bytes,
    available_processors,
    memory_limit_bytes,
    processor_quota,
    total_memory_bytes,
)

GIB = 1 << 30


def write(root: Path, files: dict[str, str]) -> None:
    for name, text in files.items():
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)


@pytest.fixture
def host(tmp_path: Path) -> Path:
    write(tmp_path, {"proc/meminfo": f"MemTotal: 99999999 kB\nMemAvailable:   {64 * GIB // 1024} kB\n"})
    return tmp_path


def test_without_groups_the_host_counts(host: Path) -> None:
    assert available_memory_bytes(host) == 64 * GIB
    assert available_processors(host) >= 1


def test_the_tightest_group_counts_and_cached_files_are_free(host: Path) -> None:
    write(
        host,
        {
            "proc/self/cgroup": "0::/outer/inner\n",
            "sys/fs/cgroup/outer/inner/memory.max": "max\n",
            "sys/fs/cgroup/outer/inner/memory.current": "5\n",
            "sys/fs/cgroup/outer/memory.max": f"{8 * GIB}\n",
            "sys/fs/cgroup/outer/memory.current": f"{6 * GIB}\n",
            "sys/fs/cgroup/outer/memory.stat": f"anon 1\ninactive_file {1 * GIB}\n",
        },
    )
    assert available_memory_bytes(host) == 3 * GIB


def test_a_full_group_leaves_nothing(host: Path) -> None:
    write(
        host,
        {
            "proc/self/cgroup": "0::/\n",
            "sys/fs/cgroup/memory.max": "100\n",
            "sys/fs/cgroup/memory.current": "200\n",
        },
    )
    assert available_memory_bytes(host) == 0


def test_version_1_of_control_groups(host: Path) -> None:
    write(
        host,
        {
            "proc/self/cgroup": "5:cpu,cpuacct:/docker/abc\n4:memory:/docker/abc\n1:name=systemd:/x\n",
            "sys/fs/cgroup/memory/docker/abc/memory.limit_in_bytes": f"{2 * GIB}\n",
            "sys/fs/cgroup/memory/docker/abc/memory.usage_in_bytes": f"{GIB}\n",
            "sys/fs/cgroup/memory/memory.limit_in_bytes": "9223372036854771712\n",
            "sys/fs/cgroup/memory/memory.usage_in_bytes": "1\n",
            "sys/fs/cgroup/cpu/docker/abc/cpu.cfs_quota_us": "100000\n",
            "sys/fs/cgroup/cpu/docker/abc/cpu.cfs_period_us": "100000\n",
        },
    )
    assert available_memory_bytes(host) == GIB
    assert available_processors(host) == 1


def test_inside_a_container_the_root_of_the_mount_is_the_group(host: Path) -> None:
    write(
        host,
        {
            "proc/self/cgroup": "0::/kubepods/pod1/container\n",
            "sys/fs/cgroup/memory.max": f"{GIB}\n",
            "sys/fs/cgroup/memory.current": "0\n",
            "sys/fs/cgroup/cpu.max": "50000 100000\n",
        },
    )
    assert available_memory_bytes(host) == GIB
    assert available_processors(host) == 1


def test_no_quota_leaves_the_affinity(host: Path) -> None:
    write(host, {"proc/self/cgroup": "0::/\n", "sys/fs/cgroup/cpu.max": "max 100000\n"})
    without_groups = available_processors(host)
    write(host, {"proc/self/cgroup": ""})
    assert available_processors(host) == without_groups


def test_limits_of_groups_are_told(host: Path) -> None:
    assert memory_limit_bytes(host) is None
    assert processor_quota(host) is None
    assert total_memory_bytes(host) == 99999999 * 1024
    write(
        host,
        {
            "proc/self/cgroup": "0::/outer/inner\n",
            "sys/fs/cgroup/outer/inner/memory.max": f"{3 * GIB}\n",
            "sys/fs/cgroup/outer/inner/cpu.max": "max 100000\n",
            "sys/fs/cgroup/outer/memory.max": f"{8 * GIB}\n",
            "sys/fs/cgroup/outer/cpu.max": "150000 100000\n",
        },
    )
    assert memory_limit_bytes(host) == 3 * GIB
    assert processor_quota(host) == 1.5
    assert available_processors(host) == 1
