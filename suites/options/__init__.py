"""Multiple choice by letters: questions whose answer is one token, read off where the prompt ends.

What LoRA ensembles are trained and measured on (arXiv 2310.00035). The log-probability of every letter is kept, so that any
combination of members and any measure of calibration can be taken afterwards.
"""
