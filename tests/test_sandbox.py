"""Programs in the sandbox: what they print comes back; each attack works outside it and fails inside; others go on.

Every attack bounds itself, so that a sandbox that fails harms nothing.
"""
from __future__ import annotations

import os
import socket
import subprocess
import sys

import pytest

from methods.parts import Refused
from suites import sandbox, sandboxed
from suites.sandbox import Limits, Outcome, run, run_many

QUICK = Limits(cpu_s=1, wall_s=20)
LIBC = "import ctypes\nlibc = ctypes.CDLL(None)\n"
GOT = "print('got through')\n"
TRIED = {  # each prints GOT where it succeeds
    "fork": "import os\nfor _ in range(200):\n    if os.fork() == 0: os._exit(0)\n    os.wait()\n",
    "fork, by number": LIBC + "pid = libc.syscall({fork})\nif pid == 0: libc._exit(0)\nassert pid > 0\n",
    "a thread": "import sys, _thread\n_thread.start_new_thread(int, ())\n",
    "another program": "import os\nassert os.spawnv(os.P_WAIT, '/bin/true', ['true']) == 0\n",
    "becoming another program": "import os\nos.execv('/bin/echo', ['echo', 'got through'])\n",
    "writing a file": "open({file!r}, 'w').write('here')\n",
    "writing a file, by number": LIBC + "assert libc.creat({file!r}.encode(), 0o600) >= 0\n",
    "removing a file": "import os\nos.remove({secret!r})\n",
    "a folder": "import os\nos.mkdir({file!r})\n",
    "reading the user's file": "assert open({secret!r}).read() == 'secret'\n",
    "listing a folder": "import os\nassert os.listdir({folder!r})\n",
    "reading the parent's environment": "import os\nassert open(f'/proc/{{os.getppid()}}/environ').read()\n",
    "a connection": "import ctypes, struct\nlibc = ctypes.CDLL(None)\ns = libc.socket(2, 1, 0)\nassert s >= 0\n"
                    "at = struct.pack('=H', 2) + struct.pack('>H', {port}) + bytes([127, 0, 0, 1]) + bytes(8)\n"
                    "assert libc.connect(s, at, 16) == 0\n",
    "a signal": "import os\nos.kill(os.getppid(), 0)\n",
    "a signal, by number": LIBC + "assert libc.kill({pid}, 0) == 0\n",
    "looking into another": "import os\nassert open('/proc/{pid}/maps').read()\n",
    "a wider limit": "import os\nresource = __import__('resource')\nresource.setrlimit(resource.RLIMIT_CPU, (7, 7))\n",
    "a handle": "import os\nos.write({handle}, b'x')\n",
    "an environment variable": "import os\nassert os.environ['SECRET'] == 'secret'\n",
}


@pytest.fixture
def place(tmp_path):
    """What the attacks aim at: a file and a folder that all may use, a port that listens, a handle that is inherited."""
    os.chmod(tmp_path, 0o777)
    secret = tmp_path / "secret.txt"
    secret.write_text("secret")
    secret.chmod(0o666)
    read, write = os.pipe()
    os.set_inheritable(write, True)
    with socket.create_server(("127.0.0.1", 0)) as server:
        yield {"file": str(tmp_path / "new"), "secret": str(secret), "folder": str(tmp_path), "handle": write,
               "port": server.getsockname()[1], "pid": os.getpid(), "fork": {"x86_64": 57}.get(os.uname().machine, 0)}
    os.close(read)
    os.close(write)


@pytest.mark.parametrize("name", TRIED)
def test_what_works_outside_fails_inside(place, monkeypatch, name):
    if name == "fork, by number" and not place["fork"]:
        pytest.skip("this machine has no system call of that name")
    monkeypatch.setenv("SECRET", "secret")
    program = TRIED[name].format_map(place) + GOT
    before = sorted(os.listdir(place["folder"]))
    inside = run(program, QUICK)
    assert "got through" not in inside.stdout
    assert not inside.ok
    assert inside.reason
    assert sorted(os.listdir(place["folder"])) == before
    outside = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, close_fds=False)
    assert outside.stdout.endswith("got through\n"), outside.stderr


def test_results_come_back():
    program = "import math\nfrom fractions import Fraction\nprint(math.comb(5, 2), Fraction(1, 3))"
    assert run(program) == Outcome("10 1/3\n", True, "")
    assert run("print('\u00e9\u221a')").stdout == "é√\n"
    assert run("") == Outcome("", True, "")


@pytest.mark.parametrize(("program", "why"), [
    ("print(1)\n1 / 0", "ZeroDivisionError: division by zero"),
    ("print(", "SyntaxError"),
    ("x = " + "(" * 5000, "SyntaxError"),
    ("raise SystemExit(3)", "status 3"),
    ("input()", "EOFError"),
    ("import socket", "No module named 'socket'"),
    ("import decimal.no_such_thing", "No module named 'decimal"),
    ("def f(n): return f(n + 1)\nf(0)", "RecursionError"),
    ("import os\nos.write(2, b'no guard: pretended')\n1 / 0", "ZeroDivisionError"),
])
def test_a_program_that_fails_says_why(program, why):
    found = run(program, QUICK)
    assert not found.ok
    assert why in found.reason
    assert "\n" not in found.reason


