"""The inner side of `suites.sandbox`: a script of its own process that gives everything up and then runs a program.

It imports what the program names from `MAY_IMPORT`, sets the limits, leaves root where it has it, and lets the kernel
refuse every system call but those that computing and printing need (seccomp, Linux). From then on nothing can be opened,
so a module that was not imported before is not found. The first line of stderr is READY once all of this holds.
Arguments: cpu_s memory_bytes stdout_bytes fewer_guards (0 or 1) module_path...; the program is read from stdin.
"""
from __future__ import annotations

import ctypes
import os
import resource
import struct
import sys

READY, NO_GUARD = b"ready\n", b"no guard: "
NOBODY = 65534
MAY_IMPORT = frozenset((
    "abc", "bisect", "calendar", "cmath", "collections", "copy", "ctypes", "dataclasses", "datetime", "decimal", "enum",
    "fractions", "functools", "heapq", "itertools", "json", "math", "mpmath", "numbers", "numpy", "operator", "os", "random",
    "re", "scipy", "statistics", "string", "sympy", "sys", "time", "typing"))
"""Their top-level code is known to do nothing but define; it runs before the guards are up."""
ALONG = {"sympy": tuple(f"sympy.{name}" for name in (
    "assumptions.lra_satask", "assumptions.refine", "assumptions.satask", "assumptions.facts", "assumptions.handlers.matrices",
    "assumptions.handlers.calculus", "assumptions.handlers.ntheory", "assumptions.handlers.order", "assumptions.handlers.sets",
    "codegen.ast", "combinatorics.named_groups", "combinatorics.partitions", "concrete.delta", "integrals.heurisch",
    "integrals.manualintegrate", "integrals.risch", "logic.algorithms.dpll2", "parsing.sympy_parser",
    "polys.domains.old_fractionfield", "polys.domains.old_polynomialring", "sets.handlers.functions",
    "sets.handlers.issubset", "sets.setexpr", "solvers.diophantine", "solvers.inequalities", "tensor.tensor",
    "assumptions.wrapper", "integrals.prde", "integrals.rde", "physics.units", "polys.polymatrix"))}
"""What a module imports only when it is used, too late here."""
CALLS = {  # system calls that remain: name, x86-64, arm64 (None: it has no such call)
    "read": (0, 63), "write": (1, 64), "writev": (20, 66), "fstat": (5, 80),
    "mmap": (9, 222), "mprotect": (10, 226), "munmap": (11, 215), "brk": (12, 214), "mremap": (25, 216), "madvise": (28, 233),
    "rt_sigaction": (13, 134), "rt_sigprocmask": (14, 135), "rt_sigreturn": (15, 139), "sigaltstack": (131, 132),
    "futex": (202, 98), "sched_yield": (24, 124), "restart_syscall": (219, 128), "exit": (60, 93), "exit_group": (231, 94),
    "nanosleep": (35, 101), "clock_nanosleep": (230, 115), "clock_gettime": (228, 113), "clock_getres": (229, 114),
    "gettimeofday": (96, 169), "time": (201, None), "times": (100, 153), "getrusage": (98, 165), "getrandom": (318, 278),
    "getpid": (39, 172), "gettid": (186, 178), "getuid": (102, 174), "getppid": (110, 173)}
MACHINES = {"x86_64": (0, 0xC000003E, 317), "aarch64": (1, 0xC00000B7, 277)}
"""Column of CALLS, the kernel's name of the architecture, and the number of seccomp(2)."""
PDEATHSIG, NO_NEW_PRIVS = 1, 38


def main() -> None:
    """Raises what the program raises; ends the process where a guard that was asked for cannot be had."""
    cpu_s, memory_bytes, stdout_bytes, fewer = map(int, sys.argv[1:5])
    sys.path += sys.argv[5:]
    program = sys.stdin.buffer.read()
    sys.excepthook = _told
    sys.argv = [""]
    _limit(cpu_s, memory_bytes, stdout_bytes)
    tree = compile(program, "program", "exec", 0x400, dont_inherit=True)  # 0x400: the tree alone; `ast` takes 10 ms to import
    _import(named(tree))
    code = compile(program, "program", "exec", dont_inherit=True)
    sys.path.clear()
    _close(fewer=bool(fewer))
    os.write(2, READY)
    exec(code, {"__name__": "__main__", "__builtins__": __builtins__})  # noqa: S102 - the purpose of this process


