"""Has the token here been there before, how often, and what stood beside it then?"""

from __future__ import annotations

from collections.abc import Callable

import torch

from algoscope.explanation.concepts import Codes, Concept, Sees
from algoscope.explanation.inputs import Inputs
from algoscope.explanation.library.alike import Alike
from algoscope.explanation.library.derived import remainders
from algoscope.explanation.library.parts import is_anchor
from algoscope.explanation.library.scope import UNSEEN, Scope

Of = Callable[[Inputs], Codes]


def repeats(scope: Scope) -> list[Concept]:
    """Every concept about other places with the token that is here."""
    run = Concept("how often the token here has come in a row", _run, numeric=True)
    return [
        run,
        *remainders(run, (2, 3)),
        Concept("the token before this row of equal ones", _before_run),
        Concept("whether the token here stood before", _stood_before),
        Concept("whether one place back is the first letter of its kind", _new_one_back, depth=2),
        Concept("how far back the token here stood before", _distance, numeric=True),
        Concept("how many different letters so far", _different, numeric=True),
        *_times(scope),
        *_beside(),
        *_frequent(scope),
    ]


def _run(inputs: Inputs) -> Codes:
    """1 at the first of a row of equal tokens."""
    return inputs.place - _run_start(inputs) + 1


def _run_start(inputs: Inputs) -> Codes:
    changed = torch.ones_like(inputs.tokens, dtype=torch.bool)
    changed[:, 1:] = inputs.tokens[:, 1:] != inputs.tokens[:, :-1]
    return torch.where(changed, inputs.place, 0).cummax(1).values


def _before_run(inputs: Inputs) -> Codes:
    return inputs.at(_run_start(inputs) - 1)


def _stood_before(inputs: Inputs) -> Codes:
    return (Alike.of(inputs).previous() >= 0).long()


def _new_letter(inputs: Inputs) -> Codes:
    return ((Alike.of(inputs).previous() < 0) & inputs.letter).long()


def _new_one_back(inputs: Inputs) -> Codes:
    return torch.nn.functional.pad(_new_letter(inputs)[:, :-1], (1, 0))


def _distance(inputs: Inputs) -> Codes:
    latest = Alike.of(inputs).previous()
    return torch.where(latest >= 0, inputs.place - latest, UNSEEN)


def _different(inputs: Inputs) -> Codes:
    return _new_letter(inputs).cumsum(1)


def _times(scope: Scope) -> list[Concept]:
    """How often the token here stands in what has been seen, in each part of it, in all."""

    def in_part(part: int) -> Of:
        return lambda inputs: Alike.of(inputs).so_far(inputs.segment == part)

    name = "how many times the token here stands"
    found = [Concept(f"{name} so far", lambda inputs: Alike.of(inputs).so_far(inputs.real), numeric=True)]
    if len(scope.parts) > 1:
        found += [
            Concept(f"{name} so far in {scope.part(part)}", in_part(part), numeric=True)
            for part in scope.parts
        ]
    if scope.language.causal:
        return found
    in_all = Concept(
        f"{name} in all", lambda inputs: Alike.of(inputs).in_all(inputs.real), Sees.ANYWHERE, numeric=True
    )
    return [*found, in_all]


def _beside() -> list[Concept]:
    """What a head finds that looks for earlier places like this one."""
    return [
        Concept(f"the token {beside} the {which} earlier one like here{words}", of(shift), depth=2)
        for which, of, words in (
            ("latest", _latest, ""),
            ("first", _first, ""),
            ("latest", _latest_anchors_alike, ", all anchors being alike"),
        )
        for beside, shift in (("behind", 1), ("before", -1))
    ]


def _latest(shift: int) -> Of:
    return lambda inputs: _at(inputs, Alike.of(inputs).previous(), shift)


def _first(shift: int) -> Of:
    def of(inputs: Inputs) -> Codes:
        first = Alike.of(inputs).first()
        return _at(inputs, torch.where(first < inputs.place, first, UNSEEN), shift)

    return of


def _latest_anchors_alike(shift: int) -> Of:
    """So that at a separator, where nothing was yet copied, it is the token beside the start."""

    def of(inputs: Inputs) -> Codes:
        kinds = torch.where(is_anchor(inputs), inputs.language.size, inputs.tokens)
        return _at(inputs, Alike(kinds).previous(), shift)

    return of


def _at(inputs: Inputs, places: Codes, shift: int) -> Codes:
    """The token beside a place; UNSEEN where there is no place."""
    return torch.where(places >= 0, inputs.at(places + shift), UNSEEN)


def _frequent(scope: Scope) -> list[Concept]:
    found = [Concept("the letter that was first to come most often so far", _leader)]
    if scope.few:
        found.append(Concept("the most frequent letter so far, of several the first", _mode(scope.few)))
    if scope.few and not scope.language.causal:
        name = "the most frequent letter in all, of several the first"
        mode = _mode(scope.few)
        found.append(
            Concept(name, lambda inputs: mode(inputs)[:, -1:].expand(inputs.tokens.shape), Sees.ANYWHERE)
        )
    return found


def _leader(inputs: Inputs) -> Codes:
    """The letter whose number was the first to reach the highest number so far."""
    seq = inputs.tokens.shape[1]
    times = torch.where(inputs.letter, Alike.of(inputs).so_far(inputs.letter), 0)
    # The earlier of two places with one number of times counts as more.
    best = (times * seq + seq - 1 - inputs.place).cummax(1).values
    found = inputs.tokens.gather(1, seq - 1 - best % seq)
    return torch.where(best >= seq, found, UNSEEN)


def _mode(few: tuple[int, ...]) -> Of:
    """In the order of the vocabulary, the first of the letters that have come most often."""

    def of(inputs: Inputs) -> Codes:
        best = torch.zeros_like(inputs.tokens)
        mode = torch.full_like(inputs.tokens, UNSEEN)
        for letter in few:
            count = (inputs.tokens == letter).long().cumsum(1)
            mode = torch.where(count > best, letter, mode)
            best = torch.maximum(count, best)
        return mode

    return of
