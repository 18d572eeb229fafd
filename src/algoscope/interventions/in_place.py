"""The rest of a layer in the memory of its input: half of the time of a plain pass is spent on new memory."""

from __future__ import annotations

import torch
from jaxtyping import Float
from torch import Tensor
from torch.nn import functional

from algoscope.model.layers import MLP, Block, PerHead, Stream
from algoscope.model.sites import ATTENTION_SITES, MLP_SITES, Taps

FROM_Z = ("attn.hook_z", "attn.hook_result", "hook_attn_out", *MLP_SITES, "hook_resid_post")
assert set(FROM_Z[:3]) < set(ATTENTION_SITES)


def from_z(block: Block, resid: Stream, z: PerHead, tap: Taps) -> Stream:
    """`block.from_z`, which overwrites `resid` unless a hook wants a value on the way. Without gradients."""
    if tap.want(*(f"{block.name}.{site}" for site in FROM_Z)):
        return block.from_z(resid, z, tap)
    flat = resid.flatten(0, -2)
    attn, mlp = block.attn, block.mlp
    flat.addmm_(z.reshape(len(flat), -1), attn.W_O.flatten(0, 1)).add_(attn.b_O)
    # Its memory is still in the processor's cache: the next value takes it over.
    del z
    if mlp is not None and block.ln2 is not None:
        flat.addmm_(_neurons(mlp, block.ln2.normalize(flat)), mlp.W_out).add_(mlp.b_out)
    return flat.view(resid.shape)


def _neurons(mlp: MLP, x: Float[Tensor, "row d_model"]) -> Float[Tensor, "row neuron"]:
    hidden = x @ mlp.W_in
    if mlp.W_gate is None:
        return _activated(mlp, hidden.add_(mlp.b_in))
    return _activated(mlp, x @ mlp.W_gate).mul_(hidden).add_(mlp.b_in)


def _activated(mlp: MLP, hidden: Tensor) -> Tensor:
    return hidden.relu_() if mlp.act is functional.relu else mlp.act(hidden)


def keep_freed_memory() -> None:
    """Lets what a part frees be there for the next one, on Linux.

    The C library hands freed blocks back to the system, which then has to clear them again, until a
    larger block has once been freed: from then on it keeps blocks of up to that size (`man mallopt`,
    M_MMAP_THRESHOLD; 32 MiB is the most that counts). This one is never touched, so it costs nothing.
    """
    torch.empty(31 * 2**20, dtype=torch.uint8)
