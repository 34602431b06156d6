"""ONNX Runtime answers as torch does: the block of docs/device.md, run as it stands."""

from __future__ import annotations

import re

import pytest
import torch
from torch import nn

from prune_lab import prune
from prune_lab.course import trained_lenet
from prune_lab.data import load_digits
from tests.benchmarks.device import PAGE


@pytest.mark.filterwarnings("ignore")  # the exporter says that it is the older of two
@pytest.mark.parametrize("amount", [0.0, 0.9])
def test_the_pages_block_gives_torchs_logits(amount: float) -> None:
    blocks = re.findall(r"^```python\n(.*?)^```", PAGE.read_text(), re.M | re.S)
    (block,) = [block for block in blocks if "onnxruntime" in block]

    def model() -> nn.Module:
        lenet = trained_lenet()
        for layer in lenet.children():
            prune.remove(prune.l1_unstructured(layer, "weight", amount), "weight")
        return lenet

    digits = load_digits()
    found = {"digits": digits, "trained_lenet": model}
    exec(compile(block, "device.md", "exec"), found)
    with torch.no_grad():
        wanted = model()(digits.test_images)
    assert torch.allclose(torch.tensor(found["logits"]), wanted, rtol=0, atol=1e-5)
