"""Pictures whose address holds all of them (``data:``), so that a page needs nothing beside it. H, W."""

import base64
import io

import numpy as np


def address(pixels: np.ndarray, colours: np.ndarray | None = None, *, small: bool = False) -> str:
    """A uint8 picture as an address.

    Args:
        pixels: ``(H, W)``, ``(H, W, 1)`` or ``(H, W, 3)``.
        colours: what the numbers ``(H, W)`` stand for, uint8 ``(256, 3)``.
        small: as JPEG, which loses detail, where that is shorter than PNG, which keeps it.

    >>> address(np.zeros((4, 4, 1), np.uint8))[:22]
    'data:image/png;base64,'
    """
    from PIL import Image

    image = Image.fromarray(np.ascontiguousarray(pixels.squeeze(2) if pixels.shape[2:] == (1,) else pixels))
    if colours is not None:
        image.putpalette(colours.tobytes())
    written = {}
    for form, options in (("png", {"optimize": True}), *((("jpeg", {"quality": 80}),) if small else ())):
        file = io.BytesIO()
        image.save(file, form, **options)
        written[form] = file.getvalue()
    form = min(written, key=lambda form: len(written[form]))
    return f"data:image/{form};base64,{base64.b64encode(written[form]).decode()}"
