"""The pages in a headless browser: silent, self-contained, sorting, switching, drawn, printed, for everybody to use."""

import json

import numpy as np
import pytest

from levelhead.evaluate import evaluate
from levelhead.plots.comparison import read
from levelhead.plots.mistakes import FILE, mistakes
from levelhead.predictions import Predictions
from levelhead.report.evaluation_page import write
from levelhead.report.page import build
from report.browser import Watched, started
from report.conftest import HOSTILE, METHODS, write_comparison

LIMIT = 8_000_000
NASTY = (
    HOSTILE,
    "</script><script>alert(2)</script>",
    "'\"><img src=x onerror=alert(3)>",
    "كلمة‏ طويلة (كلب) 🙈🙉🙊",
    "Donaudampfschifffahrtsgesellschaftskapitänsmützenabzeichen" * 4,
    "{{ 7 * 7 }} ${alert(4)} %s \\u003cscript\\u003e \t",
    "https://example.com/?a=1&b=<b>2</b>",
    "javascript:alert(5)",
)


SITE = "<img src=x onerror=alert(8)> {{ 1 }} __proto__"


@pytest.fixture(scope="module")
def browser():
    with started() as browser:
        yield browser


@pytest.fixture(scope="module")
def pages(tmp_path_factory):
    """Every kind of page: a usual one, hostile names and texts, 200 classes, 40 runs, evaluations of one and of two."""
    place = tmp_path_factory.mktemp("pages")
    found = {
        "usual": _with_examples(write_comparison(place / "usual", recommended="mixup"), pictures=True),
        "hostile": _with_examples(
            write_comparison(
                place / "a'\"><b onclick=alert(6)>", methods=("vanilla", *NASTY[:5]), classes=NASTY, seeds=2,
                n_test=160, n_cal=80, recommended=NASTY[4], name=NASTY[2],
            )
        ),
        "classes": write_comparison(
            place / "classes", methods=("vanilla", "mixup"), seeds=1, classes=[f"species {k}" for k in range(200)],
            n_test=1000, n_cal=200,
        ),
        "runs": write_comparison(
            place / "runs", methods=["vanilla", *(f"method {k}(alpha={k / 10})" for k in range(19))], seeds=2,
            n_test=100, n_cal=60, epochs=100,
        ),
    }  # fmt: skip
    paths = {name: build(folder) for name, folder in found.items()}
    rng = np.random.default_rng(0)
    z = 1.5 * rng.normal(size=(900, len(NASTY)))
    labels = (z + rng.gumbel(size=z.shape)).argmax(1)
    files = [place / "one.npz", place / "' onmouseover=alert(7) <b>כלב🙈.npz"]
    for sharpness, path in zip((2, 1), files, strict=True):
        np.savez(
            path,
            logits=sharpness * z,
            labels=labels,
            classes=np.array(NASTY),
            ids=np.array([*NASTY, *NASTY] * 100)[:900],
            level=np.arange(900) // 90,
            **{SITE: np.array(NASTY)[np.arange(900) % len(NASTY)]},
        )
    np.savez(place / "other.npz", logits=z / 3)
    calm = 1.5 * rng.normal(size=(400, len(NASTY)))
    drawn = (calm + rng.gumbel(size=calm.shape)).argmax(1)
    np.savez(place / "cal.npz", logits=2 * calm, labels=drawn, classes=np.array(NASTY))
    gates = {"max_ece": 0.01, "min_accuracy": 0.1}
    one = evaluate(files[:1], cal=[place / "cal.npz"], ood=[place / "other.npz"], gates=gates, group=[SITE, "level"])
    paths["evaluation"] = write(one, place / "one.html", f"levelhead evaluate {NASTY[1]}")
    paths["evaluations"] = write(evaluate(files), place / "two.html", "levelhead evaluate ...")
    return paths


def _with_examples(folder, pictures=False):
    """Gives all test examples ids, and keeps pictures or hostile texts of the worst mistakes."""
    for path in folder.glob("runs/*/test.safetensors"):
        said = Predictions.load(path)
        ids = np.arange(said.num_examples)
        Predictions(labels=said.labels, logits=said.logits, ids=ids, role="test", classes=said.classes).save(path)
    compared = read(folder)
    ids = sorted({each.id for method in compared.methods for each in mistakes(compared, method)})
    rng = np.random.default_rng(0)
    shown = (
        {"pictures": rng.integers(0, 256, (len(ids), 32, 32, 3), dtype=np.uint8)}
        if pictures
        else {"texts": np.array([f"{NASTY[k % len(NASTY)]} {NASTY[(k + 1) % len(NASTY)]}" for k in range(len(ids))])}
    )
    np.savez(folder / FILE, ids=np.array(ids), **shown)
    return folder


