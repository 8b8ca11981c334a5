"""LoRA ensembles (arXiv 2310.00035): several adapters from different seeds whose predictions are averaged."""
from repro.claims import Paper
from repro.papers.lora_ensembles.arms import arms, trials
from repro.papers.lora_ensembles.claims import claims
from repro.papers.lora_ensembles.exhibits import figures, tables

LORA_ENSEMBLES = Paper(
    name="lora_ensembles", title="LoRA ensembles for large language model fine-tuning", arxiv="2310.00035", arms=arms,
    trials=trials, tables=tables, figures=figures, claims=claims)
