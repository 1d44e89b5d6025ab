"""What a text asks for, what its files are called, and what is refused."""

import pytest

import levelhead as lh
from levelhead.probes.words import WORDS


@pytest.mark.parametrize(
    ("text", "name"),
    [
        ("fgsm", "fgsm"),
        ("fgsm(eps=8/255)", "fgsm"),
        ("fgsm(eps=0.01)", "fgsm(eps=0.01)"),
        ("fgsm(eps=4/255)", "fgsm(eps=4/255)"),
        ("gaussian_noise", "gaussian_noise"),
        ("gaussian_noise(clip=true)", "gaussian_noise(clip=true)"),
        ("uniform_noise", "uniform_noise"),
        ("mc_dropout(samples=20)", "mc_dropout(samples=20)"),
        ("leave_hull(distance=10)", "leave_hull(distance=10)"),
        ("leave_hull(distance=3, direction=raw)", "leave_hull(distance=3, direction=raw)"),
        ("spiral", "spiral"),
        ("natural_adversarial(all_classes=true):some/where", "natural_adversarial(all_classes=true):where"),
    ],
)
def test_names(text, name):
    (probe,) = lh.probes.parse(text)
    assert probe.name == name


def test_every_word_is_a_probe_that_prints_as_it_reads():
    for word in WORDS:
        text = f"{word}:x" if word == "natural_adversarial" else "leave_hull(distance=1)" if "hull" in word else word
        (probe,) = lh.probes.parse(text)
        assert lh.probes.parse(str(probe)) == (probe,)


def test_leaving_the_hull_is_a_probe_at_each_distance():
    assert [probe.distance for probe in lh.probes.parse("leave_hull")] == list(lh.probes.DISTANCES)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("fgms", "unknown probe 'fgms'. Did you mean 'fgsm'"),
        ("", "unknown probe ''"),
        ("no/where.npz", "is not there"),
        ("fgsm(eps=2)", r"eps must be a number in \[0, 1\]"),
        ("fgsm(eps=1/0)", "cannot read"),
        ("fgsm(epsilon=0.1)", "Did you mean 'eps'"),
        ("fgsm(0.1, eps=0.1)", "eps is given twice"),
        ("fgsm(", "cannot read"),
        ("leave_hull(distance=-1)", "distance"),
        ("natural_adversarial", "needs a data set"),
        ("mc_dropout(samples=0)", "samples"),
    ],
)
def test_wrong_words(text, said):
    with pytest.raises(ValueError, match=said):
        lh.probes.parse(text)


def test_data_that_a_probe_cannot_be_made_for():
    spiral = lh.data.load("spiral")
    for text in ("fgsm", "gaussian_noise(clip=true)", "natural_adversarial:x"):
        with pytest.raises(ValueError, match="holds vectors"):
            lh.probes.parse(text)[0].suits(spiral)
    lh.probes.parse("gaussian_noise")[0].suits(spiral)