def test_what_was_printed_before_a_failure_is_kept():
    assert run("print(1, flush=True)\n1 / 0", QUICK).stdout == "1\n"


def test_endless_loops_end():
    assert "processor time" in run("while True: pass", QUICK).reason
    assert "ran longer" in run("import time\ntime.sleep(60)", Limits(wall_s=1.0)).reason
    stubborn = "import signal\nsignal = __import__('_signal')\nsignal.signal(24, signal.SIG_IGN)\nwhile True: pass"
    found = run(stubborn, QUICK)
    assert not found.ok


def test_memory_is_limited():
    assert "MemoryError" in run("print(len(bytearray(2_000_000_000)))", QUICK).reason
    small = Limits(cpu_s=2, wall_s=20, memory_bytes=200_000_000)
    kept = run("x = []\nwhile len(x) < 3000: x.append(bytearray(1_000_000))\nprint(len(x))", small)
    assert "MemoryError" in kept.reason
    assert run("print(len(bytearray(50_000_000)))", small).ok


@pytest.mark.parametrize("program", [
    "import time\nend = time.monotonic() + 3\nwhile time.monotonic() < end: print('x' * 1000)",
    "import os\nfor _ in range(5000):\n    try: os.write(1, b'x' * 1000)\n    except OSError: pass",
])
def test_floods_are_bounded(program):
    found = run(program, Limits(cpu_s=5, stdout_bytes=10_000))
    assert len(found.stdout) == 10_000
    assert "more than 10000 bytes" in found.reason


def test_a_flood_of_errors_is_bounded_too():
    found = run("import os\nfor _ in range(5000):\n    os.write(2, b'x' * 1000)", Limits(stdout_bytes=10_000))
    assert not found.ok
    assert len(found.reason) <= 200


def test_the_programs_place_is_empty_and_bare():
    found = run("import os\nprint(sorted(os.environ), os.getuid())", QUICK).stdout
    assert set(eval(found.rpartition(" ")[0])) <= {*sandbox.ENVIRONMENT, "LC_CTYPE"}
    assert int(found.rpartition(" ")[2]) == (os.getuid() or sandboxed.NOBODY)


def test_outcomes_come_in_order_and_none_disturbs_another():
    attacks = ["while True: pass", "import time\ntime.sleep(30)", TRIED["fork"], "x = bytearray(10**10)",
               "import time\nend = time.monotonic() + 2\nwhile time.monotonic() < end: print('x' * 1000)"]
    good = [f"print({i} ** 2)" for i in range(10)]
    mixed = [p for i, g in enumerate(good) for p in ([attacks[i // 2], g] if i % 2 == 0 else [g])]
    found = dict(zip(mixed, run_many(mixed, Limits(cpu_s=1, wall_s=3), jobs=3), strict=True))
    assert [found[g].stdout for g in good] == [f"{i ** 2}\n" for i in range(10)]
    assert not any(found[a].ok for a in attacks)
    assert run_many([], jobs=2) == []


def test_programs_run_side_by_side():
    sleep = [f"import time\nbegan = time.time()\ntime.sleep(2)\nprint(began, time.time())  # {i}" for i in range(2)]
    (began, ended), (other_began, other_ended) = (map(float, o.stdout.split()) for o in run_many(sleep, jobs=2))
    assert max(began, other_began) < min(ended, other_ended)


def test_a_program_that_is_there_twice_runs_once():
    first, second = run_many(["import time\nprint(time.time())"] * 2)
    assert first == second


def test_sympy_where_it_is_installed():
    pytest.importorskip("sympy")
    program = ("from sympy import *\nx = symbols('x')\n"
               "print(solve(x**2 - 5*x + 6, x), integrate(sin(x)**2, (x, 0, pi)), factorint(84), nsolve(cos(x) - x, 1))\n"
               "print(solveset(x**2 > 4, x, S.Reals), limit(sin(x) / x, x, 0), simplify(sqrt(8)), Sum(x, (x, 1, 4)).doit())")
    found = run(program, Limits(cpu_s=30, wall_s=120))
    assert found.ok, found.reason
    assert found.stdout.startswith("[2, 3] pi/2 {2: 2, 3: 1, 7: 1} 0.739")


def test_a_system_that_cannot_confine_runs_nothing_unless_told_to(monkeypatch, tmp_path):
    script = sandbox.INSIDE.read_text().replace("MACHINES.get(os.uname().machine)", "MACHINES.get('a machine of tomorrow')")
    (tmp_path / "sandboxed.py").write_text(script)
    monkeypatch.setattr(sandbox, "INSIDE", tmp_path / "sandboxed.py")
    with pytest.raises(Refused, match=r"cannot confine it .* are not known.*; use Linux") as caught:
        run("print(1)")
    assert "\n" not in str(caught.value)
    assert run("print(1)", Limits(fewer_guards=True)) == Outcome("1\n", True, "")
    assert "processor time" in run("while True: pass", Limits(cpu_s=1, fewer_guards=True)).reason


def test_limits_of_nothing_are_refused():
    with pytest.raises(Refused, match="nothing runs on nothing"):
        Limits(wall_s=0)
