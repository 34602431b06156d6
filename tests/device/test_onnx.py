"""ONNX Runtime answers as torch does: the block of docs/device.md, run as it stands."""

from __future__ import annotations

import re
import sys

import pytest
import torch
from torch import nn
from torch.nn.utils import prune as torch_prune

from prune_lab import prune
from prune_lab.course import trained_lenet
from prune_lab.data import load_digits
from prune_lab.device.onnx_runtime import Engine, export
from tests.benchmarks.device import PAGE
from tests.device.networks import residual


@pytest.mark.parametrize("amount", [0.0, 0.9])
def test_the_pages_block_gives_torchs_logits(amount: float) -> None:
    blocks = re.findall(r"^```python\n(.*?)^```", PAGE.read_text(), re.M | re.S)
    (block,) = [block for block in blocks if "onnx_runtime" in block]

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
    assert torch.allclose(found["logits"], wanted, rtol=0, atol=1e-5)


@pytest.mark.parametrize(
    "make", [residual, lambda: nn.Sequential(nn.Flatten(), nn.Linear(1024, 3))]
)
def test_an_engine_gives_torchs_logits_for_any_number_of_images(make) -> None:
    model, generator = make(), torch.Generator().manual_seed(0)
    engine = Engine(export(model, torch.zeros(1, 1, 32, 32)))
    for number in (1, 2, 65):
        images = torch.randn(number, 1, 32, 32, generator=generator)
        with torch.no_grad():
            assert torch.allclose(engine(images), model(images), rtol=0, atol=1e-5)


@pytest.mark.parametrize("engine", [prune, torch_prune])
def test_masks_become_zeros_and_the_model_is_left_as_it_was(engine) -> None:
    model = trained_lenet().train()
    engine.l1_unstructured(model.fc1, "weight", 0.9)
    images = load_digits().test_images[:50]
    run = Engine(export(model, images))
    assert model.training and engine.is_pruned(model.fc1)
    with torch.no_grad():
        assert torch.allclose(run(images), model(images), rtol=0, atol=1e-5)
    assert len(export(model, images)) < 1.01 * len(export(trained_lenet(), images))


def test_what_torch_cannot_export_is_refused_in_a_sentence() -> None:
    with pytest.raises(ValueError, match=r"^torch cannot export this model: [^\n]*$"):
        export(trained_lenet(), torch.zeros(1, 3, 32, 32))


@pytest.mark.parametrize(
    ("name", "call"),
    [
        ("onnx", lambda: export(trained_lenet(), torch.zeros(1, 1, 32, 32))),
        ("onnxruntime", lambda: Engine(b"")),
    ],
)
def test_without_the_extra_one_sentence_says_what_to_install(monkeypatch, name, call) -> None:
    monkeypatch.setitem(sys.modules, name, None)
    with pytest.raises(
        ImportError, match=rf"^{name} is missing: pip install 'prune-lab\[device\]'$"
    ):
        call()
