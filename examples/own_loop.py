"""An objective in anybody's training loop: two lines differ from plain PyTorch. Runs in a few seconds."""

import torch
from torch import nn

import levelhead as lh

torch.manual_seed(0)
data = lh.data.load("digits")
inputs, labels = (torch.from_numpy(array) for array in (data.splits["train"].inputs, data.splits["train"].labels))
inputs = inputs.float() / 255

model = nn.Sequential(nn.Flatten(), nn.Linear(64, 128), nn.ReLU(), nn.Linear(128, 10))
objective = lh.objective("pls", model, num_classes=10)
optimizer = torch.optim.SGD(objective.parameters(), lr=0.1, momentum=0.9)

for _ in range(100):
    for rows in torch.randperm(len(labels)).split(32):
        optimizer.zero_grad()
        objective(inputs[rows], labels[rows]).loss.backward()
        optimizer.step()

logits = {}
with torch.no_grad():
    for role in ("cal", "test"):
        logits[role] = model(torch.from_numpy(data.splits[role].inputs).float() / 255)
scaling = lh.calibrate.TemperatureScaling().fit(logits["cal"], torch.from_numpy(data.splits["cal"].labels))
test_labels = torch.from_numpy(data.splits["test"].labels)
for name, scores in (("raw", logits["test"]), ("scaled", scaling.apply(logits["test"]))):
    ece = lh.metrics.ece(logits=scores, labels=test_labels)
    nll = lh.metrics.nll(logits=scores, labels=test_labels)
    print(f"{name:6s} NLL {nll:.4f}  ECE {ece:.4f}")
accuracy = lh.metrics.accuracy(logits=logits["test"], labels=test_labels)
print(f"temperature {scaling.temperature:.3f}, accuracy {accuracy:.4f}")
