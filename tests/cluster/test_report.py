"""`ltm3d doctor` on a cluster: what its nodes say becomes findings, and each that fails has its remedy."""

import socket
from typing import Any

import pytest

from ltm3d.cli import doctor
from ltm3d.cli.doctor import Finding
from ltm3d.cluster.report import MUST_AGREE, Node, Report, describe_node, disagreements

ADDRESS = "10.0.0.4:6379"
VERSIONS = {"python": "3.11.9", "ray": "2.60.0", "torch": "2.13.0"}


def node(number: int, **changes: Any) -> Node:
    said: dict[str, Any] = {
        "address": f"10.0.0.{number}",
        "versions": VERSIONS,
        "has_checkout": True,
        "free_gb": 500.0,
        "num_gpus": 8,
    }
    return Node(**(said | changes))


@pytest.fixture
def findings(monkeypatch: pytest.MonkeyPatch) -> Any:
    """What the doctor finds where the nodes say this."""

    def look(*nodes: Node, dashboard: str = "127.0.0.1:8265", has_token: bool = True) -> dict[str, Finding]:
        report = Report(nodes=nodes, dashboard=dashboard, has_token=has_token)
        monkeypatch.setattr(doctor, "ask_cluster", lambda address: report)
        return {finding.name: finding for finding in doctor.check_cluster(ADDRESS)}

    return look


def test_a_sound_cluster_has_no_failure(findings: Any) -> None:
    found = findings(node(4), node(5))
    assert list(found) == ["Ray cluster", "Ray dashboard", "node 10.0.0.4", "node 10.0.0.5"]
    assert found["Ray cluster"].detail == f"{ADDRESS}: 2 nodes answered, 16 GPUs"
    assert not [finding for finding in found.values() if finding.remedy]


def test_versions_that_disagree_name_who_has_which(findings: Any) -> None:
    other = {**VERSIONS, "torch": "2.12.1", "ray": ""}
    nodes = (node(4), node(5, versions=other), node(6))
    assert disagreements(nodes) == {
        "ray": "2.60.0 on 10.0.0.4 10.0.0.6, none on 10.0.0.5",
        "torch": "2.13.0 on 10.0.0.4 10.0.0.6, 2.12.1 on 10.0.0.5",
    }
    found = findings(*nodes)
    for name in ("ray", "torch"):
        assert found[f"{name} on the nodes"] == Finding(
            f"{name} on the nodes", disagreements(nodes)[name], "the same environment on all nodes: deploy/Dockerfile"
        )
    assert "python on the nodes" not in found


def test_a_node_without_the_folder_is_told_to_mount_it(findings: Any) -> None:
    found = findings(node(4), node(5, has_checkout=False))
    assert not found["node 10.0.0.4"].remedy
    assert "does not see this folder" in found["node 10.0.0.5"].detail
    assert found["node 10.0.0.5"].remedy.startswith("mount ") and "--working-dir ." in found["node 10.0.0.5"].remedy


def test_a_node_with_little_disk_is_told_to_free_some(findings: Any) -> None:
    found = findings(node(4, free_gb=3.2), node(5, free_gb=3.2, has_checkout=False))
    assert "3 GB free" in found["node 10.0.0.4"].detail
    assert found["node 10.0.0.4"].remedy.startswith("free some disk")
    assert "mount " in found["node 10.0.0.5"].remedy and "free some disk" in found["node 10.0.0.5"].remedy


def test_a_dashboard_open_to_all_is_a_failure(findings: Any) -> None:
    exposed = findings(node(4), dashboard="10.0.0.4:8265", has_token=False)["Ray dashboard"]
    assert exposed.detail == "on 10.0.0.4:8265, open to all"
    assert exposed.remedy == "start head and nodes with RAY_AUTH_MODE=token (deploy/start_head)"
    for dashboard, has_token in (("10.0.0.4:8265", True), ("127.0.0.1:8265", False), ("", False)):
        assert not findings(node(4), dashboard=dashboard, has_token=has_token)["Ray dashboard"].remedy


def test_a_failure_is_printed_with_its_remedy(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    report = Report(nodes=[node(4, has_checkout=False)], dashboard="0.0.0.0:8265", has_token=False)
    monkeypatch.setattr(doctor, "ask_cluster", lambda address: report)
    for probe in ("check_python", "check_system_libraries", "check_libraries", "check_encoders", "check_processor"):
        monkeypatch.setattr(doctor, probe, lambda: iter([]))
    monkeypatch.setattr(doctor, "check_gpu", lambda: iter([]))
    monkeypatch.setattr(doctor, "check_mlflow", lambda uri: iter([]))
    monkeypatch.setattr(doctor, "check_dvc", lambda checkout: iter([]))
    monkeypatch.setenv("RAY_ADDRESS", ADDRESS)
    with pytest.raises(doctor.typer.Exit) as raised:
        doctor.doctor()
    assert raised.value.exit_code == 1
    lines = capsys.readouterr().out.splitlines()
    assert [line.split()[0] for line in lines[:3]] == ["ok", "FAIL", "→"]
    assert lines[-1] == "2 failures"


def test_a_node_says_what_it_has(tmp_path: Any) -> None:
    said = describe_node(str(tmp_path))
    assert set(said["versions"]) == {"python", *MUST_AGREE}  # type: ignore[call-overload]
    assert said["has_checkout"] is True and float(said["free_gb"]) > 0  # type: ignore[arg-type]
    assert describe_node(str(tmp_path / "absent"))["has_checkout"] is False


def test_a_cluster_that_is_not_there_has_a_remedy() -> None:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        address = f"127.0.0.1:{free.getsockname()[1]}"
    (finding,) = doctor.check_cluster(address)
    assert (finding.name, finding.detail) == ("Ray cluster", address)
    assert "where no Ray head answers" in finding.remedy and "deploy/start_head" in finding.remedy


def test_a_job_servers_address_is_told_from_a_heads() -> None:
    (finding,) = doctor.check_cluster("http://127.0.0.1:8265")
    assert "give that to `ray job submit --address`" in finding.remedy


def test_what_listens_and_does_not_answer_as_a_cluster_has_a_remedy(monkeypatch: pytest.MonkeyPatch) -> None:
    def fails(address: str) -> Report:
        raise RuntimeError("no answer within 180 s")

    monkeypatch.setattr(doctor, "ask_cluster", fails)
    (finding,) = doctor.check_cluster(ADDRESS)
    assert finding.name == "Ray cluster" and finding.detail.startswith(f"{ADDRESS}: ")
    assert "is the cluster of RAY_ADDRESS up, is its token here" in finding.remedy
