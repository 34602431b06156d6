"""Write docs/engine.md: what the engine does better, does as well, and how fast.

    python -m docs.tables

Every row is a small program from tests/engine that is run here against both engines; the speed
table comes from the numbers that `make bench` stored. Nothing in engine.md is typed by hand.
"""

from __future__ import annotations

import warnings
from pathlib import Path

from torch.nn.utils import prune as torch_prune

from prune_lab import prune
from tests.engine.defects import DEFECTS, Check, works
from tests.engine.faults import FAULTS
from tests.engine.features import FEATURES

PAGE = Path(__file__).parent / "engine.md"
RESULTS = Path(__file__).parent.parent / "tests" / "benchmarks" / "results"


LIMITS = """
What neither engine can do, and what to do instead:

* `quantize_dynamic` reads weights without a forward pass: call `remove` first.
* Averages of the weights (EMA, SWA) and states of an optimizer made before pruning: pruning
  changes the order of the parameters, so make them anew afterwards.
* The mask is put on when the pruned module is called. Where its weight is read without that, it is
  the one of the last call: in `module.forward(x)`, in a parent that computes with `child.weight`
  itself (torchvision's Swin, an `out_proj` of one's own in an attention), in a trace by
  `torch.fx.symbolic_trace` of the pruned module itself, in a hook that was registered before
  pruning. Call the module, prune the whole that is called, or call `remove` first.
* A copy of an optimizer has none of its hooks: call `hold_pruned` for it anew.
* Ranks of a distributed job that prune after wrapping, each with its own seed, get different
  masks: prune before wrapping, or set one seed.
* `reset_parameters()`, an adapter (LoRA) merged through `weight.data`, and other writes into a
  pruned layer's `weight` are gone at the next forward pass: write to `weight_orig`, or call
  `remove` first.
* Loaders that skip keys they do not know (`load_state_dict(strict=False)`, `from_pretrained` of
  Hugging Face) leave a layer unpruned, at the values it has, where the file says `weight_orig` and
  `weight_mask`: give the file's tensors to `load_checkpoint`.
* safetensors' `save_file` refuses tied parameters, pruned or not. Its `save_model` and `load_model`
  work between models that are tied and pruned alike: call `prune_twins` on both.
* A tensor set as `weight` of a pruned layer is refused at the next forward pass, but not right
  after a run under `torch.compile`, which shows weights that the engine does not see.
* A model pruned inside `torch.inference_mode()` has a mask that cannot train: torch says so at the
  next forward pass. Prune outside of it.
* A model that has run with gradients cannot be sent to another process by `ForkingPickler`:
  run it once under `torch.no_grad()`.
* Inside `cached()`, writes through `.data` are not seen: torch gives them no version.
"""


def page() -> str:
    """Return the page as Markdown; takes some seconds, because every program is run."""
    lines = [
        "# The engine beside torch.nn.utils.prune",
        "",
        "Written by `python -m docs.tables`, which runs every row against both.",
        "",
        "## What is mended",
        "",
        "Each row is a program in `tests/engine/defects.py`; the tests run it against both.",
        "",
        "| | torch | ours |",
        "|---|---|---|",
        *(_row(f"{d.number}. {d.title}", d.check) for d in DEFECTS),
        "",
        "Of defect 11, this is what became: torch leaves a tied parameter's other places unpruned, "
        "and so does a call of ours, because nobody can know who else holds a tensor. "
        "`prune_twins(model)` prunes them all, in that model and from then on.",
        "",
        "## What is never wrong in silence",
        "",
        "Each row is a program in `tests/engine/faults.py`: what libraries, threads, copies and "
        "other people's references do to a pruned model. It gives the right result, or a sentence "
        "that says what to do.",
        "",
        "| | torch | ours |",
        "|---|---|---|",
        *(_row(f.title, f.check) for f in FAULTS),
        "",
        LIMITS,
        "## What it can do",
        "",
        "Each row is a program in `tests/engine/features.py`.",
        "",
        "| | torch | ours |",
        "|---|---|---|",
        *(_row(f.title, f.check) for f in FEATURES),
        "",
        "## How fast it is",
        "",
    ]
    table = RESULTS / "engine.md"
    if table.exists():
        lines += [
            table.read_text(),
            "![Time and peak memory against size](../tests/benchmarks/results/engine.png)",
            "",
        ]
    else:
        lines += ["Not measured yet: run `make bench`.", ""]
    return "\n".join(lines)


def _row(title: str, check: Check) -> str:
    cells = ("yes" if works(check, engine) else "no" for engine in (torch_prune, prune))
    return f"| {title.replace('|', chr(92) + '|')} | {' | '.join(cells)} |"


if __name__ == "__main__":
    warnings.simplefilter("ignore")
    PAGE.write_text(page())
    print(f"wrote {PAGE.name}")
