"""ONNX Runtime, the engine of many devices: some megabytes, and no torch (extra ``device``)."""

from __future__ import annotations

import io
import warnings
from typing import Any

import torch
from torch import Tensor, nn

from prune_lab.device.extras import extra
from prune_lab.training import at_rest


def export(model: nn.Module, images: Tensor) -> bytes:
    """Return the model as an ONNX file, which any number of images can be given to.

    It is written by ``torch.onnx.export``, which works out what is constant: of a mask, its zeros
    are left. The model is left as it was.

    Args:
        model: any that torch can export, on the CPU.
        images: a batch, (N, ...), that shows the shape of one image.

    Raises ValueError if torch cannot export it, ImportError if onnx is not installed.
    """
    extra("onnx")
    file: Any = io.BytesIO()  # which torch takes, whatever its types say
    try:
        with at_rest(model), warnings.catch_warnings():
            # Of torch's two exporters the older one: it needs no library but onnx, and says so.
            warnings.simplefilter("ignore")
            torch.onnx.export(
                model,
                (images[:1],),
                file,
                dynamo=False,
                input_names=["images"],
                output_names=["logits"],
                dynamic_axes={"images": {0: "N"}, "logits": {0: "N"}},
            )
    except Exception as error:  # torch names what it cannot follow in many classes of error
        sentence = str(error).strip().partition("\n")[0]
        raise ValueError(f"torch cannot export this model: {sentence}") from None
    return file.getvalue()


class Engine:
    """A network in ONNX Runtime, on one thread: called with images, it answers with logits.

    Args:
        payload: an ONNX file, such as `export` returns.

    Raises ImportError if onnxruntime is not installed.

    >>> from prune_lab.lenet import LeNet
    >>> engine = Engine(export(LeNet(), torch.zeros(1, 1, 32, 32)))
    >>> engine(torch.zeros(7, 1, 32, 32)).shape
    torch.Size([7, 10])
    """

    def __init__(self, payload: bytes) -> None:
        onnxruntime = extra("onnxruntime")
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = options.inter_op_num_threads = 1
        self._session = onnxruntime.InferenceSession(
            payload, options, providers=["CPUExecutionProvider"]
        )
        self._reads = self._session.get_inputs()[0].name

    def __call__(self, images: Tensor) -> Tensor:
        """Return the logits (N, classes) for images (N, ...), float32."""
        (logits, *_rest) = self._session.run(None, {self._reads: images.detach().numpy()})
        return torch.from_numpy(logits)
