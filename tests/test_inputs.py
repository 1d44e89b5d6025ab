"""Whatever a model takes and gives: dictionaries, tuples, Hugging Face outputs, token ids with masks."""

import pytest
import torch
from torch import nn

import levelhead as lh
from levelhead.batch import joined

C, B, L, D = 3, 6, 7, 5
PARTNER = torch.tensor([1, 0, 3, 2, 5, 4])
NAMES = sorted(lh.methods())


class Text(nn.Module):
    """A sentence classifier: embedding, masked mean, linear."""

    def __init__(self):
        super().__init__()
        self.embed = nn.Embedding(20, D)
        self.hidden1, self.hidden2, self.hidden3 = nn.Linear(D, D), nn.Linear(D, D), nn.Linear(D, D)
        self.fc = nn.Linear(D, C)
        self.masks = []

    def forward(self, input_ids, attention_mask=None):
        hidden = self.hidden3(self.hidden2(self.hidden1(self.embed(input_ids)).tanh()).tanh())
        mask = torch.ones_like(hidden[..., 0]) if attention_mask is None else attention_mask.to(hidden.dtype)
        self.masks.append(mask)
        return {"logits": self.fc((hidden * mask[..., None]).sum(1) / mask.sum(1, keepdim=True))}


def text():
    with torch.random.fork_rng():
        torch.manual_seed(0)
        return Text().double()


def tokens():
    generator = torch.Generator().manual_seed(0)
    ids = torch.randint(20, (B, L), generator=generator)
    mask = (torch.arange(L) < torch.tensor([[7], [3], [5], [2], [6], [4]])).long()
    return ids, mask, torch.randint(C, (B,), generator=generator)


def make(method, model, **kwargs):
    return lh.objective(method, model, num_classes=C, generator=torch.Generator().manual_seed(0), **kwargs)


@pytest.mark.parametrize("name", NAMES)
def test_every_method_mixes_tokens_at_the_embedding(name):
    ids, mask, labels = tokens()
    objective = make(name, text())
    for inputs in (ids, {"input_ids": ids, "attention_mask": mask}):
        for _ in range(3):
            out = objective(inputs, labels)
            out.loss.backward()
            assert torch.isfinite(out.loss)
            assert out.logits.shape == (B, C)
    assert not objective.model.embed._forward_hooks


def test_mixup_of_tokens_is_mixup_of_their_vectors():
    ids, _, labels = tokens()
    model = text()
    out = make("mixup", model)(ids, labels, mix=lh.Mix(PARTNER, 0.3))
    vectors = 0.3 * model.embed(ids) + 0.7 * model.embed(ids[PARTNER])
    hidden = model.hidden3(model.hidden2(model.hidden1(vectors).tanh()).tanh())
    torch.testing.assert_close(out.logits, model.fc(hidden.mean(1)))
    y = nn.functional.one_hot(labels, C).double()
    q = 0.3 * y + 0.7 * y[PARTNER]
    torch.testing.assert_close(out.loss, -(q * out.logits.log_softmax(1)).sum(1).mean())


def test_masks_are_joined_only_where_something_is_mixed_in():
    ids, mask, labels = tokens()
    model = text()
    lam = torch.tensor([1.0, 0.9, 1.0, 0.9, 1.0, 0.9])
    make("mixup", model)({"input_ids": ids, "attention_mask": mask}, labels, mix=lh.Mix(PARTNER, lam))
    expected = torch.where(lam[:, None] < 1, torch.maximum(mask, mask[PARTNER]), mask)
    assert torch.equal(model.masks[-1], expected.double())


def test_a_boolean_padding_mask_says_what_is_not_there():
    inputs = {"x": torch.zeros(2, 3), "padding_mask": torch.tensor([[False, False, True], [False, True, True]])}
    got = joined(inputs, lh.Mix(torch.tensor([1, 0]), 0.5))["padding_mask"]
    assert got.tolist() == [[False, False, True]] * 2


