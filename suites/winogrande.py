"""WinoGrande: which of two names a blank stands for, scored by the rest of the sentence (Sakaguchi et al. 2020)."""
from suites.suite import Suite

WINOGRANDE = Suite("winogrande", "which of two names a blank stands for, scored by the rest of the sentence",
                   folder="winogrande", root="winogrande", primary="acc")
