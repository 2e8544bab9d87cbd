"""Whether RAY_ADDRESS names a cluster that a driver can join, seen before Ray is asked: Ray itself waits minutes."""

import socket

from ltm3d.errors import ConfigError

CONNECT_TIMEOUT = 10.0  # seconds


def check_address(address: str) -> None:
    """See that a cluster's address is one that a driver can join, and that something answers there.

    Raises:
        ConfigError: in one line, with the remedy.
    """
    if address.startswith(("http://", "https://")):
        raise ConfigError(
            f"RAY_ADDRESS is {address}, a job server's address: give that to `ray job submit --address` or in "
            "RAY_API_SERVER_ADDRESS, and unset RAY_ADDRESS"
        )
    if address.startswith("ray://"):
        raise ConfigError(f"RAY_ADDRESS is {address}: Ray Client cannot train; submit the stage with `ray job submit`")
    if address == "auto":
        return
    host, _, port = address.rpartition(":")
    if not host or not port.isdigit() or int(port) > 65535:
        raise ConfigError(f"RAY_ADDRESS is {address}; it must be HOST:PORT of a head, auto, or local")
    try:
        socket.create_connection((host.strip("[]"), int(port)), timeout=CONNECT_TIMEOUT).close()
    except OSError as error:
        raise ConfigError(
            f"RAY_ADDRESS is {address}, where no Ray head answers ({error}): start it (deploy/start_head), mend the "
            "address, or unset RAY_ADDRESS to run on this machine alone"
        ) from error
