"""Prompted classification, multiple choice and short answers with MeZO's templates and label words."""
from suites.glue.measure import NAME, evaluate, on_rows
from suites.glue.tasks import TASKS
from suites.glue.training import prepare

__all__ = ["NAME", "TASKS", "evaluate", "on_rows", "prepare"]
