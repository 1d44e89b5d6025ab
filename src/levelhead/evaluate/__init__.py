"""Evaluation of anybody's predictions: files in, an honest and complete answer out."""

from levelhead.evaluate.evaluation import evaluate

__all__ = ["evaluate"]
