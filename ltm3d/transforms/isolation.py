"""Run native code in a child process, with limits of time and memory.

A mesh file may make a library hang, eat all memory or end the process; the child dies, the caller gets an
`AssetError` with the reason and goes on. One child is kept for each process that calls, so that the seconds which
trimesh and open3d take to import are paid once, and by no asset.

What an asset may take is processor time, which the kernel counts and ends by a signal (ITIMER_PROF). The clock also
runs for a child that a busy machine does not let run, or that was stopped.
"""

import atexit
import builtins
import contextlib
import ctypes
import functools
import multiprocessing
import os
import resource
import signal
import sys
from collections.abc import Callable, Iterator
from concurrent.futures import TimeoutError
from concurrent.futures.process import BrokenProcessPool
from dataclasses import dataclass
from typing import Any, TypeVar

from pebble import ProcessExpired, ProcessPool

from ltm3d.errors import AssetError, ConfigError

T = TypeVar("T")

MEGABYTE = 2**20
PR_SET_PDEATHSIG = 1
M_ARENA_MAX = -8
LIBRARIES_MB = 1536  # address space of numpy, trimesh and open3d once imported: 1,200 MB seen, mostly never touched
TASKS_PER_CHILD = 1000  # a new child now and then: leaks of native libraries do not add up


@dataclass(frozen=True, kw_only=True)
class ChildLimits:
    """What one asset may take in the child process.

    Attributes:
        timeout_s: seconds of processor time of all threads, imports left out.
        clock_s: seconds by the clock, against a call that sleeps or waits for ever. Be generous: whatever else runs on
            the machine, and a pause of it, uses them up, too.
        memory_mb: MB that may be allocated beyond the libraries.
    """

    timeout_s: float = 120.0
    clock_s: float = 1800.0
    memory_mb: int = 4096

    def __post_init__(self) -> None:
        if not self.timeout_s > 0:
            raise ConfigError(f"timeout_s is {self.timeout_s}; give more than 0 seconds")
        if not self.clock_s >= self.timeout_s:
            raise ConfigError(
                f"clock_s is {self.clock_s}, less than timeout_s ({self.timeout_s}), which no call could then use up: "
                "give several times as much"
            )
        if self.memory_mb < 64:
            raise ConfigError(f"memory_mb is {self.memory_mb}; give at least 64")


_pools: dict[int, ProcessPool] = {}


def run_isolated(fn: Callable[..., T], *args: Any, limits: ChildLimits) -> T:
    """Call a function of an importable module in the child process.

    Args:
        limits: of this call; memory counts beyond the libraries and what the child holds already.

    Raises:
        AssetError: `timeout`, `out_of_memory`, `crash:SIGNAL`, or what the function itself raised as such.
    """
    with _main_module_hidden():
        future = _pool().schedule(_limited, args=(limits, fn, args), timeout=limits.clock_s)
        try:
            return future.result()
        except TimeoutError as error:
            raise AssetError("timeout", f"more than {limits.clock_s:g} s by the clock") from error
        except MemoryError as error:
            raise AssetError("out_of_memory", f"more than {limits.memory_mb} MB") from error
        except (ProcessExpired, BrokenProcessPool) as error:
            exitcode = getattr(error, "exitcode", None)
            if exitcode == -signal.SIGPROF:
                raise AssetError("timeout", f"more than {limits.timeout_s:g} s of processor time") from error
            raise _death(exitcode) from error


def stop_children() -> None:
    """End this process's child, if it has one."""
    for pool in _pools.values():
        pool.stop()
        pool.join()
    _pools.clear()


def _pool() -> ProcessPool:
    pool = _pools.get(os.getpid())
    if pool is None or not pool.active:
        if not _pools:
            atexit.register(stop_children)
        pool = _pools[os.getpid()] = ProcessPool(
            max_workers=1,
            max_tasks=TASKS_PER_CHILD,
            initializer=_prepare_child,
            initargs=(os.getpid(),),
            context=multiprocessing.get_context("spawn"),
        )
    return pool


def _prepare_child(parent: int) -> None:
    """Let the child die with its parent, leave interrupts to it, and use one thread."""
    libc = ctypes.CDLL(None)
    libc.prctl(PR_SET_PDEATHSIG, signal.SIGKILL)
    if os.getppid() != parent:
        os._exit(1)
    libc.mallopt(M_ARENA_MAX, 2)
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGPROF, signal.SIG_DFL)  # end the process
    signal.pthread_sigmask(signal.SIG_UNBLOCK, {signal.SIGPROF})
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    for name in ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS"):
        os.environ[name] = "1"
    builtins.__import__ = _uncounted(builtins.__import__)


def _uncounted(load: Callable[..., Any]) -> Callable[..., Any]:
    """Let the limit of processor time rest while a module is imported, also where a function does so when called."""
    depth = 0

    @functools.wraps(load)
    def import_(name: str, globals: Any = None, locals: Any = None, fromlist: Any = (), level: int = 0) -> Any:
        nonlocal depth
        left = signal.setitimer(signal.ITIMER_PROF, 0)[0] if depth == 0 else 0.0
        depth += 1
        try:
            return load(name, globals, locals, fromlist, level)
        finally:
            depth -= 1
            if left:
                signal.setitimer(signal.ITIMER_PROF, left)

    return import_


def _limited(limits: ChildLimits, fn: Callable[..., T], args: tuple[Any, ...]) -> T:
    limit = max(_address_space(), LIBRARIES_MB * MEGABYTE) + limits.memory_mb * MEGABYTE
    hard = resource.getrlimit(resource.RLIMIT_AS)[1]
    resource.setrlimit(resource.RLIMIT_AS, (limit if hard == resource.RLIM_INFINITY else min(limit, hard), hard))
    signal.setitimer(signal.ITIMER_PROF, limits.timeout_s)  # its signal, SIGPROF, ends the process
    try:
        return fn(*args)
    finally:
        signal.setitimer(signal.ITIMER_PROF, 0)
        resource.setrlimit(resource.RLIMIT_AS, (hard, hard))


def _address_space() -> int:
    with open("/proc/self/statm") as file:
        return int(file.read().split()[0]) * os.sysconf("SC_PAGE_SIZE")


def _death(exitcode: int | None) -> AssetError:
    if exitcode is None or exitcode >= 0:
        return AssetError("crash", f"native code ended the process with exit code {exitcode}")
    name = signal.Signals(-exitcode).name
    hint = "perhaps the system's out-of-memory killer" if name == "SIGKILL" else "native code ended the process"
    return AssetError(f"crash:{name}", hint)


@contextlib.contextmanager
def _main_module_hidden() -> Iterator[None]:
    """Keep spawn from importing the caller's main script into the child (in a Ray worker: Ray itself, seconds)."""
    main = sys.modules["__main__"]
    path = main.__dict__.pop("__file__", None)
    try:
        yield
    finally:
        if path is not None:
            main.__dict__["__file__"] = path
