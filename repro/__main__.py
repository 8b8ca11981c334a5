"""`python -m repro`: data goes to stdout, progress to stderr.

Exit status: 0 fine; 1 a run failed or a comparison found a difference; 2 bad input, in one sentence; 130 Ctrl-C.
"""
from __future__ import annotations

import sys
from collections.abc import Callable

import typer

from repro.commands import (
    accept,
    calibrating,
    check,
    diffing,
    judge,
    judging,
    leaderboard,
    learning,
    looking,
    measuring,
    memory,
    showing,
    studying,
)

app = typer.Typer(no_args_is_help=True, add_completion=False, pretty_exceptions_enable=False,
                  help="Fine-tuning with little memory, put on trial: runs the papers' comparisons, shows verdicts, "
                       "and trains or measures your own model.")
COMMANDS: dict[str, Callable[..., None]] = {
    "all": studying.everything, "plan": studying.plan, "run": studying.run, "report": studying.report,
    "tune": studying.tune, "check": check.check, "accept": accept.accept, "list": looking.listing,
    "matrix": looking.matrix, "show": showing.show, "diff": diffing.diff, "train": learning.train, "pretrain": learning.pretrain,
    "leaderboard": leaderboard.leaderboard, "eval": measuring.evaluate, "bench": measuring.bench, "memory": memory.memory,
    "calibrate": calibrating.calibrate, "judge": judge.judge, "judge-report": judging.judge_report,
}
for name, command in COMMANDS.items():
    app.command(name)(command)


def main() -> None:
    """Runs one command; ends the process with the command's status."""
    try:
        app(prog_name="python -m repro")
    except ValueError as error:
        from methods.parts import Refused  # where it was raised torch is loaded already, so this costs nothing

        if not isinstance(error, Refused):
            raise
        print(error, file=sys.stderr)
        sys.exit(2)
    except SystemExit as end:
        if end.code == 130:
            print("Stopped. What was finished is kept; the same command goes on from there.", file=sys.stderr)
        raise


if __name__ == "__main__":
    main()
