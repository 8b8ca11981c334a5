"""LISA (arXiv 2403.17919): layerwise importance sampling, compared with full tuning, LoRA and GaLore."""
from repro.claims import Paper
from repro.papers.lisa.arms import arms, trials
from repro.papers.lisa.claims import claims
from repro.papers.lisa.exhibits import figures, tables

LISA = Paper(
    name="lisa", title="LISA: Layerwise Importance Sampling for Memory-Efficient Large Language Model Fine-Tuning",
    arxiv="2403.17919", arms=arms, trials=trials, tables=tables, figures=figures, claims=claims)
