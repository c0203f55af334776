"""Stopping rules: when each of them ends training, and which are refused."""

import math

import pytest

from nn import History
from nn.train.stopping import StoppingRules


def epochs_until_stop(rules, losses, validation_losses=None):
    """Record epoch after epoch; give how many there were, and the reason."""
    history = History()
    for i, loss in enumerate(losses):
        validation = None if validation_losses is None else validation_losses[i]
        history.record(loss=loss, validation_loss=validation, lr=0.1, seconds=0.5)
        reason = rules.reason_to_stop(history, elapsed=0.5 * len(history))
        if reason:
            return len(history), reason
    return len(history), ""


FALLING = [1.0, 0.5, 0.25, 0.125, 0.0625]


@pytest.mark.parametrize(
    ("rules", "losses", "expected"),
    [
        (StoppingRules(), FALLING, (5, "")),
        (StoppingRules(epochs=3), FALLING, (3, "epochs = 3 are done")),
        (StoppingRules(tol=0.25), FALLING, (3, "the loss changed by no more than tol = 0.25")),
        (StoppingRules(tol=0.1), [1.0, 1.5, 1.55], (3, "the loss changed by no more than tol = 0.1")),
        (StoppingRules(tol=0.0), [1.0, 0.5, 0.5], (3, "the loss changed by no more than tol = 0")),
        (StoppingRules(patience=2), [1.0, 0.5, 0.6, 0.5, 0.1], (4, "no lower loss for patience = 2 epochs")),
        (StoppingRules(patience=2), [1.0, 2.0, 0.9, 1.0, 0.8], (5, "")),
        (StoppingRules(max_seconds=1.5), FALLING, (3, "max_seconds = 1.5 are over")),
        (StoppingRules(callback=lambda history: history.loss[-1] < 0.2), FALLING, (4, "the callback asked for it")),
        (StoppingRules(callback=lambda history: None), FALLING, (5, "")),
        (StoppingRules(epochs=4, tol=0.3, patience=1, max_seconds=1.0), FALLING, (2, "max_seconds = 1 are over")),
    ],
)
def test_each_rule_ends_training_when_it_should(rules, losses, expected):
    assert epochs_until_stop(rules, losses) == expected


@pytest.mark.parametrize(
    ("validation_losses", "epochs"), [([0.5, 0.4, 0.45, 0.5, 0.6], 4), ([0.5, math.nan, math.nan, 0.4, 0.3], 3)]
)
def test_patience_looks_at_the_validation_loss_if_there_is_one(validation_losses, epochs):
    found = epochs_until_stop(StoppingRules(patience=2), FALLING, validation_losses)
    assert found == (epochs, "no lower validation loss for patience = 2 epochs")


def test_rules_are_none_if_nothing_would_end_training():
    assert StoppingRules().are_none
    assert not StoppingRules(epochs=1).are_none
    assert not StoppingRules(callback=print).are_none


@pytest.mark.parametrize(
    ("options", "error", "message"),
    [
        ({"epochs": 0}, ValueError, "epochs must be at least 1, not 0"),
        ({"epochs": 1.5}, TypeError, "epochs must be an integer, not 1.5"),
        ({"tol": -1e-3}, ValueError, "tol must be 0 or more and finite, not -0.001"),
        ({"patience": 0}, ValueError, "patience must be at least 1, not 0"),
        ({"max_seconds": 0}, ValueError, "max_seconds must be positive and finite, not 0"),
        ({"callback": True}, TypeError, "callback must be a function of the history, not True"),
    ],
)
def test_bad_rules_are_refused(options, error, message):
    with pytest.raises(error, match=message):
        StoppingRules(**options)
