"""Is the algorithm a small program that predicts the model, its mistakes included?"""

from __future__ import annotations

from dataclasses import dataclass

from jaxtyping import Float
from torch import Tensor

from algoscope.analysis.accuracy import answer_logits
from algoscope.figures.scatter import two_heads
from algoscope.questions.study import Finding, Illustration, Section, Table
from algoscope.questions.tested import Claim
from algoscope.stories.palindromes.mirror_program import Program, broken_pairs, fit_program, predict
from algoscope.stories.palindromes.subject import NO_READING, Subject
from algoscope.tasks.palindromes import PAIRS
from algoscope.tasks.task import Examples

AGREE = 0.99
MISTAKES = 0.5
CALIBRATED = 0.02
FITTED, FRESH = 4000, 6000

AGREES = Claim(
    "program-agreement",
    "The program's verdict is the model's, and more often than the task's own rule is.",
    "share",
    f"at least {AGREE:g}, and no less than the task's rule",
)
ERRS = Claim(
    "program-agreement-on-mistakes",
    "The program predicts the model's mistakes.",
    "share of the model's mistakes",
    f"at least {MISTAKES:g}; the rule predicts none",
)
NEAR = Claim(
    "program-calibration",
    "The program's probability is near the model's.",
    "mean distance of the probabilities",
    f"at most {CALIBRATED:g}",
)
UNFITTED = Claim(
    "program-agreement-unfitted",
    "The weights alone give the model's verdicts, with the final norm in place of fitted constants.",
    "share",
    f"at least {AGREE:g}",
)
FOOLED = Claim(
    "program-adversarial-agreement",
    "The program is fooled by what fools the model.",
    "share of the inputs that a search found",
    f"at least {MISTAKES:g}",
)


@dataclass(frozen=True)
class Compared:
    """The program and the model on fresh examples."""

    program: Program
    examples: Examples
    said: Float[Tensor, "batch"]
    """The program's log odds of "not palindrome", and the model's."""
    did: Float[Tensor, "batch"]
    unfitted: Float[Tensor, "batch"]
    """What the weights predict without any fitted constant."""

    def agreement(self, verdict: Tensor) -> float:
        """How often a verdict ("no palindrome") is the model's own."""
        return (verdict == (self.did > 0)).double().mean().item()

    def on_mistakes(self, verdict: Tensor) -> float | None:
        """The same where the model is wrong; None if it never is."""
        same = (verdict == (self.did > 0))[self.mistaken].double()
        return same.mean().item() if len(same) else None

    def distance(self, probability: Tensor) -> float:
        """Mean distance of a probability of "not palindrome" from the model's."""
        return (probability - self.did.sigmoid()).abs().mean().item()

    @property
    def rule(self) -> Tensor:
        return self.examples.labels == 0

    @property
    def mistaken(self) -> Tensor:
        """Where the model is wrong."""
        return (self.did > 0) != self.rule


def program(subject: Subject) -> Section:
    """Is the algorithm a small program?"""
    question = "Is the algorithm a small program that predicts the model, its mistakes included?"
    if subject.tables is None:
        claims = (AGREES, ERRS, NEAR, UNFITTED, FOOLED)
        return Section("program", question, _TEXT, tuple(claim.missing(NO_READING) for claim in claims))
    fitted = subject.seen.task.sample(FITTED, subject.seed + 3)
    fresh = subject.seen.task.sample(FRESH, subject.seed + 4)
    found = fit_program(subject.tables, broken_pairs(fitted.concepts["mismatch"]), _odds(subject, fitted))
    broken = broken_pairs(fresh.concepts["mismatch"])
    unfitted = predict(subject.model, subject.tables.readers[0].layer, broken).logit
    compared = Compared(found, fresh, found.logit(broken), _odds(subject, fresh), unfitted)
    constants = (
        f"Fitted: sharpness {found.sharpness:.3f}, gain {found.gain:.3f}, bias {found.bias:.3f}, on "
        f"{FITTED:,} sequences; compared on {FRESH:,} others."
    )
    return Section(
        "program",
        question,
        f"{_TEXT} {constants}",
        (*_findings(compared), _adversarial(subject, found)),
        (_figure(compared),),
        (_baselines(compared), _tables(found)),
    )


_TEXT = (
    "The program knows an input only by which of its ten pairs are broken. For each head of the reading "
    "layer and each position it has two numbers for the matched state and two for the mismatched one: a "
    "score and a push, all computed from the weights on a typical input. A softmax over the scores weighs "
    "the pushes; their sum, times a gain, plus a bias, is the log odds of “not palindrome”. Three "
    "constants are fitted: the sharpness of the softmax, the gain and the bias."
)


def _findings(found: Compared) -> tuple[Finding, ...]:
    agreed, rule = found.agreement(found.said > 0), found.agreement(found.rule)
    unfitted = found.agreement(found.unfitted > 0)
    mistakes = found.on_mistakes(found.said > 0)
    distance = found.distance(found.said.sigmoid())
    none = f"the model makes no mistake on {FRESH:,} sequences"
    return (
        AGREES.found(
            agreed,
            agreed >= max(AGREE, rule),
            f"{AGREES.claim} The rule agrees with the model {rule:.2%} of the time.",
        ),
        ERRS.missing(none) if mistakes is None else ERRS.found(mistakes, mistakes >= MISTAKES),
        NEAR.found(distance, distance <= CALIBRATED),
        UNFITTED.found(unfitted, unfitted >= AGREE),
    )


def _adversarial(subject: Subject, found: Program) -> Finding:
    """What the program says of inputs that were found because they fool the model."""
    fooled = subject.fooled
    if not len(fooled):
        return FOOLED.missing(f"no input was found that fools the model, of {fooled.tried:,} tried")
    broken = broken_pairs(subject.seen.task.concepts(fooled.tokens)["mismatch"])
    # The model is wrong on every one of them, so the program agrees where it is wrong too.
    share = ((found.logit(broken) > 0) != (fooled.labels == 0)).double().mean().item()
    return FOOLED.found(share, share >= MISTAKES)


def _odds(subject: Subject, examples: Examples) -> Float[Tensor, "batch"]:
    logits = answer_logits(subject.model, examples).double()
    return logits[:, 0] - logits[:, 1]


def _figure(found: Compared) -> Illustration:
    some = slice(2000)
    chart = two_heads(
        found.said[some].numpy(),
        found.did[some].numpy(),
        {
            "not palindrome": found.rule[some].numpy(),
            "palindrome": (~found.rule)[some].numpy(),
        },
        ("the program's log odds of “not palindrome”", "the model's"),
    )
    return Illustration(
        chart, "The program against the model, on 2,000 fresh sequences. Both say 0 at even odds."
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


def _tables(found: Program) -> Table:
    tables = found.tables
    columns = ["pair"]
    for reader in tables.readers:
        columns += [f"{reader} score: match", "mismatch", f"{reader} push: match", "mismatch"]
    rows = []
    for later, earlier in PAIRS:
        cells: list[str | float] = [f"{later}–{earlier}"]
        for index in range(len(tables.readers)):
            cells += [
                table[state, index, later].item() for table in (tables.score, tables.push) for state in (0, 1)
            ]
        rows.append(tuple(cells))
    caption = "The program's tables at the later position of each pair, before the constants."
    return Table(tuple(columns), tuple(rows), caption)