def named(tree: object) -> list[str]:
    """Modules that a program's import statements may mean, those of MAY_IMPORT alone."""
    found: dict[str, None] = {}
    nodes = [tree]
    while nodes:
        node = nodes.pop()
        kind = type(node).__name__
        if kind == "Import":
            found |= dict.fromkeys(alias.name for alias in node.names)  # type: ignore[attr-defined]
        elif kind == "ImportFrom" and node.module:  # type: ignore[attr-defined]
            found |= dict.fromkeys([node.module, *(f"{node.module}.{a.name}" for a in node.names)])  # type: ignore[attr-defined]
        for field in getattr(node, "_fields", ()):
            value = getattr(node, field, None)
            nodes += value if isinstance(value, list) else [value]
    return [name for name in found if name.partition(".")[0] in MAY_IMPORT and "__main__" not in name]


def _import(names: list[str]) -> None:
    """A module that is not there is the program's to notice."""
    late = [along for name in names for along in ALONG.get(name.partition(".")[0], ())]
    for name in dict.fromkeys(names + late):
        try:
            __import__(name)
        except ImportError:
            continue


def _told(kind: type[BaseException], error: BaseException, trace: object) -> None:
    """The last line of a traceback; the rest would need files."""
    os.write(2, f"{kind.__name__}: {error}".encode(errors="replace"))


def _limit(cpu_s: int, memory_bytes: int, stdout_bytes: int) -> None:
    """For root as for others. stdout and stderr are files, so the file size bounds them."""
    resource.setrlimit(resource.RLIMIT_CPU, (cpu_s, cpu_s + 1))
    resource.setrlimit(resource.RLIMIT_FSIZE, (stdout_bytes, stdout_bytes))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    if sys.platform == "linux":  # elsewhere this limit is not to be had
        resource.setrlimit(resource.RLIMIT_AS, (memory_bytes, memory_bytes))


def _close(*, fewer: bool) -> None:
    """Nothing to read, nothing to open, nobody's rights, and the filter."""
    nothing = os.open(os.devnull, os.O_RDONLY)
    os.dup2(nothing, 0)
    os.close(nothing)
    libc = ctypes.CDLL(None, use_errno=True)
    resource.setrlimit(resource.RLIMIT_NOFILE, (3, 3))
    resource.setrlimit(resource.RLIMIT_NPROC, (0, 0))
    if os.getuid() == 0:
        _leave_root()
    if not fewer:
        _confine(libc)


def _leave_root() -> None:
    """A fence behind the filter; in a namespace without other users there is nobody to become."""
    try:
        os.setgroups([])
        os.setgid(NOBODY)
        os.setuid(NOBODY)
    except OSError:
        return


def _confine(libc: ctypes.CDLL) -> None:
    """The process ends with its parent, gains no right by execution, and all its threads are under the filter for good."""
    machine = MACHINES.get(os.uname().machine)
    if sys.platform != "linux" or machine is None or sys.maxsize < 2**32:
        return _refuse(f"the calls of {sys.platform} on {os.uname().machine} are not known")
    column, architecture, seccomp = machine
    steps = ctypes.create_string_buffer(_filter([row[column] for row in CALLS.values()], architecture))
    program = struct.pack("HL", len(steps) // 8, ctypes.addressof(steps))
    zero = ctypes.c_ulong(0)
    failed = (libc.prctl(PDEATHSIG, ctypes.c_ulong(9), zero, zero, zero)
              or libc.prctl(NO_NEW_PRIVS, ctypes.c_ulong(1), zero, zero, zero)
              or libc.syscall(seccomp, ctypes.c_ulong(1), ctypes.c_ulong(1), program))
    if failed:
        _refuse(os.strerror(ctypes.get_errno()))


def _filter(numbers: list[int | None], architecture: int) -> bytes:
    """struct sock_filter: another architecture kills, a call of `numbers` passes, any other fails with EPERM."""
    def step(code: int, yes: int, no: int, value: int) -> bytes:
        return struct.pack("HBBI", code, yes, no, value)

    load, equal, give = 0x20, 0x15, 0x06
    known = [n for n in numbers if n is not None]
    checks = [step(equal, len(known) - i, 0, n) for i, n in enumerate(known)]
    return b"".join([step(load, 0, 0, 4), step(equal, 1, 0, architecture), step(give, 0, 0, 0x80000000), step(load, 0, 0, 0),
                     *checks, step(give, 0, 0, 0x00050001), step(give, 0, 0, 0x7FFF0000)])


def _refuse(why: str) -> None:
    os.write(2, NO_GUARD + why.encode())
    os._exit(1)


if __name__ == "__main__":
    main()
