"""AGIEval, English group (Zhong et al. 2023; lm-eval `agieval_en`).

The nine exams with options, and apart from them the generative one, so that one number does not mix two ways of scoring.
"""
from suites.suite import Suite

AGIEVAL = Suite("agieval", "nine English exams with options, scored by the whole option",
                folder="agieval", root="agieval_en", primary="acc", without=("agieval_math",))
AGIEVAL_MATH = Suite("agieval_math", "the generative exam of AGIEval's English group",
                     folder="agieval", root="agieval_math", primary="acc")
