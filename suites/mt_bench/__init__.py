"""MT-Bench: FastChat's files, a judge's prompts and verdicts, scores with their uncertainty, and what may be compared."""