def test_masks_of_two_texts_are_joined_and_the_given_ones_stay():
    ids, mask, labels = tokens()
    model, before = text(), mask.clone()
    make("mixup", model)({"input_ids": ids, "attention_mask": mask}, labels, mix=lh.Mix(PARTNER, 0.3))
    assert torch.equal(model.masks[-1], torch.maximum(mask, mask[PARTNER]).double())
    assert torch.equal(mask, before)
    make("logitmix_cm", model)({"input_ids": ids, "attention_mask": mask}, labels, mix=lh.Mix(PARTNER, 0.3))
    assert torch.equal(model.masks[-1], torch.cat([mask, torch.maximum(mask, mask[PARTNER])]).double())


def test_logit_matching_over_tokens():
    ids, _, labels = tokens()
    model = text()
    out = make("logitmix_cm", model)(ids, labels, mix=lh.Mix(PARTNER, 0.3))
    clean = model(ids)["logits"]
    vectors = 0.3 * model.embed(ids) + 0.7 * model.embed(ids[PARTNER])
    mixed = model.fc(model.hidden3(model.hidden2(model.hidden1(vectors).tanh()).tanh()).mean(1))
    expected = (0.3 * clean + 0.7 * clean[PARTNER] - mixed).square().mean()
    assert out.parts["logit_match"] == pytest.approx(float(expected.detach()), rel=1e-9)


def test_cutmix_of_tokens_takes_a_span():
    ids, _, labels = tokens()
    model, seen = text(), []
    model.hidden1.register_forward_pre_hook(lambda _, args: seen.append(args[0].detach()))
    out = make("cutmix(prob=1)", model)(ids, labels, mix=lh.Mix(PARTNER, 0.4))
    own, other = model.embed(ids), model.embed(ids[PARTNER])
    taken = (seen[0] != own).all(2)
    assert torch.equal(seen[0], torch.where(taken[..., None], other, own))
    assert 1 - taken[0].double().mean() == pytest.approx(float(out.mix.lam[0]))


class Gives(nn.Module):
    """A linear model that wraps its logits."""

    def __init__(self, wrap):
        super().__init__()
        self.wrap, self.fc = wrap, nn.Linear(4, C)

    def forward(self, inputs):
        return self.wrap(self.fc(inputs))


class Holder:
    def __init__(self, logits):
        self.logits = logits


@pytest.mark.parametrize(
    "wrap",
    [
        lambda z: z,
        lambda z: (z, None),
        lambda z: [None, z],
        lambda z: {"logits": z},
        lambda z: {"out": z, "aux": z[:, :1]},
        Holder,
    ],
    ids=["tensor", "tuple", "list", "dict", "torchvision", "object"],
)
@pytest.mark.parametrize("method", ["vanilla", "pls", "logitmix_cm", "mc_dropout"])
def test_outputs_of_every_form(wrap, method):
    model = Gives(wrap)
    objective = make(method, model)
    out = objective(torch.randn(B, 4), torch.arange(B) % C)
    assert out.logits.shape == (B, C)
    assert objective.predict(torch.randn(B, 4)).shape == (B, C)


@pytest.mark.parametrize(
    ("wrap", "said"),
    [
        (lambda z: {"scores": z}, "a dictionary with scores"),
        (lambda z: "logits", "but gave str"),
        (lambda z: z[0], r"but gave \(3,\)"),
        (lambda z: z[:, :2], r"must give logits \(6, 3\), but gave \(6, 2\)"),
    ],
)
def test_outputs_without_logits_are_refused(wrap, said):
    with pytest.raises(ValueError, match=said):
        make("vanilla", Gives(wrap))(torch.randn(B, 4), torch.arange(B) % C)


