"""How many processes convert by default, where a container's limit is below the cores of its node."""

import os
from pathlib import Path

import pytest

from posthog_llm_cli.config.cores import cores

V1 = "9:name=systemd:/\n4:memory:/\n3:cpu,cpuacct:{}\n"


@pytest.fixture(autouse=True)
def eight_cores(monkeypatch: pytest.MonkeyPatch) -> None:
    if hasattr(os, "sched_getaffinity"):
        monkeypatch.setattr(os, "sched_getaffinity", lambda _: set(range(8)))
    else:
        monkeypatch.setattr(os, "cpu_count", lambda: 8)


def found(root: Path, groups: str, files: dict[str, str]) -> int:
    for name, content in files.items():
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_text(content)
    (root / "groups").write_text(groups)
    return cores(groups=root / "groups", mount=root)


@pytest.mark.parametrize(
    ("groups", "files", "expected"),
    [
        pytest.param("0::/\n", {"cpu.max": "200000 100000\n"}, 2, id="a container"),
        pytest.param("0::/\n", {"cpu.max": "150000 100000\n"}, 2, id="a core and a half"),
        pytest.param("0::/\n", {"cpu.max": "50000 100000\n"}, 1, id="half a core"),
        pytest.param("0::/\n", {"cpu.max": "max 100000\n"}, 8, id="no limit"),
        pytest.param("0::/\n", {"cpu.max": "9900000 100000\n"}, 8, id="more than there are"),
        pytest.param("0::/\n", {}, 8, id="no such controller"),
        pytest.param("0::/a.slice/b.service\n", {"a.slice/b.service/cpu.max": "300000 100000"}, 3, id="a service"),
        pytest.param("0::/a/b\n", {"a/b/cpu.max": "max 100000", "a/cpu.max": "400000 100000"}, 4, id="above it"),
        pytest.param("0::/docker/3f2a\n", {"cpu.max": "200000 100000"}, 2, id="the node's path, which is not seen"),
        pytest.param("0::/../../c\n", {"cpu.max": "200000 100000"}, 2, id="outside of its own namespace"),
        pytest.param("0::/\n", {"cpu.max": "100000 0\n"}, 8, id="nonsense"),
        pytest.param(V1.format("/"), {"cpu/cpu.cfs_quota_us": "200000", "cpu/cpu.cfs_period_us": "100000"}, 2, id="v1"),
        pytest.param(
            V1.format("/"), {"cpu/cpu.cfs_quota_us": "-1", "cpu/cpu.cfs_period_us": "100000"}, 8, id="v1, none"
        ),
        pytest.param("", {}, 8, id="no groups"),
    ],
)
def test_no_more_than_the_control_groups_pay_for(
    tmp_path: Path, groups: str, files: dict[str, str], expected: int
) -> None:
    assert found(tmp_path, groups, files) == expected


def test_without_control_groups_the_cores_count(tmp_path: Path) -> None:
    assert cores(groups=tmp_path / "none", mount=tmp_path) == 8
