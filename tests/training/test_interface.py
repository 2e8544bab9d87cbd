"""Gloo listens on the interface of a node's address, unless the environment names another."""

import psutil

from ltm3d.training.interface import VARIABLE, choose_interface, interface_of


def test_every_address_of_this_machine_has_an_interface() -> None:
    loopback = interface_of("127.0.0.1")
    assert loopback is not None
    assert "127.0.0.1" in [each.address for each in psutil.net_if_addrs()[loopback]]
    assert interface_of("192.0.2.77") is None, "an address of nobody"


def test_what_the_environment_names_stays() -> None:
    named, empty, far = {VARIABLE: "ib0"}, dict[str, str](), dict[str, str]()
    choose_interface("127.0.0.1", named)
    choose_interface("127.0.0.1", empty)
    choose_interface("192.0.2.77", far)
    assert (named, empty, far) == ({VARIABLE: "ib0"}, {VARIABLE: interface_of("127.0.0.1")}, {})
