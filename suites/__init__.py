"""What is measured and on which data."""
from suites.agieval import AGIEVAL, AGIEVAL_MATH
from suites.gsm8k import GSM8K
from suites.mmlu import MMLU
from suites.pubmedqa import PUBMEDQA
from suites.suite import Suite
from suites.winogrande import WINOGRANDE

SUITES: dict[str, Suite] = {s.name: s for s in (MMLU, GSM8K, AGIEVAL, AGIEVAL_MATH, WINOGRANDE, PUBMEDQA)}
"""The suites by name; any other lm-eval task can be called by its own name."""
