"""The networks for texts, and the vectors they start from."""

import numpy as np
import pytest
import torch

import levelhead as lh

WORDS = ["", "the", "Of", "zzyzx", "and"]


def build(name, words=WORDS, num_classes=2, length=7):
    return lh.models.build(name, num_classes=num_classes, input_shape=(length,), vocabulary=words)


@pytest.fixture
def glove(tmp_path):
    """A file in GloVe's text form, with a word that holds spaces."""
    path = tmp_path / "glove.txt"
    path.write_text("the 0.1 0.2 -3e-1\n. . . 1 2 3\nof 4 5 6\nthe 9 9 9\n", encoding="utf-8")
    return path


@pytest.mark.parametrize("name", ["sentence_cnn", "gpcn"])
@pytest.mark.parametrize("length", [1, 4, 21, 300])
def test_a_text_of_any_length(name, length):
    model = build(name)
    ids = torch.arange(3 * length).reshape(3, length) % len(WORDS)
    assert model(ids).shape == (3, 2)
    assert torch.isfinite(model(torch.zeros_like(ids))).all()


def test_sentence_cnn_is_a_maximum_over_windows():
    """A map's feature by hand: the largest ReLU over all windows of the text and four zeros on either side."""
    model = build("sentence_cnn(dims=2, maps=1)").eval()
    ids = torch.tensor([[1, 2, 3]])
    padded = torch.cat([torch.zeros(4, 2), model.embedding(ids)[0], torch.zeros(4, 2)])
    features = []
    for window, convolution in zip((3, 4, 5), model.convolutions):
        scores = [
            (convolution.weight[0] * padded[at : at + window].T).sum() + convolution.bias[0]
            for at in range(len(padded) - window + 1)
        ]
        features.append(torch.stack(scores).max().clamp(min=0))
    torch.testing.assert_close(model(ids)[0], model.linear(torch.stack(features)))


def test_padding_stays_zero_while_words_learn():
    model = build("sentence_cnn(dims=4, maps=3)")
    before = model.embedding.weight.detach().clone()
    optimizer = torch.optim.Adadelta(model.parameters(), rho=0.95, eps=1e-6)
    for _ in range(3):
        loss = torch.nn.functional.cross_entropy(
            model(torch.tensor([[0, 1, 2, 0], [0, 3, 4, 0]])), torch.tensor([0, 1])
        )
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    assert (model.embedding.weight[0] == 0).all()
    assert (model.embedding.weight[1:] != before[1:]).any(1).all()
    assert (before.abs() <= 0.25).all()


def test_constrain_scales_long_rows_back_and_leaves_the_others():
    model = build("sentence_cnn(norm=3)", num_classes=3)
    with torch.no_grad():
        model.linear.weight[0] *= 100
    before = model.state_dict()["linear.weight"].clone()
    lh.models.constrain(model)
    after = model.linear.weight
    torch.testing.assert_close(after[0].norm(), torch.tensor(3.0))
    torch.testing.assert_close(after[0] / after[0].norm(), before[0] / before[0].norm())
    assert torch.equal(after[1:], before[1:])
    assert set(model.state_dict()) == set(build("sentence_cnn").state_dict())


def test_inputs_can_be_mixed_at_the_embedding_layer():
    """What a mixer needs: one embedding layer whose output a hook may replace."""
    for name in ("sentence_cnn", "gpcn"):
        model = build(name, length=30).eval()
        ids = torch.arange(60).reshape(2, 30) % len(WORDS)
        layers = [layer for layer in model.modules() if isinstance(layer, torch.nn.Embedding)]
        assert len(layers) == 1
        handle = layers[0].register_forward_hook(lambda _, args, out: out.flip(0))
        mixed = model(ids)
        handle.remove()
        torch.testing.assert_close(mixed, model(ids.flip(0)))


def test_vectors_of_glove_text(glove):
    matrix = lh.models.embedding_matrix(["", "the", "Of", ". . .", "zzyzx"], glove, unknown="zero")
    wanted = [[0, 0, 0], [0.1, 0.2, -0.3], [4, 5, 6], [1, 2, 3], [0, 0, 0]]
    torch.testing.assert_close(matrix, torch.tensor(wanted))


def test_words_without_a_vector_are_drawn_as_kim_does(glove):
    generator = torch.Generator().manual_seed(0)
    words = ["", "the", *(f"no{number}" for number in range(500))]
    state = torch.get_rng_state()
    matrix = lh.models.embedding_matrix(words, glove, generator=generator)
    assert torch.equal(state, torch.get_rng_state())
    drawn = matrix[2:]
    assert 0.24 < drawn.max() <= 0.25
    assert -0.25 <= drawn.min() < -0.24
    assert abs(float(drawn.mean())) < 4 * 0.25 / (3 * drawn.numel()) ** 0.5
    assert (matrix[0] == 0).all()
    torch.testing.assert_close(matrix[1], torch.tensor([0.1, 0.2, -0.3]))


