"""A paper's page says what was run, beside what was published."""

import re

import pytest

from levelhead.reproduce import pages
from levelhead.reproduce.claims import claims
from levelhead.reproduce.designs import bed
from levelhead.reproduce.plans import plans
from levelhead.reproduce.store import Results
from levelhead.spec import parse


@pytest.mark.parametrize("paper", plans())
def test_every_paper_has_its_idea_sentence_card_and_what_is_missing(paper, tmp_path):
    page = pages.page(paper, tmp_path)
    assert " ".join(plans()[paper].idea.split()) in page
    assert f"--method {plans()[paper].sentence}" in page
    missing = re.findall(r"^- ([A-Z]\d+), ", page.split("**Not run yet**")[1].split("##")[0], re.M)
    assert missing == [claim.id for claim in claims() if claim.paper == paper]
    for item in plans()[paper].item:
        if item.columns:
            line = next(line for line in page.splitlines() if f"`levelhead reproduce {paper}/{item.id}`" in line)
            assert re.search(r"Its \d+ runs, on .*, take about [\d.]+ (min|h|days) of one core", line)


def test_what_held_and_our_numbers_beside_theirs(tmp_path):
    for method, accuracy in (("vanilla", 0.90), ("mixup(alpha=0.4)", 0.92)):
        for seed in range(3):
            record = {"method": method, "sentence": str(parse(method)), "seed": seed, "series": {}, "complete": True}
            record |= {"record": [], "probes": [], "measures": {"accuracy_raw": accuracy + seed / 1000}}
            Results(tmp_path).add("C", bed("C"), record)
    page = pages.page("mixup-calibration", tmp_path)
    held = page.split("**Holds**")[1].split("Not run yet")[0]
    assert "M6, mixup keeps or raises accuracy (C, n = 3: -0.0200 [-0.0200, -0.0200], holds)" in held
    assert "| accuracy, % | c10-r18 (here: C) | Mixup .4 | 96.16 | 92.1 [91.85, 92.35] | -4.06 | 3 |" in page
    assert "| ECE | c10-r18 (here: C) | ERL .1 | .046 |  |  |  |" in page, "published numbers stand, run or not"
    assert "| C | CIFAR-10 | 10,000 | small | 20 | not run yet |" in page


def test_a_picture_is_named_by_the_data_it_is_of(tmp_path):
    pictures = tmp_path / "papers"
    pictures.mkdir()
    (pictures / "mbls-figure-3-voc-small.png").write_text("")
    for method in ("vanilla", "mbls(m=10, weight=0.1)"):
        record = {"method": method, "sentence": str(parse(method)), "seed": 0, "series": {}, "complete": True}
        record |= {"record": [], "probes": [], "measures": {"pixel_ece_raw": 0.1}}
        Results(tmp_path).add("V", bed("V"), record)
    page = pages.page("mbls", tmp_path, pictures)
    shown = re.search(r"!\[(.*)\]\(../assets/papers/mbls-figure-3-voc-small.png\)", page)
    assert shown
    assert shown[1].endswith("CamVid 240x180, unet network, seeds: 1")
    assert "2 of 9 runs are there" in page