@pytest.fixture
def look(browser, pages):
    """Opens a page by its name; at the end it must have said nothing and asked for nothing but itself."""
    opened = []

    def open_page(name, **options):
        opened.append(Watched(browser, pages[name], **options))
        return opened[-1]

    yield open_page
    for each in opened:
        each.close()


ALL = ("usual", "hostile", "classes", "runs", "evaluation", "evaluations")


@pytest.mark.parametrize("name", ALL)
def test_it_is_small_silent_drawn_and_for_everybody(look, pages, name):
    assert pages[name].stat().st_size < LIMIT
    page = look(name)
    page.draw_all()
    before = page.marks()
    assert before
    assert min(before.values()) > 0, before
    page.tab.locator("input[name=state][value=scaled]").check()
    after = page.marks()
    assert min(after.values()) > 0, after
    assert page.tab.locator("text=No temperature").count() == 0
    page.tab.evaluate("document.querySelectorAll('details').forEach(each => { each.open = true; })")
    assert page.faults() == []
    page.tab.set_viewport_size({"width": 390, "height": 844})
    assert page.faults() == []


@pytest.mark.parametrize("name", ["usual", "evaluation"])
def test_it_can_be_read_in_the_dark(look, name):
    page = look(name, color_scheme="dark")
    assert page.tab.evaluate("getComputedStyle(document.documentElement).backgroundColor") == "rgb(21, 23, 26)"
    page.tab.evaluate("document.querySelectorAll('details').forEach(each => { each.open = true; })")
    assert page.faults() == []


def order(page, table, column):
    """What a column is sorted by, from the top down; None where it is undefined."""
    keys = page.tab.evaluate(
        "([id, n]) => [...document.getElementById(id).tBodies[0].rows].map(row => row.cells[n].dataset.sort ?? '')",
        [table, column],
    )
    return [None if key == "" else key if column == 0 else float(key) for key in keys]


def ascending(keys):
    return [key for key in keys if key is not None] == sorted(key for key in keys if key is not None)


@pytest.mark.parametrize(("name", "table"), [("usual", "leading"), ("classes", "classes"), ("evaluation", "classes-0")])
def test_every_heading_sorts_there_and_back(look, name, table):
    page = look(name)
    buttons = page.tab.locator(f"#{table} thead button")
    for column in range(1, buttons.count()):
        button = buttons.nth(column)
        heading = button.locator("xpath=..")
        seen = []
        for _ in range(2):
            button.focus()
            page.tab.keyboard.press("Enter")
            seen.append(heading.get_attribute("aria-sort"))
            keys = order(page, table, column)
            assert ascending(keys if seen[-1] == "ascending" else keys[::-1])
            known = [key is not None for key in keys]
            assert known == sorted(known, reverse=True), "undefined numbers come last"
        assert sorted(seen) == ["ascending", "descending"]
    assert page.tab.locator(f"#{table} th[aria-sort]").count() == 1


def test_the_keyboard_reaches_everything_and_shows_where_it_is(look):
    page = look("usual")
    page.tab.keyboard.press("Tab")
    assert page.tab.evaluate("document.activeElement.className") == "skip"
    reached = set()
    for _ in range(60):
        page.tab.keyboard.press("Tab")
        kind, outline = page.tab.evaluate(
            "() => [document.activeElement.localName, getComputedStyle(document.activeElement).outlineStyle]"
        )
        if kind == "body":
            break
        reached.add(kind)
        assert outline != "none", kind
    assert {"a", "button", "summary", "input", "select", "div"} <= reached  # div: a box that scrolls


def test_the_switch_changes_the_diagrams_and_their_numbers(look):
    page = look("usual")
    page.draw_all()

    def shown():
        return page.tab.evaluate("document.getElementById('reliability-0').data[0].y")

    details = page.tab.locator("details.numbers[data-for^=reliability-0]")
    details.locator("summary").click()
    before, numbers = shown(), details.locator("td").all_text_contents()
    page.tab.locator("input[name=state][value=raw]").focus()
    page.tab.keyboard.press("ArrowRight")
    assert shown() != before
    assert details.locator("td").all_text_contents() != numbers
    page.tab.keyboard.press("ArrowLeft")
    assert shown() == before


