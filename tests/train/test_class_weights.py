"""Classes weighed in the loss: against torch's own for hard labels, by hand for mixed ones, and through a run."""

import json
from collections import OrderedDict

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

import levelhead as lh
from levelhead.data import load
from levelhead.train import make_recipe
from levelhead.train.class_weights import checked_weights, weights_for, written_weights

WEIGHTS = [0.2, 1.0, 5.0]


def network(seed=0):
    torch.manual_seed(seed)
    return torch.nn.Sequential(torch.nn.Flatten(), torch.nn.Linear(12, 16), torch.nn.ReLU(), torch.nn.Linear(16, 3))


def batch(number=24):
    generator = torch.Generator().manual_seed(1)
    return torch.randn(number, 3, 2, 2, generator=generator), torch.randint(0, 3, (number,), generator=generator)


def test_hard_labels_give_torchs_weighted_cross_entropy_and_its_gradient():
    inputs, labels = batch()
    ours, theirs = network(), network()
    loss = lh.objective("vanilla", ours, num_classes=3, class_weights=WEIGHTS)(inputs, labels).loss
    expected = torch.nn.CrossEntropyLoss(weight=torch.tensor(WEIGHTS))(theirs(inputs), labels)
    torch.testing.assert_close(loss, expected)
    loss.backward()
    expected.backward()
    for mine, other in zip(ours.parameters(), theirs.parameters()):
        torch.testing.assert_close(mine.grad, other.grad)


def test_ignored_pixels_give_torchs_mean_too():
    logits = torch.nn.Conv2d(3, 3, 1)
    inputs, labels = torch.randn(4, 3, 2, 2), torch.randint(0, 3, (4, 2, 2))
    labels[0, 0] = 255
    loss = lh.objective("vanilla", logits, num_classes=3, ignore_index=255, class_weights=WEIGHTS)(inputs, labels).loss
    expected = torch.nn.CrossEntropyLoss(weight=torch.tensor(WEIGHTS), ignore_index=255)(logits(inputs), labels)
    torch.testing.assert_close(loss, expected)


def test_a_mixed_label_weighs_its_shares():
    inputs, labels = batch(6)
    model, partner, lam = network(), torch.tensor([1, 2, 3, 4, 5, 0]), 0.3
    objective = lh.objective("mixup(alpha=1)", model, num_classes=3, class_weights=WEIGHTS)
    out = objective(inputs, labels, mix=lh.Mix(partner, lam))
    weights = torch.tensor(WEIGHTS)
    log_probs = model(lam * inputs + (1 - lam) * inputs[partner]).log_softmax(1)
    rows = torch.arange(6)
    each = -lam * log_probs[rows, labels] - (1 - lam) * log_probs[rows, labels[partner]]
    weight = lam * weights[labels] + (1 - lam) * weights[labels[partner]]
    torch.testing.assert_close(out.loss, (each * weight).sum() / weight.sum())


@pytest.mark.parametrize("method", list(lh.methods()))
def test_every_method_takes_them_and_equal_ones_change_nothing(method):
    inputs, labels = torch.randn(8, 3, 8, 8), torch.arange(8) % 3
    torch.manual_seed(0)
    stages = {"flat": torch.nn.Flatten(), "layer1": torch.nn.Linear(192, 8), "drop": torch.nn.Dropout(0.1)}
    model = torch.nn.Sequential(OrderedDict(stages, fc=torch.nn.Linear(8, 3)))

    def loss(weights):
        torch.manual_seed(0)
        generator = torch.Generator().manual_seed(0)
        objective = lh.objective(method, model, num_classes=3, generator=generator, class_weights=weights)
        outs = [objective(inputs, labels) for _ in range(2)]  # some methods mix every other step
        for out in outs:
            assert sum(out.parts.values()) == pytest.approx(float(out.loss.detach()), rel=1e-5)
        return torch.stack([out.loss.detach() for out in outs])

    torch.testing.assert_close(loss([2.0, 2.0, 2.0]), loss(None), rtol=1e-5, atol=1e-6)
    assert not torch.allclose(loss(WEIGHTS), loss(None))


