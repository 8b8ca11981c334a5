"""The papers: from claim to plan, records and verdicts."""
