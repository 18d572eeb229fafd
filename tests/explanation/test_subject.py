"""What a node may be asked, and what the answers say."""

from __future__ import annotations

import torch
from tests.explanation.asked import a_compiled, asked

from algoscope.explanation.places import Node, positions
from algoscope.explanation.rows import rows
from algoscope.explanation.subject import subject


def test_what_a_node_writes_is_tested_on_rows_that_agree():
    here = asked(a_compiled("count-a"), "count of a")
    names = {each.name: number for number, each in enumerate(here.shop.lexicon.concepts)}
    true = here.subject.test(here.stage, (names["how many a so far"],))
    nothing = here.subject.test(here.stage, ())
    assert abs(true.change.kl) < 1e-4
    assert true.change.changed == 0
    assert nothing.change.kl > 1
    assert nothing.carried == 0


def test_where_few_inputs_can_be_told_apart_nothing_is_untried():
    # The first letter is all that a causal head sees there: "the token here" leaves a row no other.
    here = asked(a_compiled("after-marker"), "x so far")
    shop, node = here.shop, Node(here.subject.node.component, positions([1]))
    own = rows(shop.pool, node.place, len(shop.bench))
    at_first = subject(shop.pool, shop.lexicon, node, own, shop.sensitivity[node.component], seed=0)
    names = {each.name: number for number, each in enumerate(here.shop.lexicon.concepts)}
    found = at_first.test(here.stage, (names["the token here"],))
    assert (found.alone, found.untried) == (1, 0)


def test_each_partition_is_offered_once():
    here = asked(a_compiled("first-token"), "first letter")
    partitions = [tuple(each.codes.tolist()) for each in here.subject.singles]
    assert all(each.bits > 0 for each in here.subject.singles)
    firsts = {tuple(torch.tensor(codes).unique(return_inverse=True)[1].tolist()) for codes in partitions}
    assert len(firsts) == len(partitions)
