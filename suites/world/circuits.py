"""An initialisation whose attention looks back: learning that from text takes a small model more than its whole pretraining.

Block 0 brings each token its predecessor; later blocks match tokens and bring what stood behind them or before them
(the induction heads of Olsson et al. 2022, arXiv 2209.11895, written down instead of waited for). Everything stays trainable.
"""

import torch
from torch import Tensor
from transformers import LlamaForCausalLM

CONSTANT = 4  # coordinates of every embedding that start at 1, so that attention can go by place
STEEP = 30.0  # how sharply a previous-place head peaks
MATCH = 3.0  # how sharply a matching head peaks
STD, HEAD_STD = 0.1, 0.1


def look_back(model: LlamaForCausalLM) -> None:
    """Draws all weights of a Llama-shaped model anew, by torch's global random stream."""
    config, embed = model.config, model.model.embed_tokens.weight
    heads, width = config.num_attention_heads, config.hidden_size
    size = width // heads
    with torch.no_grad():
        for p in model.parameters():
            if p.ndim == 2:
                p.normal_(std=STD)
        embed.normal_()
        embed[:, :CONSTANT] = 1.0
        before, out = orthogonal(width), orthogonal(width)  # where predecessors are written; where answers are written
        model.lm_head.weight.copy_(embed @ out.T * HEAD_STD)
        for depth, block in enumerate(model.model.layers):
            block.mlp.down_proj.weight.mul_(0.1)
            for head in range(heads):
                if depth == 0 and head == heads - 1:
                    continue
                brings = orthogonal(width)[:size]
                if depth == 0:
                    query, key = previous_place(size, width, config.rope_parameters["rope_theta"])
                    target, source = before, torch.eye(width)
                else:
                    query = orthogonal(width)[:size] * MATCH**0.5
                    after = (head + depth) % 2 == 0
                    key = query @ before.T if after else query
                    target, source = out, torch.eye(width) if after else before
                at, attention = slice(head * size, (head + 1) * size), block.self_attn
                attention.q_proj.weight[at], attention.k_proj.weight[at] = query, key
                attention.v_proj.weight[at], attention.o_proj.weight[:, at] = brings @ source.T, target @ brings.T


def orthogonal(n: int) -> Tensor:
    """A random orthogonal matrix [n, n]."""
    q: Tensor = torch.linalg.qr(torch.randn(n, n))[0]
    return q


def previous_place(size: int, width: int, theta: float) -> tuple[Tensor, Tensor]:
    """Query and key weights [size, width] of a head that attends to the token before, by rotary position alone.

    The key is the query turned on by one place, so their product is largest one place back.
    """
    query, key = torch.zeros(size, width), torch.zeros(size, width)
    pairs, length = CONSTANT, (STEEP / CONSTANT) ** 0.5 / CONSTANT
    angle = theta ** (-torch.arange(pairs) / (size // 2))
    query[:pairs, :CONSTANT] = length
    key[:pairs, :CONSTANT] = length * angle.cos()[:, None]
    key[size // 2 : size // 2 + pairs, :CONSTANT] = length * angle.sin()[:, None]
    return query, key
