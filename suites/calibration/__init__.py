"""Calibration of answers to multiple-choice questions, from option probabilities or logits and the right options."""
from suites.calibration.answers import Answers
from suites.calibration.outside import outside
from suites.calibration.reliability import reliability
from suites.calibration.suite import NAME, evaluate
from suites.calibration.table import floored, table

__all__ = ["NAME", "Answers", "evaluate", "floored", "outside", "reliability", "table"]
