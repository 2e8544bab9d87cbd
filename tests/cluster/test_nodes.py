"""Who reaches a dashboard: whoever, where it is neither on the loopback nor asks for a token."""

import pytest

from ltm3d.cluster.nodes import is_exposed, is_loopback


@pytest.mark.parametrize("host", ["127.0.0.1", "127.8.9.10", "localhost", "::1", "0:0:0:0:0:0:0:1"])
def test_this_machine_alone(host: str) -> None:
    assert is_loopback(host)


@pytest.mark.parametrize("host", ["0.0.0.0", "10.0.0.4", "::", "fe80::1", "2001:db8::1", "head", "127.example.org", ""])
def test_more_than_this_machine(host: str) -> None:
    assert not is_loopback(host)


@pytest.mark.parametrize(
    ("dashboard", "exposed"),
    [
        ("127.0.0.1:8265", False),
        ("localhost:8265", False),
        ("[::1]:8265", False),
        ("::1:8265", False),
        ("0.0.0.0:8265", True),
        ("10.0.0.4:8265", True),
        ("[::]:8265", True),
        ("[2001:db8::1]:8265", True),
        ("head:8265", True),
        ("", False),
    ],
)
def test_a_dashboard_that_others_reach_is_exposed_without_a_token(dashboard: str, exposed: bool) -> None:
    assert is_exposed(dashboard, has_token=False) is exposed
    assert not is_exposed(dashboard, has_token=True)
