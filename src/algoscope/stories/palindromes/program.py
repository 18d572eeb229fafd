"""Is the algorithm a small program that predicts the model, its mistakes included?"""

from __future__ import annotations

from dataclasses import dataclass

from jaxtyping import Bool, Float
from torch import Tensor

from algoscope.analysis.accuracy import answer_logits
from algoscope.figures.scatter import two_heads
from algoscope.questions.bound import at_least, at_most
from algoscope.questions.claim import Claim, Finding, all_missing
from algoscope.questions.seen import Seen
from algoscope.questions.study import Illustration, Section, Table
from algoscope.stories.palindromes.mirror_program import Program, broken_pairs, fit_program, predict
from algoscope.stories.palindromes.subject import NO_READING, Subject, pair_name, subject
from algoscope.tasks.palindromes import PAIRS
from algoscope.tasks.task import Examples

FITTED, FRESH = 4000, 6000
DRAWN = 2000

AGREES = Claim(
    "program-agreement", "The program's verdict is the model's.",
    "share of fresh sequences", at_least(0.99),
)  # fmt: skip
BEATS_RULE = Claim(
    "program-beats-rule",
    "The program gives the model's verdict no less often than the task's own rule does.",
    "share of fresh sequences, less the rule's", at_least(0),
)  # fmt: skip
ERRS = Claim(
    "program-agreement-on-mistakes",
    "The program predicts the model's mistakes, of which the rule predicts none.",
    "share of the model's mistakes on fresh sequences", at_least(0.5),
)  # fmt: skip
NEAR = Claim(
    "program-calibration", "The program's probability is near the model's.",
    "mean distance of the probabilities", at_most(0.02),
)  # fmt: skip
UNFITTED = Claim(
    "program-agreement-unfitted",
    "The weights alone give the model's verdicts, with the final norm in place of fitted constants.",
    "share of fresh sequences", at_least(0.99),
)  # fmt: skip
FOOLED = Claim(
    "program-adversarial-agreement", "The program is fooled by what fools the model.",
    "share of the inputs that the guided search found", at_least(0.5),
)  # fmt: skip


@dataclass(frozen=True, eq=False)
class Compared:
    """The program and the model on fresh examples."""

    program: Program
    rule: Bool[Tensor, "batch"]
    """Where the task's rule says that there is no palindrome."""
    said: Float[Tensor, "batch"]
    """The program's log odds of "not palindrome", and the model's."""
    did: Float[Tensor, "batch"]
    unfitted: Float[Tensor, "batch"]
    """What the weights predict without any fitted constant."""

    def agreement(self, verdict: Bool[Tensor, "batch"]) -> float:
        """How often a verdict ("no palindrome") is the model's own."""
        return (verdict == (self.did > 0)).double().mean().item()

    def on_mistakes(self, verdict: Bool[Tensor, "batch"]) -> float | None:
        """The same where the model is wrong; None if it never is."""
        same = (verdict == (self.did > 0))[(self.did > 0) != self.rule].double()
        return same.mean().item() if len(same) else None

    def distance(self, probability: Float[Tensor, "batch"]) -> float:
        """Mean distance of a probability of "not palindrome" from the model's."""
        return (probability - self.did.sigmoid()).abs().mean().item()


def program(seen: Seen) -> Section:
    """Is the algorithm a small program?"""
    own = subject(seen)
    question = "Is the algorithm a small program that predicts the model, its mistakes included?"
    text = (
        "The program knows an input only by which of its ten pairs are broken. For each head of the reading "
        "layer and each position it has two numbers for the matched state and two for the mismatched one: a "
        "score and a push, all computed from the weights on a typical input. A softmax over the scores "
        "weighs the pushes; their sum, times a gain, plus a bias, is the log odds of “not palindrome”. Three "
        "constants are fitted: the sharpness of the softmax, the gain and the bias."
    )
    if own.tables is None:
        missing = all_missing((AGREES, BEATS_RULE, ERRS, NEAR, UNFITTED, FOOLED), NO_READING)
        return Section("program", question, text, missing)
    found = _compared(own)
    fitted = found.program
    constants = (
        f" Fitted: sharpness {fitted.sharpness:.3f}, gain {fitted.gain:.3f}, bias {fitted.bias:.3f}, on "
        f"{FITTED:,} sequences that the task samples; compared on {FRESH:,} others."
    )
    findings = (*_findings(found), _adversarial(own, fitted))
    figures, tables = (_figure(found),), (_baselines(found), _tables(fitted))
    return Section("program", question, text + constants, findings, figures, tables)


