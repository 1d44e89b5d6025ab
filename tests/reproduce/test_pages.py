"""A paper's page says what was run, beside what was published."""

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
    missing = page.split("Not run yet: ")[1].split(".\n")[0].split(", ")
    assert missing == [claim.id for claim in claims() if claim.paper == paper]


def test_what_held_and_our_numbers_beside_theirs(tmp_path):
    for method, accuracy in (("vanilla", 0.90), ("mixup(alpha=0.4)", 0.92)):
        for seed in range(3):
            record = {"method": method, "sentence": str(parse(method)), "seed": seed, "series": {}, "complete": True}
            record |= {"record": [], "probes": [], "measures": {"accuracy_raw": accuracy + seed / 1000}}
            Results(tmp_path).add("C", bed("C"), record)
    page = pages.page("mixup-calibration", tmp_path)
    held = page.split("**Holds**")[1].split("Not run yet")[0]
    assert "M6, mixup keeps or raises accuracy (C, n = 3, -0.0200 [-0.0200, -0.0200], holds)" in held
    assert "| accuracy\\_raw, % | c10-r18 (here: C) | Mixup .4 | 96.16 | 92.1 [91.85, 92.35] | -4.06 | 3 |" in page
