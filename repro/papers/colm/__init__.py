"""CoLM (arXiv 2407.19580): mini-batch coresets, compared with larger random batches and with random ones of the same mixture."""
from repro.claims import Paper
from repro.papers.colm.arms import arms, trials
from repro.papers.colm.claims import claims
from repro.papers.colm.exhibits import figures, tables

COLM = Paper(
    name="colm", title="CoLM: Mini-batch Coresets for Memory-efficient Language Model Training on Data Mixtures",
    arxiv="2407.19580", arms=arms, trials=trials, tables=tables, figures=figures, claims=claims)
