"""A headless browser for the tests of pages: how it is found, and what a page may do in it."""

import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

NAMES = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")


@contextmanager
def started() -> Iterator[Any]:
    """The system's Chromium, or Playwright's own; skips, with the reason, where neither can be started."""
    playwright = pytest.importorskip("playwright.sync_api", reason="the package playwright is not installed")
    found = next((path for name in NAMES if (path := shutil.which(name))), None)
    with playwright.sync_playwright() as driver:
        try:
            browser = driver.chromium.launch(executable_path=found)
        except playwright.Error as error:
            where = found or "no Chromium on the path, nor one of Playwright's own"
            pytest.skip(f"no browser can be started ({where}): {str(error).splitlines()[0]}")
        yield browser
        browser.close()


class Watched:
    """A page in a tab of its own, and all it said, asked for and did wrong."""

    def __init__(self, browser: Any, path: Path, **options: Any) -> None:
        self.context = browser.new_context(**{"viewport": {"width": 1280, "height": 900}, **options})
        self.tab = self.context.new_page()
        self.said: list[str] = []
        self.asked: list[str] = []
        self.tab.on("console", lambda message: self.said.append(f"{message.type}: {message.text}"))
        self.tab.on("pageerror", lambda error: self.said.append(f"error: {error}"))
        self.tab.on("dialog", lambda dialog: (self.said.append(f"dialog: {dialog.message}"), dialog.dismiss()))
        self.tab.on("request", lambda request: self.asked.append(request.url))
        self.tab.goto(path.as_uri())

    def close(self) -> None:
        """Close the tab; fails if the page said anything or asked for anything but itself."""
        elsewhere = [url for url in self.asked[1:] if not url.startswith(("data:", "blob:"))]
        self.context.close()
        assert self.said == []
        assert elsewhere == []

    def draw_all(self) -> None:
        """Bring every figure into view, so that it is drawn."""
        self.tab.evaluate(
            """async () => {
                 const drawn = place => place.querySelector('.main-svg') || place.classList.contains('missing');
                 for (const place of document.querySelectorAll('.plot')) {
                   place.scrollIntoView();
                   while (!drawn(place)) await new Promise(requestAnimationFrame);
                 }
               }"""
        )

    def marks(self) -> dict[str, int]:
        """How many points, bars and lines each figure shows, by its place."""
        return self.tab.evaluate(
            """() => {
                 const extent = mark => { const box = mark.getBoundingClientRect(); return box.width + box.height; };
                 const marks = place => [...place.querySelectorAll('.scatterlayer path, .barlayer path')];
                 return Object.fromEntries([...document.querySelectorAll('.plot')].map(
                   place => [place.id, marks(place).filter(mark => extent(mark) > 1).length]));
               }"""
        )

    def faults(self) -> list[str]:
        """What keeps people from reading or using the page, as `audit.js` finds it."""
        return self.tab.evaluate((Path(__file__).parent / "audit.js").read_text(encoding="utf-8"))
