"""`digits`: scikit-learn's 1,797 handwritten digits, 8x8 pixels of 17 grey levels; embedded, no file is read.

With many of these easy images plain training is already calibrated, so 128 are used for training unless the
user says otherwise, 500 are for `cal` and the rest is for `test`.
"""

from __future__ import annotations

import numpy as np

from levelhead.data.source import Part, Request, Source


def read(request: Request) -> Source:
    """The digits as uint8 images `(N, 1, 8, 8)`: level k of 0..16 becomes round(255 k / 16)."""
    from sklearn.datasets import load_digits

    levels, labels = load_digits(return_X_y=True)
    images = np.rint(levels.reshape(-1, 1, 8, 8) * (255 / 16)).astype(np.uint8)
    return Source(
        name="digits",
        kind="image",
        classes=tuple(str(digit) for digit in range(10)),
        parts={"train": Part.of_array(images, labels)},
        origin="scikit-learn's handwritten digits, 8x8, embedded (Alpaydin and Kaynak 1998)",
        train_size=128,
        cal_size=500,
    )
