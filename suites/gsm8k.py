"""GSM8K: word problems with worked solutions (Cobbe et al. 2021; lm-eval `gsm8k`).

`strict-match` wants the answer after `####`, `flexible-extract` takes the last number.
"""
from suites.suite import Suite

GSM8K = Suite("gsm8k", "word problems with worked solutions, five shots, generated",
              folder="gsm8k", root="gsm8k", primary="exact_match,strict-match", most_tokens=96)
