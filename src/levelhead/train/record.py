"""What the papers' figures need beyond the last epoch, written during training, a file an epoch.

    targets     `targets-0007.npz`: mean training targets of the epoch, and targets of one fixed batch (PLS, figures 1
                and 4; LaMix, figures 2 and 3)
    epochs      `cal-0007.safetensors`, `test-0007.safetensors`: predictions after the epoch; nothing reads them back
    embeddings  `embeddings-0007.npz`: features of at most 2,000 test examples, a bottleneck's where the network has
                one, else the penultimate ones, and the accuracy on clean training examples (LaMix, figure 8)

Recording changes no number of a run. N examples, B batch, C classes, m features.
"""

import io
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from torch import Tensor

from levelhead.classifier import find_classifier
from levelhead.files import write_whole
from levelhead.network import Features, call, evaluating
from levelhead.spec import Spec
from levelhead.train.processes import summed
from levelhead.types import Mix, Output

if TYPE_CHECKING:
    from levelhead.train.trainer import Trainer

#: What can be recorded.
RECORDS = ("targets", "epochs", "embeddings")
_OTHERS = 5
_EMBEDDED = 2_000
_FIXED = 128


def check_records(names: tuple[str, ...]) -> tuple[str, ...]:
    """The names, each once, in our order. Raises ``ValueError`` for one that cannot be recorded."""
    for name in names:
        if name not in RECORDS:
            raise ValueError(f"--record must be one of {', '.join(RECORDS)}, not {name!r}")
    return tuple(name for name in RECORDS if name in names)


def check_recordable(names: tuple[str, ...], spec: Spec) -> None:
    """Refuse, before training, a method whose targets are not those of pairs."""
    if "targets" in names and spec.mixing.partners > 1:
        raise ValueError(
            f"--record targets is about pairs, and {spec.mixing} mixes more than two; leave one of them out"
        )


def add_targets(sums: dict[str, Tensor], out: Output, labels: Tensor, mixed: bool) -> None:
    """Add one step's targets to the sums of the epoch.

    ``pairs``: of examples whose label differs from their partner's, the target of their own class, of the partner's,
    and the five largest others; ``originals``: of unmixed examples the target of their class and the five largest
    others; ``largest``: of pairs with different labels the five largest of all. Each with its count.
    """
    targets = out.targets.detach().double().cpu()
    labels = labels.cpu()
    partner = labels[out.mix.partner.cpu()]
    differ = (labels != partner) & torch.tensor(mixed)
    _add(sums, "pairs", _classes_and_others(targets[differ], labels[differ], partner[differ]))
    _add(sums, "largest", targets[differ].topk(min(_OTHERS, targets.shape[1]), 1).values)
    if not mixed:
        _add(sums, "originals", _classes_and_others(targets, labels))


def _classes_and_others(targets: Tensor, *own: Tensor) -> Tensor:
    """The targets of the classes in ``own``, then the largest of the others, a row an example."""
    classes = torch.stack(own, 1)
    others = targets.scatter(1, classes, -1.0)
    count = min(_OTHERS, targets.shape[1] - len(own))
    return torch.cat([targets.gather(1, classes), others.topk(count, 1).values], 1)


def _add(sums: dict[str, Tensor], name: str, rows: Tensor) -> None:
    fresh = torch.cat([rows.sum(0), rows.new_tensor([len(rows)])])
    sums[name] = sums.get(name, torch.zeros_like(fresh)) + fresh


def means(sums: dict[str, Tensor]) -> dict[str, np.ndarray]:
    """Means of the epoch and how many examples they are over (``pairs`` and ``pairs_count``); NaN over none."""
    found: dict[str, np.ndarray] = {}
    for name, total in sums.items():
        count = total[-1]
        found[name] = (total[:-1] / count).numpy()  # 0 / 0 is NaN: no such example
        found[f"{name}_count"] = count.long().numpy()
    return found


def write_epoch(trainer: "Trainer", epoch: int, folder: Path) -> None:
    """Write what the run records of the epoch that just ended, number ``epoch`` counted from one."""
    wanted = trainer.run.record
    # what all processes of a group must say comes before what the first one writes
    sums = summed(trainer.fabric, trainer.place.targets)
    predictions = {role: trainer.predictions(role) for role in ("cal", "test")} if "epochs" in wanted else {}
    fit = trainer.accuracy("train") if "embeddings" in wanted else 0.0
    if not trainer.leads:
        return
    if "targets" in wanted:
        _write(folder / f"targets-{epoch:04d}.npz", means(sums) | _fixed_batch(trainer))
    for role, said in predictions.items():
        said.save(folder / f"{role}-{epoch:04d}.safetensors")
    if "embeddings" in wanted:
        _write(folder / f"embeddings-{epoch:04d}.npz", _embeddings(trainer) | {"train_accuracy": np.array(fit)})


def _fixed_batch(trainer: "Trainer") -> dict[str, np.ndarray]:
    """Targets ``(B, C)`` and what the head says of the first training examples, each paired with the next."""
    objective, batches = trainer.objective, trainer.batches["train"]
    rows = torch.arange(min(_FIXED, len(batches)))
    inputs, labels = trainer.clean("train", rows)
    mixes = objective.spec.mixing.share > 0
    pairing = Mix(rows.roll(-1), 0.5) if mixes else None
    state = objective.generator.get_state()
    with torch.no_grad(), evaluating(objective):
        out = objective(inputs, labels, mix=pairing)
    objective.generator.set_state(state)
    found = {"fixed_targets": out.targets, "fixed_labels": labels, "fixed_partner": out.mix.partner}
    if out.learned is not None:
        found["fixed_learned"] = out.learned
    return {name: value.cpu().numpy() for name, value in found.items()}


def _embeddings(trainer: "Trainer") -> dict[str, np.ndarray]:
    """Features ``(N, m)``, a bottleneck's or those in front of the classifier, and labels ``(N,)`` of test examples.

    The examples are evenly spaced.
    """
    batches, model = trainer.batches["test"], trainer.objective.model
    rows = torch.linspace(0, len(batches) - 1, min(_EMBEDDED, len(batches)), dtype=torch.float64).long()
    layer: Any = getattr(model, "behind_bottleneck", None) or find_classifier(model, trainer.data.num_classes)
    parts = []
    with torch.no_grad(), evaluating(model):
        for some in rows.split(512):
            reader = Features(layer)
            inputs = trainer.clean("test", some)[0]
            call(model, inputs, (reader.hook,))
            parts.append(reader.read(len(some)).float().cpu())
    split = trainer.data.splits["test"]
    chosen = rows.numpy()
    return {"features": torch.cat(parts).numpy(), "labels": split.labels[chosen], "ids": split.ids[chosen]}


def _write(path: Path, arrays: dict[str, Any]) -> None:
    buffer = io.BytesIO()
    np.savez(buffer, **arrays)
    path.parent.mkdir(parents=True, exist_ok=True)
    write_whole(path, lambda partial: partial.write_bytes(buffer.getvalue()))
