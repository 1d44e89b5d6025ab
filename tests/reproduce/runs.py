"""Runs in this process: a worker costs seconds to start, and tests/compare has its own tests of them."""

from levelhead.compare.probing import answer
from levelhead.train.execute import execute


def in_this_process(whole, folder, runs, *, jobs, report):
    """In place of `levelhead.compare.compare.carry_out`."""
    for run in runs:
        execute(run, whole.data, folder.run(run), lambda _: None, lambda: False)
        answer(run, whole.data, folder.run(run), whole.probes, lambda: False, lambda _: None)
        report("done", run, None)
    return {}
