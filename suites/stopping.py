"""While a text is generated: each row ends at its own stop string, and a logit that is not a number ends everything."""
from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor
from transformers import LogitsProcessor, StoppingCriteria, StoppingCriteriaList

from methods.parts import Refused

NOT_A_NUMBER = ("cannot evaluate this model; because its logits are not numbers (NaN); "
                "use an earlier checkpoint or a lower learning rate")


class Numbers(LogitsProcessor):  # type: ignore[misc]
    """Raises Refused at a NaN; changes nothing."""

    def __call__(self, input_ids: Tensor, scores: Tensor) -> Tensor:
        if bool(torch.isnan(scores).any()):
            raise Refused(NOT_A_NUMBER)
        return scores


class RowStops(StoppingCriteria):  # type: ignore[misc]
    """Ends a row once its answer holds a stop string. What would follow is cut off anyway, so no answer changes.

    lm-eval's own criterion ends a batch only when every row holds the same stop string.
    """

    def __init__(self, tokenizer: Any, stops: Sequence[str], start: int, rows: int) -> None:
        self.tokenizer, self.stops, self.start = tokenizer, [s for s in stops if s], start
        longest = (len(tokenizer.encode(s, add_special_tokens=False)) for s in self.stops)
        self.window = max(longest, default=0) + 2
        self.ended = torch.zeros(rows, dtype=torch.bool)

    def __call__(self, input_ids: Tensor, scores: Tensor, **kwargs: Any) -> Tensor:
        going = (~self.ended).nonzero().flatten()
        new = input_ids[:, self.start:][going.to(input_ids.device), -self.window:]
        for row, text in zip(going.tolist(), self.tokenizer.batch_decode(new), strict=True):
            self.ended[row] = any(stop in text for stop in self.stops)
        return self.ended.to(input_ids.device)


def row_stops(tokenizer: Any, stops: Sequence[str], start: int, rows: int) -> StoppingCriteriaList:
    """In the place of lm-eval's `stop_sequences_criteria`, with its arguments."""
    return StoppingCriteriaList([RowStops(tokenizer, stops, start, rows)])