def test_a_dictionary_of_unknown_names():
    class Pair(nn.Module):
        def __init__(self):
            super().__init__()
            self.fc = nn.Linear(4, C)

        def forward(self, left, right=None):
            return self.fc(left)

    objective = make("mixup", Pair())
    assert objective({"left": torch.randn(B, 4)}, torch.arange(B) % C).logits.shape == (B, C)
    with pytest.raises(ValueError, match="cannot tell which entry"):
        objective({"left": torch.randn(B, 4), "right": torch.randn(B, 4)}, torch.arange(B) % C)
    with pytest.raises(ValueError, match="a tensor or a dictionary"):
        objective([1, 2], torch.arange(2))


@pytest.mark.parametrize("method", ["mixup", "pls", "lamix", "logitmix_cm", "manifold_mixup", "mc_dropout", "cutmix"])
def test_a_hugging_face_encoder(method):
    transformers = pytest.importorskip("transformers")
    config = transformers.BertConfig(
        vocab_size=40,
        hidden_size=16,
        num_hidden_layers=4,
        num_attention_heads=2,
        intermediate_size=32,
        num_labels=C,
    )
    model = transformers.BertForSequenceClassification(config)
    ids, mask, labels = tokens()
    objective = make(method, model)
    for _ in range(4):
        out = objective({"input_ids": ids, "attention_mask": mask}, labels)
        out.loss.backward()
    assert torch.isfinite(out.loss)
    assert model.bert.embeddings.word_embeddings.weight.grad.any()
    assert objective.predict({"input_ids": ids, "attention_mask": mask}).shape == (B, C)


def test_a_puzzle_of_texts_is_cut_by_the_gradient_at_the_words(monkeypatch):
    """The saliency is that of the clean loss at the words' vectors; what is mixed are blocks of vectors."""
    from levelhead.mixing import PuzzleMix

    ids, mask, labels = tokens()
    model, seen = text(), []
    settle = PuzzleMix.settle
    monkeypatch.setattr(PuzzleMix, "settle", lambda *args: seen.append(args) or settle(*args))
    objective = make("puzzlemix(loss=cross_entropy, blocks=[3])", model)
    out = objective({"input_ids": ids, "attention_mask": mask}, labels, mix=lh.Mix(PARTNER, 0.5))
    vectors = model.embed(ids).detach().requires_grad_()
    hidden = model.hidden3(model.hidden2(model.hidden1(vectors).tanh()).tanh()) * mask[..., None]
    logits = model.fc(hidden.sum(1) / mask.sum(1, keepdim=True))
    (gradient,) = torch.autograd.grad(nn.functional.cross_entropy(logits, labels), vectors)
    torch.testing.assert_close(seen[0][3], gradient.float().square().mean(2).sqrt())
    assert torch.equal(seen[0][1], (vectors * mask[..., None]).detach())
    assert 0 < float(out.mix.lam.min()) < 1
    # halves of the words of the longer text
    longer = torch.maximum(mask, mask[PARTNER]).sum(1).double()
    torch.testing.assert_close(out.mix.lam, (out.mix.lam * longer * 2).round() / longer / 2)
    lam, y = out.mix.lam[:, None], nn.functional.one_hot(labels, C)
    torch.testing.assert_close(out.targets.double(), lam * y + (1 - lam) * y[PARTNER], atol=1e-7, rtol=0)


@pytest.mark.parametrize("frozen", [False, True])
def test_a_puzzle_of_texts_keeps_the_clean_gradient_where_asked(frozen):
    ids, _, labels = tokens()
    model = text()
    model.embed.weight.requires_grad_(not frozen)
    learning = [each for each in model.parameters() if each.requires_grad]
    plain, kept = (make(f"puzzlemix(clean={n})", model)(ids, labels, mix=lh.Mix(PARTNER, 0.5)) for n in (0, 1))
    expected = plain.loss + 2 / C * nn.functional.cross_entropy(model(ids)["logits"], labels)
    torch.testing.assert_close(kept.loss, expected)
    for one, other in zip(torch.autograd.grad(kept.loss, learning), torch.autograd.grad(expected, learning)):
        torch.testing.assert_close(one, other)
    assert not model.embed._forward_hooks
