"""Are the processed weights, which the text works on, the same function?"""

from __future__ import annotations

from algoscope.analysis.accuracy import answer_logits
from algoscope.questions.bound import at_most
from algoscope.questions.claim import Claim
from algoscope.questions.seen import Seen
from algoscope.questions.study import Section
from algoscope.stories.palindromes.subject import shown, subject

SHOWN = 5

CHANGE = Claim(
    "processing-max-change", "Processing the weights leaves every log-probability at END as it was.",
    "largest change, as a share of the largest log-probability", at_most(1e-5, "rounding explains so much"),
)  # fmt: skip


def processing(seen: Seen) -> Section:
    """Is the model with processed weights the same function?"""
    own = subject(seen)
    before, after = (answer_logits(model, own.examples) for model in (seen.model, own.model))
    change = (before.log_softmax(-1) - after.log_softmax(-1)).abs().max().item()
    largest = before.log_softmax(-1).abs().max().item()
    return Section(
        "processing",
        "May the weights be put into a plainer form?",
        "What follows reads weights, so they are first put into a form in which they mean something by "
        "themselves: what is written to the residual stream is centred, the unembedding is centred over the "
        "two classes, each layer norm's scale and shift are folded into the weights that read it, and value "
        "biases are moved into output biases. None of it may change what the model says. The sequences "
        "below are the first examples, with the numbers marked that differ from their mirror images and "
        "the probability that the model gives to a palindrome.",
        checks=(CHANGE.measured(change / largest, f"{change:.1e}"),),
        inputs=shown(own, own.examples[:SHOWN]),
    )
