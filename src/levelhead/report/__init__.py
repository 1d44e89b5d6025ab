"""The report of a comparison: tables and figures joined into one page; the only room that rounds."""

from pathlib import Path


def build(folder: Path) -> Path:
    """Write ``report.html``."""
    from levelhead.report.page import build_page

    return build_page(folder)
