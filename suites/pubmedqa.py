"""PubMedQA: yes, no or maybe, from an abstract (Jin et al. 2019; lm-eval `pubmedqa`, the labelled test fold)."""
from suites.suite import Suite

PUBMEDQA = Suite("pubmedqa", "yes, no or maybe to a question about an abstract",
                 folder="pubmedqa", root="pubmedqa", primary="acc")
