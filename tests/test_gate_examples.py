"""The CI examples: well-formed, complete, and every command and option in them is one of ours."""
from __future__ import annotations

import re
import shlex
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import typer
import yaml

from repro.__main__ import COMMANDS, app
from repro.scales import SCALES

HOUSE = Path(__file__).resolve().parent.parent
CI = HOUSE / "examples" / "ci"


def parsed(name: str) -> dict[Any, Any]:
    found = yaml.safe_load((CI / name).read_text())
    assert isinstance(found, dict)
    return found


def scripts() -> Iterator[str]:
    """Every shell line of the examples."""
    for job in parsed("github-actions.yml")["jobs"].values():
        for step in job["steps"]:
            yield from step.get("run", "").splitlines()
    yield from parsed("gitlab-ci.yml")["regression-gate"]["script"]


def options(command: str) -> set[str]:
    """The options of one of our commands, as the command line has them."""
    group = typer.main.get_command(app)
    return {name for parameter in group.commands[command].params for name in parameter.opts}  # type: ignore[attr-defined]


def test_the_github_example_has_what_a_workflow_needs() -> None:
    found = parsed("github-actions.yml")
    assert found.keys() == {"name", True, "permissions", "concurrency", "jobs"}, "YAML reads the key `on` as true"
    assert set(found[True]) == {"pull_request", "push"}
    job = found["jobs"]["smoke"]
    assert {"runs-on", "timeout-minutes", "steps"} <= job.keys()
    for step in job["steps"]:
        assert ("uses" in step) != ("run" in step), step
        assert re.fullmatch(r"[\w-]+/[\w-]+@v\d+", step.get("uses", "a/b@v1"))
    upload = job["steps"][-1]
    assert upload["if"] == "${{ !cancelled() }}", "findings are wanted most where the gate fails"
    assert "gate.xml" in upload["with"]["path"].split()


def test_the_gitlab_example_has_what_a_job_needs() -> None:
    found = parsed("gitlab-ci.yml")
    job = found["regression-gate"]
    assert job["stage"] in found["stages"]
    assert {"image", "script", "rules", "artifacts"} <= job.keys()
    assert job["artifacts"]["when"] == "always"
    assert job["artifacts"]["reports"]["junit"] == "gate.xml"
    assert any(line.endswith('exit "${ran:-0}"') for line in job["script"]), "a failed run fails the job after the comparison"


@pytest.mark.parametrize("name", ["run_all.sh", "-m repro check"])
def test_each_example_runs_and_checks(name: str) -> None:
    assert sum(name in line for line in scripts()) == 2


def test_every_command_and_option_is_ours() -> None:
    seen = 0
    for line in scripts():
        asked = shlex.split(line.split("||")[0])
        if "run_all.sh" in line:
            assert (HOUSE / asked[1]).exists()
            command, rest = "all", asked[2:]
        elif "repro" in asked:
            at = asked.index("repro") + 1
            command, rest = asked[at], asked[at + 1:]
        else:
            continue
        seen += 1
        assert command in COMMANDS
        assert {word for word in rest if word.startswith("--")} <= options(command), line
        assert rest[rest.index("--scale") + 1] in SCALES
    assert seen == 4


def test_what_is_uploaded_is_what_check_writes() -> None:
    assert all("--junit gate.xml" in line for line in scripts() if "-m repro check" in line)
    assert (HOUSE / "requirements.lock").exists()