def test_sentence_cnn_tunes_its_vectors_and_gpcn_keeps_them(glove):
    tuned, kept = build(f"sentence_cnn(vectors='{glove}')"), build(f"gpcn(vectors='{glove}')")
    assert tuned.embedding.weight.requires_grad
    assert not kept.embedding.weight.requires_grad
    assert (tuned.embedding.weight[3] != 0).all()  # a word that the file does not have: drawn
    assert (kept.embedding.weight[3] == 0).all()  # likewise: zero, as in MbLS
    assert build(f"gpcn(vectors='{glove}', frozen=false)").embedding.weight.requires_grad
    torch.testing.assert_close(kept.embedding.weight[2], torch.tensor([4.0, 5, 6]))
    same = lh.models.build("gpcn", num_classes=2, input_shape=(7,), vocabulary=WORDS, vectors=str(glove))
    assert torch.equal(same.embedding.weight, kept.embedding.weight)


def test_the_header_of_word2vec_text_is_no_word(tmp_path):
    path = tmp_path / "vectors.txt"
    path.write_text("2 3\nthe 1 2 3\nof 4 5 6\n")
    found, dims = lh.models.read_vectors(path, ["the", "2"])
    assert dims == 3
    assert set(found) == {"the"}


def test_vectors_of_the_real_file(real_data):
    path = real_data / "glove" / "glove-twitter-25d-12k.npz"
    if not path.is_file():
        pytest.skip("no word vectors among the real data")
    found, dims = lh.models.read_vectors(path, ["the", "of", "zzyzx"])
    assert dims == 25
    assert set(found) == {"the", "of"}
    with np.load(path) as file:
        place = list(file["words"]).index("of")
        assert np.array_equal(found["of"], file["vectors"][place])
    assert build(f"sentence_cnn(vectors='{path}')").embedding.weight.shape == (5, 25)


@pytest.mark.parametrize(
    ("content", "said"),
    [
        ("the 1 2 3\nof 1 2\n", "line 2: expected a word and 3 numbers"),
        ("the 1 2 3\nof one two three\n", "line 2"),
        ("the 1 nan 3\n", "not finite"),
        ("the\n", "line 1"),
        ("", "holds no word vectors"),
        ("other 1 2 3\n", "none of the 4 words"),
        ("the 1 2 3\nother 4", "line 2: expected a word and 3 numbers"),  # cut off
    ],
)
def test_text_that_holds_no_vectors_is_refused(tmp_path, content, said):
    path = tmp_path / "vectors.txt"
    path.write_text(content)
    with pytest.raises(ValueError, match=said):
        lh.models.embedding_matrix(["", "the", "of", "a", "b"], path)


def test_arrays_that_are_no_vectors_are_refused(tmp_path):
    for arrays, said in (
        ({"words": np.array(["a"])}, "cannot be read as word vectors"),
        ({"words": np.array(["a"]), "vectors": np.zeros((2, 3))}, r"must hold words \(N,\)"),
        ({"words": np.array(["a"], dtype=object), "vectors": np.zeros((1, 3))}, "cannot be read"),
    ):
        path = tmp_path / "vectors.npz"
        np.savez(path, **arrays)
        with pytest.raises(ValueError, match=said):
            lh.models.read_vectors(path, ["a"])
    (tmp_path / "vectors.npz").write_bytes(b"PK damaged")
    with pytest.raises(ValueError, match="cannot be read"):
        lh.models.read_vectors(tmp_path / "vectors.npz", ["a"])


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("sentence_cnn(vectors='nowhere.txt')", "there is no file of word vectors"),
        ("sentence_cnn(vectors=3)", "vectors must be a text in quotes"),
        ("sentence_cnn(frozen=true)", "has an effect only with vectors"),
        ("sentence_cnn(norm=0)", "norm must be a positive number"),
        ("gpcn(frozen=1)", "frozen must be true or false"),
    ],
)
def test_what_cannot_be_built(name, said):
    with pytest.raises(ValueError, match=said):
        build(name)


def test_dims_must_be_those_of_the_file(glove):
    assert build(f"gpcn(vectors='{glove}', dims=3)").embedding.embedding_dim == 3
    with pytest.raises(ValueError, match="dims=4, but the vectors"):
        build(f"gpcn(vectors='{glove}', dims=4)")
