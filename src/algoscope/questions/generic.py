"""Questions that can be asked of any task's model."""

from __future__ import annotations

import math
import re

from algoscope.analysis.accuracy import Score, score, score_by_group
from algoscope.analysis.attribution import histograms
from algoscope.figures.accuracy import error_bars
from algoscope.figures.histograms import contribution_histograms
from algoscope.model.layers import NoNorm
from algoscope.questions.roles import EXPECTED, strongest_head
from algoscope.questions.seen import Observed
from algoscope.questions.study import Finding, Illustration, Section

LEAST_ACCURACY = 0.99
LEAST_R2 = 0.9
ROUNDING = 1e-5
"""The largest gap that float32 explains, as a share of the largest entry of the residual stream."""


def questions(seen: Observed, seed: int) -> tuple[Section, ...]:
    """The study of a task that has none of its own."""
    return accuracy(seen), decomposition(seen), contributions(seen)


def accuracy(seen: Observed, source: str = "algoscope") -> Section:
    """Does the model do the task, on every kind of input?"""
    overall = score(seen.logits, seen.examples)
    assert overall is not None, "there is an example"
    by_group = score_by_group(seen.logits, seen.examples, seen.groups)
    findings = [
        _accuracy("accuracy", "", overall, source),
        *(
            _accuracy(f"accuracy-{slug}", f" to inputs of the kind “{name}”", by_group[name], source)
            for name, slug in slugs(tuple(by_group)).items()
        ),
        _loss(overall, len(seen.task.classes), source),
    ]
    present = {name: found for name, found in by_group.items() if found is not None}
    chart = error_bars(
        {name: 1 - found.accuracy for name, found in present.items()},
        {name: found.count for name, found in present.items()},
    )
    return Section(
        "accuracy",
        "Does the model do the task, on every kind of input?",
        f"The model answers {len(seen.examples):,} examples, and its answer, the class with the highest "
        f"logit at {seen.where}, is compared with the one that the task's rule gives. One number for all "
        "inputs can hide a kind on which the model fails, so each kind is counted on its own.",
        tuple(findings),
        (Illustration(chart, "The share of wrong answers for each kind of input, with how many there are."),),
    )


def decomposition(seen: Observed, source: str = "algoscope") -> Section:
    """What is the answer read from, and may it be taken apart linearly?"""
    error, largest = seen.components.max_error, seen.components.resid.abs().max().item()
    count = len(seen.components.names)
    return Section(
        "decomposition",
        "What is the answer made of, and may it be taken apart?",
        "The answer is read from the residual stream, which is a sum: the embedding, then what each head "
        "and each MLP adds. That sum is exact. A layer norm stands between it and the logits and is not "
        "linear; over these examples it is replaced by the linear map that fits it best (least squares), "
        "and the share of variance that the map explains says how far to trust what follows. Method: "
        "ARENA 1.5.1.",
        (
            Finding(
                "ln-final-r2",
                f"On these examples, the final layer norm at {seen.where} acts like one linear map.",
                seen.fit.r2,
                "share of variance",
                f"at least {LEAST_R2:g}",
                seen.fit.r2 >= LEAST_R2,
                source,
                "the model has no final layer norm" if isinstance(seen.model.ln_final, NoNorm) else "",
            ),
            Finding(
                "decomposition-max-error",
                f"The {count} components and the attention output biases add up to the residual stream at "
                f"{seen.where}.",
                error,
                "largest gap in any coordinate",
                f"at most {ROUNDING * largest:.2g}: {ROUNDING:g} of the stream's largest entry, which "
                "rounding explains",
                error <= ROUNDING * largest,
                source,
            ),
        ),
    )


def contributions(seen: Observed) -> Section:
    """Which component decides?"""
    if len(seen.task.classes) == 2:
        kind, other = seen.task.classes
        rows, aim = seen.examples.labels.flatten() == 0, f"“{kind}” as against “{other}”"
        zero = f"Zero is the mean over inputs whose answer is “{other}”."
    else:
        kind, aim = "every class", "the true class as against the mean of the others"
        rows = seen.examples.labels.flatten() >= 0
        zero = "Zero is what a component would contribute if it wrote its mean on every input."
    role = strongest_head(seen.pushed, rows, kind)
    claim = "One head pushes the answer further than the other heads, and far enough to call it decisive."
    if role.head:
        claim = (
            f"Head {role.head} decides most: it pushes the answer towards {aim} by {role.push:.2f} logits."
        )
    finding = Finding(
        "decisive-head",
        claim,
        role.head,
        "head",
        EXPECTED,
        None if role.push is None else role.head is not None,
        "algoscope",
        role.reason,
    )
    text = (
        f"Each component's output at {seen.where} is measured along the direction that speaks for {aim}, "
        f"brought in front of the final norm by the linear map. {zero} A component whose histogram separates "
        "the kinds of input takes part in the decision."
    )
    return Section("contributions", "Which component decides?", text, (finding,), contribution_figures(seen))


def contribution_figures(seen: Observed) -> tuple[Illustration, ...]:
    """The spread of every component's contribution by group; none if there are no contributions."""
    if seen.pushed is None:
        return ()
    config = seen.model.config
    # A row per layer where that fits; beyond five panels a row, their labels would touch.
    columns = min(max(2, config.n_heads + (1 if config.d_mlp else 0)), 5)
    panels = contribution_histograms(histograms(seen.pushed, seen.row_groups), columns)
    caption = (
        f"What each component contributes towards “{seen.pushed.towards}”, in logits: the embedding, then "
        "layer by layer. Each line is the share of one kind of input; the height of each panel is its own."
    )
    return (Illustration(panels, caption),)


def slugs(names: tuple[str, ...]) -> dict[str, str]:
    """A kebab-case word for each name, for ids; names that would share one are numbered instead."""
    words = [re.sub(r"[^a-z0-9]+", "-", name.lower()).strip("-") for name in names]
    return {
        name: word if word and words.count(word) == 1 else f"class-{index}"
        for index, (name, word) in enumerate(zip(names, words, strict=True))
    }


def _accuracy(identity: str, to: str, found: Score | None, source: str) -> Finding:
    expected, unit = f"at least {LEAST_ACCURACY:g}", "share of answers"
    if found is None:
        claim, reason = f"The model gives the right answer{to}.", "there is no such example"
        return Finding(identity, claim, None, unit, expected, None, source, reason)
    claim = f"The model gives the right answer{to}: {found.right:,} of {found.count:,} times."
    return Finding(identity, claim, found.accuracy, unit, expected, found.accuracy >= LEAST_ACCURACY, source)


def _loss(found: Score, classes: int, source: str) -> Finding:
    guessing = math.log(classes)
    claim = "The model is sure of its answers: its mean cross-entropy is a tenth of an even guess's, or less."
    expected = f"at most {guessing / 10:.3g}: a tenth of ln {classes}"
    return Finding("loss", claim, found.loss, "nats", expected, found.loss <= guessing / 10, source)