@given(st.floats(0.01, 100))
def test_only_ratios_count(scale):
    inputs, labels = batch()
    first, second = (
        lh.objective("mixup", network(), num_classes=3, generator=torch.Generator().manual_seed(0), class_weights=given)
        for given in (WEIGHTS, [scale * weight for weight in WEIGHTS])
    )
    torch.testing.assert_close(first(inputs, labels).loss, second(inputs, labels).loss)


def test_the_state_holds_no_weights():
    objective = lh.objective("vanilla", network(), num_classes=3, class_weights=WEIGHTS)
    assert objective.state_dict().keys() == lh.objective("vanilla", network(), num_classes=3).state_dict().keys()
    assert objective.double().class_weights.dtype == torch.float64


@pytest.mark.parametrize("weights", [[1.0, 2.0], [1.0, 0.0, 2.0], [1.0, float("nan"), 2.0], [[1.0, 2.0, 3.0]]])
def test_weights_that_do_not_do(weights):
    with pytest.raises(ValueError, match="class_weights must be 3 numbers above 0, one a class"):
        lh.objective("vanilla", network(), num_classes=3, class_weights=weights)


@pytest.fixture
def unequal(tmp_path):
    path = tmp_path / "unequal.csv"
    rng = np.random.default_rng(0)
    kinds = ["ant"] * 160 + ["bee"] * 30 + ["cat"] * 10
    rows = [f"{rng.normal():.4f},{rng.normal() + 'abc'.index(kind[0]):.4f},{kind}" for kind in kinds]
    path.write_text("x,y,kind\n" + "\n".join(rows))
    return load(path, label="kind", cal_size=20, test_size=20)


def test_balanced_classes_weigh_the_same_in_sum(unequal):
    weights = weights_for("balanced", unequal)
    counts = unequal.counts()["train"]
    sums = [weight * count for weight, count in zip(weights, counts)]
    assert sums == pytest.approx([sum(counts) / 3] * 3)
    assert weights_for("none", unequal) is None


def test_a_file_names_classes_whatever_their_order(unequal, tmp_path):
    path = tmp_path / "weights.json"
    path.write_text(json.dumps({"cat": 4, "ant": 1, "bee": 2}))
    text = written_weights(str(path))
    assert text == '{"ant": 1.0, "bee": 2.0, "cat": 4.0}' == checked_weights('{"bee": 2, "cat": 4, "ant": 1}')
    ant, bee, cat = weights_for(text, unequal)
    assert (bee / ant, cat / ant) == pytest.approx((2, 4))
    assert make_recipe("x", "vector", class_weights=text).class_weights == text


@pytest.mark.parametrize(
    ("content", "sentence"),
    [
        ("{", r"weights.json is no JSON"),
        ("[1, 2]", "must be balanced, none, or a JSON object"),
        ('{"ant": 0}', "weights.json: the weight of class 'ant' must be a number above 0, not 0"),
        ('{"ant": "x"}', "the weight of class 'ant' must be a number above 0, not 'x'"),
        ('{"ant": NaN}', "the weight of class 'ant' must be a number above 0, not nan"),
        ('{"ant": 1, "bee": 1}', "the class weights leave out cat"),
        ('{"ant": 1, "bees": 1, "cat": 1}', r"unknown class in the class weights of unequal.csv 'bees'\. Did you mean"),
    ],
)
def test_files_that_do_not_do(unequal, tmp_path, content, sentence):
    path = tmp_path / "weights.json"
    path.write_text(content)
    with pytest.raises(ValueError, match=sentence):
        weights_for(written_weights(str(path)), unequal)


def test_words_that_are_none():
    with pytest.raises(ValueError, match=r"must be balanced, none, or a .json file .* there is no file 'balancd'"):
        written_weights("balancd")
    with pytest.raises(ValueError, match="class_weights: must be balanced, none, or a JSON object"):
        make_recipe("x", "vector", class_weights="often")
