"""Does the model do the task, and are its processed weights the same function?"""

from __future__ import annotations

from itertools import pairwise

from torch import Tensor

from algoscope.analysis.accuracy import Score, answer_logits, score
from algoscope.figures.accuracy import error_bars
from algoscope.questions.generic import LEAST_ACCURACY
from algoscope.questions.study import Finding, Illustration, Section, ShownInput
from algoscope.stories.palindromes.subject import OURS, TEXT, Subject
from algoscope.tasks.palindromes import HALF
from algoscope.tasks.task import Examples

LEAST_CHANGE = 1e-4
"""Of a log-probability: ten times what processing changes by rounding, and far below what matters."""
SHOWN = 8
CHANCE = 0.0693
"""A tenth of what an even guess costs, ln 2."""


def performance(subject: Subject) -> Section:
    """Does the model do the task?"""
    published = score(answer_logits(subject.model, subject.published), subject.published)
    sample = score(subject.seen.logits, subject.seen.examples)
    assert published, "there are 500"
    assert sample, "a study has examples"
    findings = (
        _accuracy("accuracy", "on the 500 sequences of the published analysis", published, TEXT),
        Finding(
            "loss",
            "On the published 500 sequences the model is sure of its answers: its mean cross-entropy is at "
            "most a tenth of an even guess's.",
            published.loss,
            "nats",
            f"at most {CHANCE}: a tenth of ln 2",
            published.loss <= CHANCE,
            TEXT,
        ),
        _accuracy("sample-accuracy", "on the examples of this study", sample, OURS),
        Finding(
            "sample-loss",
            "It is as sure on the examples of this study.",
            sample.loss,
            "nats",
            f"at most {CHANCE}: a tenth of ln 2",
            sample.loss <= CHANCE,
            OURS,
        ),
        *(_by_class(subject, index) for index in (0, 1)),
    )
    return Section(
        "accuracy",
        "Does the model do the task?",
        "The published analysis measures the model on 500 sequences. In half of them each number of the "
        "second half is kept or replaced by the toss of a coin, so a sequence with a single fault is rare: "
        "one in a hundred of those that are no palindromes. The sampler of this study breaks 1 to 10 pairs, "
        "each number of pairs as often, and so asks harder questions. The sequences below are the first of "
        "the published ones, with the numbers that differ from their mirror images marked.",
        findings,
        _error_figure(subject),
        inputs=shown(subject, subject.small[:SHOWN]),
    )


def processing(subject: Subject) -> Section:
    """Is the model with processed weights the same function?"""
    change = max(_change(subject, examples) for examples in (subject.published, subject.seen.examples))
    name, largest = max(_leftovers(subject).items(), key=lambda entry: entry[1])
    return Section(
        "processing",
        "May the weights be put into a plainer form?",
        "All that follows reads weights, so they are first put into a form in which they mean something by "
        "themselves: what is written to the residual stream is centred, the unembedding is centred over the "
        "two classes, each layer norm's scale and shift are folded into the weights that read it, and value "
        "biases are moved into output biases. None of it may change what the model says.",
        (
            Finding(
                "processing-max-change",
                "Processing the weights leaves every log-probability at END as it was.",
                change,
                "largest change",
                f"at most {LEAST_CHANGE:g}, which rounding explains",
                change <= LEAST_CHANGE,
                TEXT,
            ),
            Finding(
                "processing-leftover",
                "What the processing takes out of the weights is gone: means over the residual stream and "
                f"over classes, value biases. The largest that is left is {name}.",
                largest,
                "largest absolute value",
                "at most 1e-06",
                largest <= 1e-6,
                TEXT,
            ),
        ),
    )


def shown(subject: Subject, examples: Examples) -> tuple[ShownInput, ...]:
    """Inputs with their faults marked, and the probability that the model gives to a palindrome."""
    probability = answer_logits(subject.model, examples).softmax(-1)[:, 1].tolist()
    return tuple(
        ShownInput(
            subject.seen.task.show(tokens),
            f"{subject.seen.task.classes[label]}; P(palindrome) = {sure:.6f}",
        )
        for tokens, label, sure in zip(examples.tokens, examples.labels.tolist(), probability, strict=True)
    )


def _accuracy(identity: str, where: str, found: Score, source: str) -> Finding:
    return Finding(
        identity,
        f"The model gives the right answer {where}: {found.right:,} of {found.count:,} times.",
        found.accuracy,
        "share of answers",
        f"at least {LEAST_ACCURACY:g}",
        found.accuracy >= LEAST_ACCURACY,
        source,
    )


def _by_class(subject: Subject, index: int) -> Finding:
    name = subject.seen.task.classes[index]
    rows = subject.seen.examples.labels == index
    found = score(subject.seen.logits[rows], subject.seen.examples[rows])
    identity = f"accuracy-{name.replace(' ', '-')}"
    if found is None:
        expected, reason = f"at least {LEAST_ACCURACY:g}", "there is no such example"
        claim = f"The model is right about sequences of the kind “{name}”."
        return Finding(identity, claim, None, "share of answers", expected, None, OURS, reason)
    return _accuracy(identity, f"to examples of this study of the kind “{name}”", found, OURS)


def _error_figure(subject: Subject) -> tuple[Illustration, ...]:
    """Wrong answers by the number of mismatched pairs."""
    mismatches, wrong, counts = subject.seen.examples.concepts["n_mismatches"], {}, {}
    for low, high in pairwise((0, 1, 2, 3, 6, HALF + 1)):
        rows = (mismatches >= low) & (mismatches < high)
        found = score(subject.seen.logits[rows], subject.seen.examples[rows])
        if found is not None:
            name = {0: "palindrome", 1: "1 mismatch"}.get(low, f"{low} to {high - 1} mismatches")
            name = name.replace("2 to 2", "2")
            wrong[name], counts[name] = 1 - found.accuracy, found.count
    caption = "The share of wrong answers on the study's examples, by how many mirrored pairs differ."
    return (Illustration(error_bars(wrong, counts), caption),)


def _change(subject: Subject, examples: Examples) -> float:
    before, after = (answer_logits(model, examples) for model in (subject.raw, subject.model))
    return (before.log_softmax(-1) - after.log_softmax(-1)).abs().max().item()


def _leftovers(subject: Subject) -> dict[str, float]:
    """What processing makes zero, each with its largest absolute value."""
    model = subject.model

    def largest(values: Tensor) -> float:
        return values.detach().abs().max().item()

    found = {
        "the mean of W_U over classes": largest(model.W_U.mean(1)),
        "the value biases": largest(model.b_V),
    }
    if model.config.normalization_type == "none":
        return found
    written = {"W_E": model.W_E, "W_pos": model.W_pos, "W_O": model.W_O, "b_O": model.b_O}
    found |= {f"the mean of {name}": largest(values.mean(-1)) for name, values in written.items()}
    read = {"W_U": model.W_U, "W_Q": model.W_Q, "W_K": model.W_K, "W_V": model.W_V}
    return found | {f"the mean of {name} over its input": largest(v.mean(-2)) for name, v in read.items()}
