from __future__ import annotations

from types import SimpleNamespace

import pytest
import torch

from algoscope.model.head import Head
from algoscope.stories.brackets.tally_attention import _even, _patterns

START, FIRST, LAST, END = 0, 1, 40, 41


@pytest.mark.parametrize(
    ("position", "times"), [(START, 1), (FIRST, 3), (20, 3), (LAST, 3), (END, 1)], ids=str
)
def test_how_even_it_is_is_judged_over_all_forty_brackets_and_nothing_else(position, times):
    """Head 0.1 gives one position three times as much as any other; head 0.0 is even."""
    patched = torch.ones(2, 42)
    patched[1, position] = 3.0
    patched /= patched.sum(1, keepdim=True)
    uniform, exactly = _even(patched, Head(0, 1), SimpleNamespace(read=1))
    assert exactly.value == pytest.approx(times)
    assert exactly.verdict == ("holds" if times == 1 else "refuted")
    # 41 shares of 1/44 and one of 3/44, over the logarithm of 42.
    entropy = (torch.tensor(44.0).log() - 3 / 44 * torch.tensor(3.0).log()) / torch.tensor(42.0).log()
    assert uniform.value == pytest.approx(entropy.item(), abs=1e-5)


def test_the_heads_that_are_drawn_are_those_of_the_tally_heads_layer(models):
    """A model of three layers of two heads; each pattern is its head's index."""
    pattern = torch.arange(2.0)[:, None, None].expand(2, 42, 42)
    figure = _patterns(SimpleNamespace(model=models["ideal"]()), Head(1, 0), {"“(”": pattern}).figure
    assert [title.text for title in figure.layout.annotations] == [
        "head 1.0, query “(”",
        "head 1.1, query “(”",
    ]
    assert [trace.z.mean() for trace in figure.data] == [0, 1]
