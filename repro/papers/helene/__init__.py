"""HELENE (arXiv 2411.10696): zeroth-order steps with a floored diagonal Hessian, compared with MeZO and its relatives."""
from repro.claims import Paper
from repro.papers.helene.arms import arms, trials
from repro.papers.helene.claims import claims
from repro.papers.helene.exhibits import figures, tables

HELENE = Paper(
    name="helene", title="HELENE: Hessian Layer-wise Clipping and Gradient Annealing for Accelerating Fine-tuning LLM with "
    "Zeroth-order Optimization", arxiv="2411.10696", arms=arms, trials=trials, tables=tables, figures=figures, claims=claims)
