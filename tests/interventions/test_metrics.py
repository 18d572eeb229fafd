"""Each metric against its definition, example by example."""

import math

import pytest
import torch

from algoscope.interventions.metrics import accuracy, kl_from_clean, logit_difference, loss


@pytest.fixture(params=[(), (2,)], ids=["one answer", "several answers"])
def case(request):
    generator = torch.Generator().manual_seed(0)
    logits = torch.randn(4, 5, *request.param, 3, generator=generator)
    clean = torch.randn(5, *request.param, 3, generator=generator)
    return logits, clean, torch.randint(3, (5, *request.param), generator=generator)


def probabilities(logits):
    odds = [math.exp(x) for x in logits.tolist()]
    return [o / sum(odds) for o in odds]


def answers(logits, clean, labels):
    """One list of (logits, clean, label) for each variant."""
    flat = logits.flatten(1, -2)
    return [list(zip(row, clean.flatten(0, -2), labels.flatten().tolist(), strict=True)) for row in flat]


def check(metric, case, by_hand):
    expected = [sum(by_hand(*answer) for answer in row) / len(row) for row in answers(*case)]
    assert torch.allclose(metric(*case), torch.tensor(expected), atol=1e-6)


def test_loss_is_the_mean_of_minus_log_the_true_classs_probability(case):
    check(loss, case, lambda logits, clean, label: -math.log(probabilities(logits)[label]))


def test_accuracy_is_the_share_of_answers_that_are_right(case):
    check(accuracy, case, lambda logits, clean, label: float(int(logits.argmax()) == label))


def test_kl_is_of_the_variant_from_the_clean_run(case):
    def kl(logits, clean, label):
        pairs = zip(probabilities(clean), probabilities(logits), strict=True)
        return sum(p * math.log(p / q) for p, q in pairs)

    check(kl_from_clean, case, kl)


def test_the_logit_difference_is_positive_towards_its_class(case):
    def difference(logits, clean, label):
        return logits[1].item() - (logits[0].item() + logits[2].item()) / 2

    check(logit_difference(towards=1), case, difference)
