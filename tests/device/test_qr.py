"""A drawn code is read back exactly, also from a bad picture; and what is no code is refused."""

from __future__ import annotations

import io
import random
import sys

import numpy as np
import pytest
from PIL import Image

from prune_lab.device.qr import QRCode, read

PAYLOAD = random.Random(0).randbytes(947)
CODE = QRCode(PAYLOAD)


def picture(scale: int = 5) -> Image.Image:
    return Image.fromarray(CODE.image(scale))


def noisy(image: Image.Image) -> Image.Image:
    noise = np.random.default_rng(0).normal(0, 60, (image.height, image.width))
    return Image.fromarray(np.clip(np.asarray(image) + noise, 0, 255).astype(np.uint8))


def jpeg(image: Image.Image) -> Image.Image:
    file = io.BytesIO()
    image.save(file, "JPEG", quality=15)
    return Image.open(io.BytesIO(file.getvalue()))


def spotted(image: Image.Image) -> Image.Image:
    """A spot over part of the modules, as of coffee."""
    pixels = np.asarray(image).copy()
    middle = len(pixels) // 2
    pixels[middle : middle + 60, middle : middle + 60] = 0
    return Image.fromarray(pixels)


@pytest.mark.parametrize(
    "change",
    [
        lambda image: image,
        noisy,
        jpeg,
        lambda image: noisy(jpeg(image)),
        spotted,
        lambda image: image.rotate(7, Image.Resampling.BICUBIC, expand=True, fillcolor=255),
        lambda image: image.rotate(90),
        lambda image: image.rotate(180),
        lambda image: image.resize((413, 413), Image.Resampling.LANCZOS),
        lambda image: image.resize((1700, 1700)),
        lambda image: Image.merge("RGB", [image] * 3),
        lambda image: np.asarray(image),
    ],
    ids=["as it is", "noise", "JPEG", "both", "spot", "7 degrees", "90 degrees", "180 degrees",
         "smaller", "larger", "colour", "array"],
)  # fmt: skip
def test_it_is_read_back_exactly(change) -> None:
    assert read(change(picture())) == PAYLOAD


@pytest.mark.parametrize(
    ("size", "level", "version"),
    [(1000, "M", 26), (1350, "M", 30), (1370, "M", 30), (1371, "M", 31), (2331, "M", 40),
     (2953, "L", 40), (14, "M", 1), (15, "M", 2)],
)  # fmt: skip
def test_the_version_is_the_smallest_that_holds_it(size: int, level: str, version: int) -> None:
    """Against table 7 of ISO/IEC 18004: bytes in each version and level."""
    payload = random.Random(size).randbytes(size)
    code = QRCode(payload, level)
    assert code.version == version
    assert len(code.image(1)) == 17 + 4 * version + 8
    assert read(code.image()) == payload


@pytest.mark.parametrize(
    "payload",
    [bytes(range(256)), bytes(300), b"\xff" * 300, b"12345678", b"HTTPS", "träge 語".encode(),
     b"\xef\xbb\xbfmark", b"\x00"],
)  # fmt: skip
def test_bytes_stay_bytes_whatever_they_look_like(payload: bytes) -> None:
    assert read(QRCode(payload).image()) == payload


def test_what_is_shown_in_a_notebook_can_be_read() -> None:
    assert read(Image.open(io.BytesIO(CODE._repr_png_()))) == PAYLOAD
    assert repr(CODE) == f"QRCode(version {CODE.version}-M, 947 bytes)"


def test_what_does_not_fit_is_refused() -> None:
    for payload, level in ((b"", "M"), (bytes(2332), "M"), (bytes(2954), "L")):
        with pytest.raises(ValueError, match=f"a QR code of level {level} holds 1 to"):
            QRCode(payload, level)
    with pytest.raises(ValueError, match="level must be one of L, M, Q, H"):
        QRCode(b"1", "X")


def test_no_code_and_two_codes_are_refused() -> None:
    with pytest.raises(ValueError, match="one QR code is needed, but none"):
        read(np.full((200, 200), 255, dtype=np.uint8))
    one = QRCode(b"one").image(8)
    with pytest.raises(ValueError, match="but 2 can be read"):
        read(np.hstack([one, one]))


def test_a_destroyed_code_is_refused_and_never_read_wrongly() -> None:
    pixels = CODE.image(5).copy()
    pixels[100:300, 100:400] = 255
    with pytest.raises(ValueError, match="none"):
        read(pixels)


@pytest.mark.parametrize(("name", "call"), [("segno", lambda: QRCode(b"1")),
                                            ("zxingcpp", lambda: read(CODE.image()))])  # fmt: skip
def test_without_the_extra_one_sentence_says_what_to_install(monkeypatch, name, call) -> None:
    monkeypatch.setitem(sys.modules, name, None)
    with pytest.raises(
        ImportError, match=rf"^{name} is missing: pip install 'prune-lab\[device\]'$"
    ):
        call()
