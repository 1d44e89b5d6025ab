"""Words of somebody else: found by path or entry point, printed, read back, and held to the same contract."""

import sys
from dataclasses import dataclass
from importlib.metadata import EntryPoint
from typing import ClassVar

import pytest
import torch

import levelhead as lh
from levelhead import extensions
from levelhead.losses import Loss, Penalty, cross_entropy
from levelhead.member import number
from levelhead.mixing import Drawn, Mixer
from levelhead.mixing.mixer import shuffle
from levelhead.targets import Rule
from levelhead.testing import LossContract, MixerContract, PenaltyContract, RuleContract

HERE = __name__


@dataclass(frozen=True)
class Third(Mixer):
    """A third of the partner, always."""

    def draw(self, step, generator):
        size = step.shape[0]
        partner = shuffle(size, generator) if step.given is None else step.given.partner
        return Drawn(lh.Mix(partner, torch.full((size,), 2 / 3, dtype=torch.float64)))


@dataclass(frozen=True)
class Floor(Rule):
    """Every class at least ``floor``."""

    floor: float = number(0.01, low=0, high=0.1)

    def __call__(self, targets, head_logits=None):
        return (1 - targets.shape[1] * self.floor) * targets + self.floor


@dataclass(frozen=True)
class Scaled(Loss):
    """Cross-entropy times a factor."""

    factor: float = number(2.0, low=0, open_low=True)

    def __call__(self, logits, targets):
        return self.factor * cross_entropy(logits, targets)


@dataclass(frozen=True)
class Small(Penalty):
    """Squares of the logits."""

    weight: float = number(0.1, low=0)

    def __call__(self, logits):
        return logits.float().square().mean(1) if logits.dtype == torch.bfloat16 else logits.square().mean(1)


class TestThird(MixerContract):
    member = Third()


class TestFloor(RuleContract):
    member = Floor()


class TestScaled(LossContract):
    member = Scaled()


class TestSmall(PenaltyContract):
    member = Small()


def test_a_sentence_of_other_peoples_words():
    text = f"alternate({HERE}:Third) | {HERE}:Floor(0.02) | {HERE}:Scaled(factor=3) | {HERE}:Small + margin"
    spec = lh.parse(text)
    assert lh.parse(str(spec)) == spec
    assert f"{HERE}:Floor(floor=0.02)" in str(spec)
    objective = lh.objective(text, torch.nn.Linear(4, 3), num_classes=3)
    out = objective(torch.randn(6, 4), torch.arange(6) % 3, mix=lh.Mix(torch.arange(6).flip(0), 0.1))
    assert set(out.parts) == {f"{HERE}:Scaled", f"{HERE}:Small", "margin"}
    assert out.mix.lam.tolist() == pytest.approx([2 / 3] * 6)


def test_a_mistake_in_their_arguments_reads_like_one_in_ours():
    with pytest.raises(ValueError, match=r"floor must be a number in \[0, 0\.1\], not 3"):
        lh.parse(f"mixup | {HERE}:Floor(3)")


@dataclass(frozen=True)
class Registered(Rule):
    """A rule with a word of its own."""

    word: ClassVar[str] = "registered"

    def __call__(self, targets, head_logits=None):
        return targets


def test_entry_points_give_bare_words(monkeypatch):
    point = EntryPoint("registered", f"{HERE}:Registered", "levelhead.targets")
    monkeypatch.setattr(extensions, "entry_points", lambda group: [point] if group == "levelhead.targets" else [])
    spec = lh.parse("mixup | registered(lam=uniform)")
    assert str(spec.targets) == "registered(lam=uniform)"
    with pytest.raises(ValueError, match="Did you mean 'registered'"):
        lh.parse("mixup | registred")
    wrong = EntryPoint("other", f"{HERE}:Registered", "levelhead.targets")
    monkeypatch.setattr(extensions, "entry_points", lambda group: [wrong])
    with pytest.raises(ValueError, match="set its `word` to 'other'"):
        lh.parse("mixup | other")


@dataclass(frozen=True)
class Weightless(Penalty):
    def __call__(self, logits):
        return logits.mean(1)


@dataclass(frozen=True)
class Undeclared(Rule):
    amount: float = 0.5


def test_what_a_word_lacks_is_said_when_it_is_read(tmp_path, monkeypatch):
    with pytest.raises(ValueError, match="needs a weight: float = number"):
        lh.parse(f"identity | one_hot | cross_entropy | {HERE}:Weightless")
    with pytest.raises(ValueError, match="declare amount with number, whole"):
        lh.parse(f"mixup | {HERE}:Undeclared")
    (tmp_path / "broken_words.py").write_text("1 / 0")
    monkeypatch.syspath_prepend(tmp_path)
    with pytest.raises(ValueError, match="importing broken_words failed with ZeroDivisionError"):
        lh.parse("mixup | broken_words:Rule")


def test_a_word_in_the_folder_reaches_the_workers(tmp_path):
    (tmp_path / "mine.py").write_text(
        "from dataclasses import dataclass\n"
        "from levelhead.targets import Rule\n"
        "@dataclass(frozen=True)\n"
        "class Same(Rule):\n"
        "    def __call__(self, targets, head_logits=None):\n"
        "        return targets\n"
    )
    import subprocess

    done = subprocess.run(
        [sys.executable, "-m", "levelhead", "compare", "--method", "mixup | mine:Same", "--epochs", "1", "--seeds", "1",
         "--out", "out"],
        cwd=tmp_path, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert "mine:Same" in (tmp_path / "out" / "leaderboard.csv").read_text()
