"""Train the course's networks again: `python -m prune_lab.course.weights`."""

from __future__ import annotations

import hashlib

import torch

from prune_lab.course.weights import SEEDS, Trained, path
from prune_lab.data import load_digits
from prune_lab.lenet import LeNet
from prune_lab.training import evaluate, fit

digits = load_digits()
print("Write into prune_lab/course/weights/__init__.py:\n\nTRAINED = (")
for seed in SEEDS:
    torch.manual_seed(seed)
    model = LeNet()
    fit(model, digits, seed=seed)
    torch.save(model.state_dict(), path(seed))
    trained = Trained(
        hashlib.sha256(path(seed).read_bytes()).hexdigest(),
        round(evaluate(model, digits.validation_images, digits.validation_labels) * 240),
        round(evaluate(model, digits.test_images, digits.test_labels) * 360),
    )
    right = f"{trained.validation_right}, {trained.test_right}"
    print(f'    Trained("{trained.sha256}", {right}),', flush=True)
print(")")
