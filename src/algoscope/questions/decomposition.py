"""What is the answer made of, and may it be taken apart?"""

from __future__ import annotations

from algoscope.analysis.components import embeddings_apart
from algoscope.analysis.linearised import explained
from algoscope.figures.bars import grouped_bars
from algoscope.model.norms import NoNorm
from algoscope.questions.bound import at_least, at_most
from algoscope.questions.claim import Claim, Finding
from algoscope.questions.seen import Seen
from algoscope.questions.study import Illustration, Section

LINEAR = at_least(0.9)

LN_FINAL_R2 = Claim(
    "ln-final-r2",
    "On these examples, the final layer norm acts like one linear map where the answer is read.",
    "share of variance",
    LINEAR,
)
LN_FINAL_R2_BY_ANSWER = Claim(
    "ln-final-r2-by-answer",
    "That one map explains what differs at each place in the order of answers, too.",
    "share of variance",
    LINEAR.each(),
)
MAX_ERROR = Claim(
    "decomposition-max-error",
    "The components and the attention output biases add up to the residual stream.",
    "largest gap, as a share of the stream's largest entry",
    at_most(1e-5, "what rounding explains"),
)
NO_NORM = "the model has no final layer norm: nothing stands between the sum and the logits"


def decomposition(seen: Seen) -> Section:
    """What is the answer made of, and may it be taken apart?"""
    whole = seen.components.resid.abs().max().item()
    parts = len(seen.components.parts)
    check = MAX_ERROR.measured(
        seen.components.max_error / whole if whole else 0.0,
        said=f"{parts} components, at {seen.where}: off by {seen.components.max_error:.2g} of {whole:.3g}",
    )
    return Section(
        "decomposition",
        "What is the answer made of, and may it be taken apart?",
        f"The answer is read from the residual stream at {seen.where}, which is a sum: the embedding, then "
        "what each head and each MLP adds. That sum is exact. A layer norm between it and the logits is not "
        f"linear; over {len(seen.kept):,} examples it is replaced by the linear map that fits it best (least "
        "squares), and the share of variance that the map explains says how far to trust what follows. All "
        "of it is about the weights as stored. Method: ARENA 1.5.1.",
        _norm_findings(seen),
        (_spread(seen),),
        checks=(check,),
    )


def _norm_findings(seen: Seen) -> tuple[Finding, ...]:
    if isinstance(seen.model.ln_final, NoNorm):
        return (LN_FINAL_R2.missing(NO_NORM),)
    pooled = LN_FINAL_R2.measured(seen.fit.r2, said=f"r² is {seen.fit.r2:.3f} at {seen.where}")
    if seen.one_answer:
        return (pooled,)
    numbers = seen.kept.row_number
    each = [
        explained(seen.fit, seen.model.ln_final, seen.components.resid[numbers == number])
        for number in numbers.unique().tolist()
    ]
    said = "; ".join(f"answer {number}: {r2:.3f}" for number, r2 in enumerate(each))
    return (pooled, LN_FINAL_R2_BY_ANSWER.measured([*each], said=said))


def _spread(seen: Seen) -> Illustration:
    """How much of what is read differs from answer to answer, by who wrote it."""
    apart = embeddings_apart(seen.model, seen.kept, seen.kept.answered, seen.components)
    spread = apart.spread
    figure = grouped_bars(
        {"variance": list(spread.values())}, list(map(str, spread)), "variance (share of the whole's)"
    )
    return Illustration(
        figure,
        "How much what each component writes there varies from answer to answer, as a share of how much "
        "their sum varies. What a component writes alike everywhere has no bar; shares add up to 1 only "
        "where no two components agree or cancel.",
    )
