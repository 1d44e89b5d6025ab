"""`spiral`: two interleaved Archimedean arms in the plane with noise, made from a fixed seed.

Point: radius t, angle 2 pi TURNS t (+ pi for the second arm), t = sqrt(u) with u uniform in [0.02, 1], so
that the points are as dense far out as near the centre; then Gaussian noise. The arms are `1 / (2 TURNS)`
apart, so the noise makes them overlap a
little: no classifier is right everywhere, and one that says it is certain everywhere is wrong about that.
"""

from __future__ import annotations

import numpy as np

from levelhead.data.source import Part, Request, Source

POINTS_PER_ARM = 1000
TURNS = 1.5
NOISE = 0.08
SEED = 20


def read(request: Request) -> Source:
    """The points as float32 vectors `(N, 2)`, arms alternating; 500 train, 500 cal, the rest test."""
    points, labels = arms(POINTS_PER_ARM, seed=SEED)
    return Source(
        name="spiral",
        kind="vector",
        classes=("first arm", "second arm"),
        parts={"train": Part.of_array(points, labels)},
        origin=f"two Archimedean spirals of {TURNS} turns with noise {NOISE}, made from a fixed seed",
        train_size=500,
        cal_size=500,
    )


def arms(points_per_arm: int, *, seed: int, noise: float = NOISE) -> tuple[np.ndarray, np.ndarray]:
    """Draws both arms.

    Args:
        points_per_arm: how many points each arm gets.
        seed: decides positions along the arm and the noise.
        noise: standard deviation of the noise; the outer radius is 1.

    Returns:
        float32 points `(2 * points_per_arm, 2)` and int64 labels 0, 1, 0, 1, ...
    """
    rng = np.random.default_rng(seed)
    labels = np.tile(np.array([0, 1], dtype=np.int64), points_per_arm)
    radius = np.sqrt(rng.uniform(0.02, 1.0, size=len(labels)))
    angle = 2 * np.pi * TURNS * radius + np.pi * labels
    points = radius[:, None] * np.stack([np.cos(angle), np.sin(angle)], axis=1)
    return (points + rng.normal(scale=noise, size=points.shape)).astype(np.float32), labels
