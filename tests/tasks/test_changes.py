from __future__ import annotations

import pytest
import torch

from algoscope.errors import UserError
from algoscope.tasks.brackets import Brackets
from algoscope.tasks.changes import token_changes
from algoscope.tasks.palindromes import Palindromes


@pytest.mark.parametrize("changes", [1, 3])
def test_a_proposal_changes_up_to_so_many_tokens_and_only_among_the_choices(changes):
    tokens = Brackets().sample(200, 0).tokens
    new = token_changes([3, 4], changes)(tokens, torch.Generator().manual_seed(0))
    different = (new != tokens).sum(1)
    assert (different <= changes).all()
    assert different.max() == changes
    if changes == 1:
        assert (different == 1).all()
    assert torch.equal(torch.isin(new, torch.tensor([3, 4])), torch.isin(tokens, torch.tensor([3, 4])))


def test_near_neighbours_are_proposed_beside_far_ones():
    tokens = Brackets().sample(200, 0).tokens
    new = token_changes([3, 4], 2)(tokens, torch.Generator().manual_seed(0))
    assert 60 < int(((new != tokens).sum(1) == 1).sum()) < 140


def test_numbers_are_changed_to_other_numbers():
    tokens = Palindromes().sample(50, 0).tokens
    new = token_changes(range(31))(tokens, torch.Generator().manual_seed(0))
    assert ((new != tokens).sum(1) == 1).all()
    assert (new[:, 0] == tokens[:, 0]).all()
    assert (new[:, 1:-1] < 31).all()


def test_an_input_without_a_place_to_change_stays_as_it_is():
    tokens = torch.tensor([[7, 7, 7]])
    assert torch.equal(token_changes([0, 1], 2)(tokens, torch.Generator().manual_seed(0)), tokens)


def test_nothing_to_change_to_is_an_error():
    with pytest.raises(UserError, match="at least two"):
        token_changes([3])