def _compared(own: Subject) -> Compared:
    assert own.tables is not None, NO_READING
    fitted, fresh = (own.seen.task.sample(n, own.seed + k) for n, k in ((FITTED, 3), (FRESH, 4)))
    program = fit_program(own.tables, broken_pairs(fitted.concepts["mismatch"]), _odds(own, fitted))
    broken = broken_pairs(fresh.concepts["mismatch"])
    unfitted = predict(own.model, own.tables.readers[0].layer, broken).logit
    return Compared(program, fresh.labels == 0, program.logit(broken), _odds(own, fresh), unfitted)


def _findings(found: Compared) -> tuple[Finding, ...]:
    agreed, rule = found.agreement(found.said > 0), found.agreement(found.rule)
    mistakes = found.on_mistakes(found.said > 0)
    return (
        AGREES.measured(agreed),
        BEATS_RULE.measured(agreed - rule, f"the rule does for {rule:.2%}, the program for {agreed:.2%}"),
        ERRS.missing(f"on these {FRESH:,} fresh sequences the model makes none")
        if mistakes is None
        else ERRS.measured(mistakes),
        NEAR.measured(found.distance(found.said.sigmoid())),
        UNFITTED.measured(found.agreement(found.unfitted > 0)),
    )


def _adversarial(own: Subject, program: Program) -> Finding:
    """What the program says of inputs that were found because they fool the model."""
    fooled = own.fooled
    if not len(fooled):
        return FOOLED.missing(
            f"none of {fooled.tried:,} sequences that the guided search tried fools the model"
        )
    broken = broken_pairs(own.seen.task.concepts(fooled.tokens)["mismatch"])
    # The model is wrong on every one of them, so the program agrees where it is wrong too.
    share = ((program.logit(broken) > 0) != (fooled.examples.labels == 0)).double().mean().item()
    return FOOLED.measured(share, f"of {len(fooled):,} inputs")


def _odds(own: Subject, examples: Examples) -> Float[Tensor, "batch"]:
    logits = answer_logits(own.model, examples).double()
    return logits[:, 0] - logits[:, 1]


def _figure(found: Compared) -> Illustration:
    some = slice(DRAWN)
    kinds = {"not palindrome": found.rule[some].numpy(), "palindrome": (~found.rule)[some].numpy()}
    axes = ("the program's log odds of “not palindrome”", "the model's log odds of “not palindrome”")
    chart = two_heads(found.said[some].numpy(), found.did[some].numpy(), kinds, axes)
    return Illustration(
        chart, f"The program against the model, on {DRAWN:,} fresh sequences. Both say 0 at even odds."
    )


def _baselines(found: Compared) -> Table:
    always = (found.did > 0).double().mean().round()
    verdicts = {
        "the program": (found.said > 0, found.said.sigmoid()),
        "the same, nothing fitted": (found.unfitted > 0, found.unfitted.sigmoid()),
        "the task's rule": (found.rule, found.rule.double()),
        "always the commoner verdict": (
            always.bool().expand_as(found.rule),
            found.did.sigmoid().mean().expand_as(found.did),
        ),
    }
    rows = tuple(
        (name, found.agreement(verdict), found.on_mistakes(verdict), found.distance(sure))
        for name, (verdict, sure) in verdicts.items()
    )
    columns = ("what", "agrees with the model", "on the model's mistakes", "mean distance of probabilities")
    return Table(columns, rows, "The program beside the trivial baselines.")


def _tables(program: Program) -> Table:
    tables, columns = program.tables, ["pair"]
    for reader in tables.readers:
        columns += [f"{reader} score: match", "mismatch", f"{reader} push: match", "mismatch"]
    rows = [
        (
            pair_name(pair),
            *(
                table[state, index, later].item()
                for index in range(len(tables.readers))
                for table in (tables.score, tables.push)
                for state in (0, 1)
            ),
        )
        for pair, (later, _) in enumerate(PAIRS)
    ]
    caption = "The program's tables at the later position of each pair, before the constants."
    return Table(tuple(columns), tuple(rows), caption)
