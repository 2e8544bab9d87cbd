"""Two hosts on one machine: network namespaces that a cable joins, each with a name, an address and a loopback."""

import os
import shlex
import shutil
import signal
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

INTERFACE = "cable0"  # the same name on both, as of machines of one kind


@dataclass(frozen=True)
class Host:
    """A network namespace."""

    name: str
    address: str

    def inside(self, *own: Path) -> list[str]:
        """What a command begins with to run there; the process that starts is the command's own.

        Args:
            own: folders that the command does not share with the machine; they are empty at first.
        """
        begin = f"hostname {self.name} && "
        begin += "".join(f"mount -t tmpfs tmpfs {shlex.quote(str(folder))} && " for folder in own)
        return ["ip", "netns", "exec", self.name, "unshare", "--uts", "bash", "-c", begin + 'exec "$@"', "bash"]

    def pids(self) -> list[int]:
        """The processes that run there."""
        done = subprocess.run(["ip", "netns", "pids", self.name], capture_output=True, text=True)
        return [int(pid) for pid in done.stdout.split()]

    def end(self) -> None:
        """End what still runs there, and the namespace."""
        deadline = time.monotonic() + 30
        while (pids := self.pids()) and time.monotonic() < deadline:
            for pid in pids:
                with suppress(ProcessLookupError):  # it may have ended by itself
                    os.kill(pid, signal.SIGKILL)
            time.sleep(0.1)
        subprocess.run(["ip", "netns", "del", self.name], capture_output=True)


def why_not() -> str:
    """Say why this machine cannot have them; empty = it can."""
    missing = [tool for tool in ("ip", "unshare", "hostname", "mount", "bash") if shutil.which(tool) is None]
    if missing:
        return f"no {', '.join(missing)} here"
    name = f"ltm3d-{os.getpid()}-may"
    done = subprocess.run(["ip", "netns", "add", name], capture_output=True, text=True)
    if done.returncode:
        return f"no network namespaces: {done.stderr.strip()}"
    subprocess.run(["ip", "netns", "del", name], check=True)
    return ""


@contextmanager
def two_hosts() -> Iterator[tuple[Host, Host]]:
    """Make two hosts that reach each other and nothing else; all that runs there ends with them."""
    hosts = [Host(f"ltm3d-{os.getpid()}-{letter}", f"10.231.7.{number}") for number, letter in enumerate("ab", start=1)]
    first, second = hosts
    try:
        for host in hosts:
            _ip("netns", "add", host.name)
        cable = ("link", "add", INTERFACE, "netns", first.name, "type", "veth")
        _ip(*cable, "peer", "name", INTERFACE, "netns", second.name)
        for host in hosts:
            _ip("-n", host.name, "addr", "add", f"{host.address}/24", "dev", INTERFACE)
            for link in ("lo", INTERFACE):
                _ip("-n", host.name, "link", "set", link, "up")
        yield first, second
    finally:
        for host in hosts:
            host.end()


def _ip(*words: str) -> None:
    done = subprocess.run(["ip", *words], capture_output=True, text=True)
    if done.returncode:
        raise RuntimeError(f"ip {' '.join(words)}: {done.stderr.strip()}")
