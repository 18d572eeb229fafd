"""A palindrome model whose weights are set by hand to do what the text says.

The stream: one dimension for each position, one for each token, DIFFERS and ANSWER. From a later number,
head 0.0 looks at the mirror image if it is the same number, else at the number itself; what it finds in the
second half it writes as DIFFERS. From END, heads 1.0, 2.0 ... look for that, each among its own positions.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch

from algoscope.model.config import Config
from algoscope.model.transformer import Transformer
from algoscope.tasks.palindromes import END_POSITION, HALF

SEQ, TOKENS = END_POSITION + 1, 33
DIFFERS, ANSWER = SEQ + TOKENS, SEQ + TOKENS + 1
SAME, MIRRORS, ITSELF = 40.0, 30.0, 15.0
"""Scores: a mirror image that is the same gets 70, the number itself 55, and others e^-15 of that at most."""
FAR = 40.0
LATER = range(HALF + 1, END_POSITION)


def hand(readers: Sequence[Sequence[int]] = (LATER,)) -> Transformer:
    """Always right, if its readers between them read all later positions. Each has a layer of its own."""
    config = Config(
        n_layers=1 + len(readers), d_model=ANSWER + 1, n_heads=1, d_head=SEQ + TOKENS, n_ctx=SEQ,
        d_vocab=TOKENS, d_vocab_out=2, attention_dir="causal", normalization_type="none",
    )  # fmt: skip
    model = Transformer(config).requires_grad_(False)
    for parameter in model.parameters():
        parameter.zero_()
    model.W_pos[:, :SEQ], model.W_E[:, SEQ:DIFFERS] = torch.eye(SEQ), torch.eye(TOKENS)
    attn, root = model.block(0).attn, config.d_head**0.5
    attn.W_Q[0, :DIFFERS] = torch.eye(DIFFERS) * root
    attn.W_K[0, :SEQ, :SEQ] = MIRRORS * torch.eye(SEQ).flip(0) + ITSELF * torch.eye(SEQ)
    attn.W_K[0, SEQ:DIFFERS, SEQ:] = SAME * torch.eye(TOKENS)
    attn.W_V[0, LATER.start : LATER.stop, 0] = attn.W_O[0, 0, DIFFERS] = 1
    for layer, positions in enumerate(readers, 1):
        attn = model.block(layer).attn
        attn.b_Q[0, 0] = root
        # Anything but a faulty one of its own positions gets less than START.
        attn.W_K[0, [DIFFERS, *positions], 0] = FAR
        attn.W_K[0, 0, 0] = 1.5 * FAR
        attn.W_V[0, DIFFERS, 0] = attn.W_O[0, 0, ANSWER] = 1
    model.W_U[ANSWER] = torch.tensor([10.0, -10.0])
    model.b_U.copy_(torch.tensor([-5.0, 5.0]))
    return model