def test_another_method_can_be_chosen_for_classes_and_mistakes(look, pages):
    page = look("usual")
    chosen = page.tab.locator("#pick-classes")
    methods = [text.split(" (")[0] for text in chosen.locator("option").all_text_contents()]
    assert methods[0] == "mixup"
    assert sorted(methods) == sorted(METHODS)
    before = page.tab.locator("#classes td").all_text_contents()
    page.tab.locator("#classes thead button", has_text="gap after").click()
    chosen.select_option(label="vanilla (baseline)")
    assert page.tab.locator("#classes td").all_text_contents() != before
    keys = order(page, "classes", 5)
    assert keys == sorted(keys, reverse=True)  # the order that was asked for stays
    chosen.select_option(index=0)
    page.tab.locator("#classes thead button", has_text="accuracy").click()
    assert page.tab.locator("#classes td").all_text_contents() == before
    lists = page.tab.locator("ol.mistakes")
    assert lists.count() == len(METHODS)
    assert [one.is_visible() for one in lists.all()] == [True] + [False] * (len(METHODS) - 1)
    page.tab.locator("#pick-mistakes").select_option(index=2)
    assert [one.is_visible() for one in lists.all()].index(True) == 2
    widths = page.tab.evaluate(
        "[...document.querySelectorAll('ol.mistakes:not([hidden]) img')].map(i => i.naturalWidth)"
    )
    assert len(widths) == 12
    assert set(widths) == {32}


def test_hostile_text_stays_text(look):
    page = look("hostile")
    page.draw_all()
    handlers = (
        "[...document.querySelectorAll('body *')].flatMap(e => e.getAttributeNames()).filter(n => n.startsWith('on'))"
    )
    assert page.tab.evaluate(handlers) == []
    assert page.tab.locator("main img, main b, main script").count() == 0
    named = page.tab.locator("#classes bdi").all_text_contents()
    assert sorted(named) == sorted(NASTY)
    quoted = page.tab.locator("ol.mistakes:not([hidden]) blockquote").all_text_contents()
    assert any(NASTY[1] in text for text in quoted)
    ticks = page.tab.evaluate("document.getElementById('differences').layout.yaxis.ticktext")
    assert any("&lt;script&gt;" in text for text in ticks)
    assert page.tab.locator("#differences .ytick text", has_text="<script>alert(1)").count() == 1


def test_the_matrix_of_confusions_can_be_read(look):
    page = look("evaluation")
    boxes = page.tab.evaluate(
        """() => [...document.querySelectorAll('.matrix td, .matrix th')].map(e => {
             const box = e.getBoundingClientRect(); return [e.localName, box.width, box.height, e.textContent]; })"""
    )
    assert sum(kind == "td" for kind, *_ in boxes) == len(NASTY) ** 2
    assert min(width for _, width, *_ in boxes) >= 24
    assert max(height for _, _, height, _ in boxes) < 200  # names of any length
    assert [text for kind, _, _, text in boxes if kind == "th"][1 : len(NASTY) + 1] == list(NASTY)
    shades = page.tab.evaluate(
        "[...document.querySelectorAll('.matrix td')].map(e => getComputedStyle(e).backgroundColor)"
    )
    assert len(set(shades)) > 5
    page.tab.locator("nav a", has_text="Prediction sets").focus()
    page.tab.keyboard.press("Enter")
    assert page.tab.evaluate("location.hash") == "#sets"


@pytest.mark.parametrize("name", ["usual", "evaluation"])
def test_paper_is_light_holds_every_panel_and_cuts_nothing_off(look, name):
    page = look(name, color_scheme="dark", viewport={"width": 703, "height": 1000})  # A4 less its margins
    page.tab.emulate_media(media="print", color_scheme="dark")
    page.tab.evaluate("dispatchEvent(new Event('beforeprint'))")
    assert page.tab.evaluate("getComputedStyle(document.documentElement).backgroundColor") == "rgb(255, 255, 255)"
    assert page.tab.locator("details:not(.numbers):not([open])").count() == 0
    assert min(page.marks().values()) > 0
    wide = page.tab.evaluate(
        """() => [...document.querySelectorAll('table, figure, .card, p, pre, img')]
          .filter(e => e.checkVisibility() && e.getBoundingClientRect().right > 704)
          .map(e => `${e.id || e.className || e.localName} ${e.getBoundingClientRect().right}`)"""
    )
    assert wide == []
    page.tab.evaluate("dispatchEvent(new Event('afterprint'))")
    assert page.tab.locator("details:not(.numbers):not([open])").count() > 0
    assert len(page.tab.pdf()) > 20_000


def test_without_scripts_all_numbers_are_there(browser, pages):
    page = Watched(browser, pages["usual"], java_script_enabled=False)
    assert page.tab.locator("#leading tbody tr").count() == len(METHODS)
    assert page.tab.locator("ol.mistakes:not([hidden]) img").count() == 12
    assert "need JavaScript" in page.tab.locator("noscript").first.inner_text()
    page.close()


def test_the_first_screen_says_what_was_asked_and_what_to_do(look, pages):
    page = look("usual")
    summary = json.loads((pages["usual"].parent / "summary.json").read_text())
    for text in (summary["verdict"][0], "Tentatively take mixup", "examples", "methods", "seeds"):
        box = page.tab.get_by_text(text, exact=False).first.bounding_box()
        assert box is not None
        assert box["y"] + box["height"] < 900, text
