"""The frame of every page: `base.html` around a template of its own, with looks, behaviour and plotly written into it.

Names come from users: the template escapes all text, and `embed.script_json` the figures' data.
"""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from levelhead.report import embed, rounding

_HERE = Path(__file__).parent


def framed(template: str, drawn: Mapping[str, Any], choices: Mapping[str, Any] | None = None, **words: Any) -> str:
    """The HTML of a `template` that extends `base.html`: `drawn` are its figures by place, `words` what it says.

    `choices` are the texts of tables that show one of several methods, by the table's id.
    """
    from jinja2 import Environment, FileSystemLoader, StrictUndefined
    from markupsafe import Markup
    from plotly.offline import get_plotlyjs

    environment = Environment(
        loader=FileSystemLoader(_HERE), autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True
    )
    environment.filters["count"] = rounding.count
    environment.filters["number"] = rounding.number
    return environment.get_template(template).render(
        **words,
        style=Markup((_HERE / "page.css").read_text(encoding="utf-8")),
        behaviour=Markup((_HERE / "page.js").read_text(encoding="utf-8")),
        plotly=Markup(get_plotlyjs()),
        payload=Markup(embed.script_json(drawn)),
        choices=Markup(embed.script_json(choices)) if choices else "",
    )
