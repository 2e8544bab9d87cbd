"""The network interface that gloo meets the other workers on.

Left alone, gloo listens where the machine's name leads, which many systems say is the loopback: no worker of another
machine reaches it there. Runs on GPUs have a group of gloo, too.
"""

from collections.abc import MutableMapping

VARIABLE = "GLOO_SOCKET_IFNAME"


def choose_interface(address: str, environment: MutableMapping[str, str]) -> None:
    """Name an address's interface in an environment that names none yet; if nothing has the address, gloo chooses."""
    found = interface_of(address)
    if found is not None:
        environment.setdefault(VARIABLE, found)


def interface_of(address: str) -> str | None:
    """Find the interface of this machine that has an address."""
    import psutil

    for name, addresses in psutil.net_if_addrs().items():
        if any(each.address.partition("%")[0] == address for each in addresses):
            return str(name)
    return None
