"""Each metric against its definition, example by example."""

import math

import pytest
import torch

from algoscope.interventions.metrics import (
    accuracy,
    accuracy_by_row,
    kl_from_clean,
    kl_from_clean_by_row,
    logit_difference,
    loss,
    loss_by_row,
)


@pytest.fixture
def case():
    generator = torch.Generator().manual_seed(0)
    logits = torch.randn(4, 5, 3, generator=generator)
    return logits, torch.randn(5, 3, generator=generator), torch.randint(3, (5,), generator=generator)


@pytest.fixture
def sets(case):
    """The same logits, where each class says yes or no for itself."""
    labels = torch.rand(5, 3, generator=torch.Generator().manual_seed(1)) < 0.5
    labels[0] = case[0][0, 0] > 0
    return *case[:2], labels


def probabilities(logits):
    odds = [math.exp(x) for x in logits.tolist()]
    return [o / sum(odds) for o in odds]


def chance(logit):
    return 1 / (1 + math.exp(-logit))


def check(metric, by_row, case, by_hand):
    logits, clean, labels = case
    expected = torch.tensor(
        [[by_hand(*each) for each in zip(variant, clean, labels, strict=True)] for variant in logits]
    )
    assert torch.allclose(metric(*case), expected.mean(1), atol=1e-6)
    if by_row is not None:
        assert torch.allclose(by_row(*case), expected, atol=1e-6)


def test_loss_is_the_mean_of_minus_log_the_true_classs_probability(case):
    check(loss, loss_by_row, case, lambda logits, clean, label: -math.log(probabilities(logits)[label]))


def test_accuracy_is_the_share_of_answers_that_are_right(case):
    check(accuracy, accuracy_by_row, case, lambda logits, clean, label: float(int(logits.argmax()) == label))


def test_kl_is_of_the_variant_from_the_clean_run(case):
    def kl(logits, clean, label):
        pairs = zip(probabilities(clean), probabilities(logits), strict=True)
        return sum(p * math.log(p / q) for p, q in pairs)

    check(kl_from_clean, kl_from_clean_by_row, case, kl)


def test_the_logit_difference_is_positive_towards_its_class(case):
    def difference(logits, clean, label):
        return logits[1].item() - (logits[0].item() + logits[2].item()) / 2

    check(logit_difference(towards=1), None, case, difference)


def test_the_loss_of_a_set_adds_up_over_its_classes(sets):
    def surprise(logits, clean, labels):
        pairs = zip(logits.tolist(), labels.tolist(), strict=True)
        return -sum(math.log(chance(logit) if belongs else 1 - chance(logit)) for logit, belongs in pairs)

    check(loss, loss_by_row, sets, surprise)


def test_a_set_is_right_if_every_class_is(sets):
    def right(logits, clean, labels):
        pairs = zip(logits.tolist(), labels.tolist(), strict=True)
        return float(all((logit > 0) == belongs for logit, belongs in pairs))

    check(accuracy, accuracy_by_row, sets, right)
    assert 0 < accuracy(*sets)[0] < 1


def test_the_kl_of_a_set_adds_up_over_its_classes(sets):
    def kl(logits, clean, labels):
        total = 0.0
        for p, q in ((chance(c), chance(v)) for c, v in zip(clean.tolist(), logits.tolist(), strict=True)):
            total += p * math.log(p / q) + (1 - p) * math.log((1 - p) / (1 - q))
        return total

    check(kl_from_clean, kl_from_clean_by_row, sets, kl)
