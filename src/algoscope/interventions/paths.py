"""Edges: one receiver gets something else of a sender, while every other reader of the stream does not.

Path patching (Wang et al. 2022; Goldowsky-Dill et al. 2023) along a single edge. Edges act together as the
computation goes: each takes the place of what its sender writes in that very run.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import ClassVar, get_args

from jaxtyping import Float
from torch import Tensor

from algoscope.errors import UserError
from algoscope.interventions.edits import selected
from algoscope.interventions.intervention import Intervention, Place
from algoscope.interventions.runs import Runs
from algoscope.interventions.selection import Selection
from algoscope.interventions.sources import Frozen, Source
from algoscope.model.component import ANSWER, POSITION, TOKEN, Component, Input, Kind, heads_and_mlps
from algoscope.model.config import Config
from algoscope.model.sites import Site, sites


@dataclass(frozen=True, eq=False)
class Carried(Source):
    """What a sender would write with the values of `source` at its site, less what it writes.

    Added to what the receiver reads, for which `path_patch` knows the site.
    """

    sender: Component
    receiver: Component
    input: Input
    source: Source
    adds: ClassVar[bool] = True

    @property
    def label(self) -> str:
        return self.source.label

    @property
    def columns(self) -> Mapping[str, object]:
        return {"sender": self.sender, "receiver": self.receiver, "input": self.input}

    @property
    def instead_of(self) -> Component | None:
        # What is added to a sender's output is the same whatever that is.
        return None if self.source.adds else self.sender

    def parts(self, site: Site, available: Mapping[str, Site]) -> Sequence[tuple[Source, Site]]:
        there = available[self.sender.site]
        return [(self.source, there), (Frozen(), there)]

    def given(self, site: Site, rows: slice, runs: Runs) -> Tensor:
        key = (type(self), self.sender, self.source.key)
        moved = runs.once(key, rows, lambda: self._moved(rows, runs))
        return moved.unsqueeze(2) if "head" in site.axes else moved

    def _moved(self, rows: slice, runs: Runs) -> Float[Tensor, "batch seq d_model"]:
        """By how much the sender's output moves from what it writes in the clean run."""
        site, head = runs.model.sites[self.sender.site], self.sender.head
        where = (None, None) if head is None else (None, (head.index,), None)
        new = runs.values(self.source, site, rows).to(runs.model.W_E)
        new = selected(new, Place(site, where), rows, runs) if new.ndim else new
        clean = runs.values(Frozen(), site, rows)
        clean = clean if head is None else clean[:, :, head.index].unsqueeze(2)
        step = new.expand_as(clean) if self.source.adds else new - clean
        if head is None:
            return step
        return step[:, :, 0] @ runs.model.block(head.layer).attn.W_O[head.index]


def path_patch(
    config: Config,
    sender: Component,
    receiver: Component,
    source: Source,
    input: Input = "in",
    position: Selection = None,
) -> Intervention:
    """The edge from a sender to an input of a receiver, carrying what `source` gives at the sender's site.

    A head's "in" is all that it reads. `FromRun(others)` is path patching; `Mean()` and `Zero()` ablate the
    edge. `position` is where the receiver reads. The norm of what it reads is computed anew;
    `frozen_norms` beside it holds it. Raises UserError for an edge that the model does not have.

    >>> from algoscope.interventions.sources import Mean
    >>> sizes = {"d_model": 4, "n_heads": 2, "d_head": 2, "n_ctx": 4, "d_vocab": 3, "d_vocab_out": 2}
    >>> config = Config(n_layers=2, attention_dir="causal", **sizes)
    >>> path_patch(config, Component.parse("0.1"), Component.parse("1.0"), Mean(), "k").site
    'blocks.1.hook_k_input'
    """
    _check(config, sender, receiver, input)
    last, layer = f"blocks.{config.n_layers - 1}", f"blocks.{receiver.layer}"
    head = None if receiver.head is None else receiver.head.index
    if receiver.kind is Kind.ANSWER:
        site = f"{last}.hook_resid_post"
    elif receiver.kind is Kind.MLP:
        site = f"{layer}.hook_mlp_in"
    else:
        site = f"{layer}.hook_attn_in" if input == "in" else f"{layer}.hook_{input}_input"
    return Intervention(site, Carried(sender, receiver, input, source), head=head, position=position)


def edges(config: Config, source: Source, position: Selection = None) -> list[Intervention]:
    """Every edge of the model, receiver by receiver; the queries, keys and values of a head apart."""
    senders = (TOKEN, POSITION, *heads_and_mlps(config))
    return [
        path_patch(config, sender, receiver, source, letter, position)
        for receiver in (*heads_and_mlps(config), ANSWER)
        for letter in (("q", "k", "v") if receiver.kind is Kind.HEAD else ("in",))
        for sender in senders
        if receiver.reads(sender)
    ]


def frozen_norms(config: Config) -> tuple[Intervention, ...]:
    """What holds the scale of every norm where it is without interventions; nothing in a model without.

    Beside an edge: `(path_patch(...), *frozen_norms(config))`. What is frozen before the edge costs nothing.
    """
    return tuple(Intervention(name, Frozen()) for name in sites(config) if name.endswith(".hook_scale"))


def _check(config: Config, sender: Component, receiver: Component, input: Input) -> None:
    sender.check(config)
    receiver.check(config)
    if sender.kind is Kind.EMBEDDING:
        raise UserError("the embedding is two senders: give an edge from the token and one from the position")
    if receiver.kind not in (Kind.HEAD, Kind.MLP, Kind.ANSWER):
        raise UserError(f"{receiver.words} reads nothing: an edge goes to a head, an MLP, or the answer")
    if not receiver.reads(sender):
        raise UserError(f"{receiver.words} reads before {sender.words} writes: give a later receiver")
    if input not in get_args(Input) or (input != "in" and receiver.kind is not Kind.HEAD):
        have = ", ".join(get_args(Input)) if receiver.kind is Kind.HEAD else "in"
        raise UserError(f"{receiver.words} has no input {input!r}: choose from {have}")
