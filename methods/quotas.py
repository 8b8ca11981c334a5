"""How a batch is shared among the sources of a pool: small sources are kept, large ones get quotas by largest remainder.

Source: CoLM, arXiv 2407.19580, section 4.1 and appendix C. Of n_q examples of the large source q in a pool of P, with s kept
ones of small sources and k wanted:  b_q = (k - s) n_q / (P - s),  rounded to whole numbers that add up to k - s.

**Departures**: the paper names no rounding and the authors' code floors, then favours the rarest sources; here the largest
remainders are rounded up, equal ones by name. Where the kept alone exceed k, the authors take a prefix; here those that come
first in a given (random) order.
"""
from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Sequence

import torch
from torch import Tensor

from methods.parts import Refused


def kept_and_quotas(sources: Sequence[str], small: Collection[str], k: int, order: Tensor) -> tuple[Tensor, dict[str, int]]:
    """([s] positions kept, ascending; {large source: quota}). `order` [P]: positions; says who is kept when s would exceed k.

    The quotas add up to k - s (all there are, where the pool has fewer), none exceeds its source; {} when nothing is left.
    """
    if k < 0 or sorted(order.tolist()) != list(range(len(sources))):
        raise Refused(f"cannot share {k} examples out of {len(sources)} by an order of {len(order)}; because k is at least 0 "
                      "and the order names every example once; use a permutation of the pool")
    kept = [i for i in order.tolist() if sources[i] in small][:k]
    large = Counter(source for source in sources if source not in small)
    left = min(k - len(kept), large.total())
    return torch.tensor(sorted(kept), dtype=torch.long), largest_remainder(large, left) if left else {}


def largest_remainder(counts: Counter[str], total: int) -> dict[str, int]:
    """`total` in proportion to the counts, by name in sorted order; equal remainders go up in that order."""
    shares = {name: divmod(total * counts[name], counts.total()) for name in sorted(counts)}
    quotas = {name: whole for name, (whole, _) in shares.items()}
    upwards = sorted(shares, key=lambda name: -shares[name][1])
    for name in upwards[:total - sum(quotas.values())]:
        quotas[name] += 1
    return quotas
