"""Bytes as a QR code: drawn by segno, read back by ZXing (``pip install 'prune-lab[device]'``)."""

from __future__ import annotations

import io
from typing import Any

import numpy as np

from prune_lab.device.extras import extra

LEVELS = {"L": 7, "M": 15, "Q": 25, "H": 30}  # percent of the code that may be lost
_LARGEST = {"L": 2953, "M": 2331, "Q": 1663, "H": 1273}  # bytes in version 40, ISO/IEC 18004
_BORDER = 4  # modules of white around the code, as the standard wants


class QRCode:
    """A QR code that holds bytes, and shows itself in a notebook.

    Args:
        payload: 1 to 2,331 bytes (level M), any values.
        level: how much of the code may be lost and it can still be read: "L" 7 %, "M" 15 %,
            "Q" 25 %, "H" 30 %.

    Attributes:
        version: 1 to 40, the smallest that holds the payload; the code has ``17 + 4 * version``
            modules a side.

    Raises ValueError for too many bytes or none, ImportError if segno is not installed.

    >>> code = QRCode(bytes(range(256)))
    >>> code
    QRCode(version 12-M, 256 bytes)
    >>> code.image().shape, read(code.image()) == bytes(range(256))
    ((292, 292), True)
    """

    def __init__(self, payload: bytes, level: str = "M") -> None:
        if level not in LEVELS:
            raise ValueError(f"level must be one of {', '.join(LEVELS)}, but got {level!r}")
        if not 1 <= len(payload) <= _LARGEST[level]:
            raise ValueError(
                f"a QR code of level {level} holds 1 to {_LARGEST[level]:,} bytes, "
                f"but got {len(payload):,}"
            )
        segno = extra("segno")
        self.payload = bytes(payload)
        self.level = level
        self._code = segno.make_qr(self.payload, error=level, mode="byte", boost_error=False)
        self.version: int = self._code.version

    def __repr__(self) -> str:
        return f"QRCode(version {self.version}-{self.level}, {len(self.payload):,} bytes)"

    def image(self, scale: int = 4) -> np.ndarray:
        """Return the code as (N, N) uint8, 0 black and 255 white, each module `scale` pixels."""
        modules = np.array([list(row) for row in self._code.matrix_iter(scale, _BORDER)])
        return np.where(modules, 0, 255).astype(np.uint8)

    def _repr_png_(self) -> bytes:
        file = io.BytesIO()
        self._code.save(file, kind="png", scale=4, border=_BORDER)
        return file.getvalue()


def read(image: Any) -> bytes:
    """Return the bytes of the QR code in a picture, such as a photograph of it.

    Args:
        image: (H, W) or (H, W, 3) uint8 as a numpy array, or a PIL image.

    Raises ValueError if there is not exactly one code that can be read, ImportError if zxing-cpp is
    not installed.
    """
    zxing = extra("zxingcpp")
    found = zxing.read_barcodes(image, formats=zxing.BarcodeFormat.QRCode)
    if len(found) != 1:
        raise ValueError(f"one QR code is needed, but {len(found) or 'none'} can be read here")
    return bytes(found[0].bytes)
