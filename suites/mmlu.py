"""MMLU: 57 subjects in four groups, four options, scored by the letter (Hendrycks et al. 2021; lm-eval `mmlu`)."""
from suites.suite import Suite

MMLU = Suite("mmlu", "57 subjects in four groups, four options, scored by the letter",
             folder="mmlu/default", root="mmlu", primary="acc")
