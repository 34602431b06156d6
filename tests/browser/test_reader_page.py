"""Networks that come to a page: in a link, a picture, before the camera, and in one address. All of
it with the network off, and every request watched: there are none."""

from __future__ import annotations

import base64
import io
import re
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from playwright.sync_api import expect

from prune_lab.course import trained_lenet
from prune_lab.data import load_digits
from prune_lab.device.operations import Flatten, Linear, Network
from prune_lab.device.packing import pack, unpack
from prune_lab.device.qr import QRCode
from prune_lab.reader.address import address
from prune_lab.reader.page import link, save_reader
from tests.benchmarks.device import records
from tests.benchmarks.reader import ON_PAPER, given, ink, measuring_page
from tests.browser import chromium
from tests.browser.notebook import right_of, until

ROW = records()[0]
PAYLOAD = base64.b64decode(ROW["payload"])
READER = unpack(PAYLOAD)
NONE_YET = "There is no network yet: show a code, or follow a link that carries one."
HERE = f"A network of {len(PAYLOAD)} bytes: {ROW['weights']} of its"


@pytest.fixture
def closed(page):
    """A page in a closed network that asks for nothing, and whose policy is never broken."""
    asked, said = [], []
    page.context.set_offline(True)
    page.context.route(re.compile("^(https?|wss?):"), lambda route: route.abort())
    page.on("request", lambda request: asked.append(request.url))
    page.on("console", lambda message: said.append(message.text))
    page.on("dialog", lambda dialog: pytest.fail("something was run"))
    yield page
    assert {url.partition(":")[0] for url in asked} <= {"file", "blob"}
    assert sum(url.startswith("file:") for url in asked) <= 1  # the page itself
    assert not [text for text in said if "Content Security Policy" in text]


@pytest.fixture(scope="module")
def reader(tmp_path_factory) -> Path:
    return save_reader(tmp_path_factory.mktemp("reader") / "reader.html")


def status(page):
    return page.locator("p[role=status]")


def code(payload: bytes) -> dict:
    """A QR code as a picture that somebody chooses."""
    file = io.BytesIO()
    Image.fromarray(QRCode(payload).image()).save(file, "PNG")
    return picture(file.getvalue())


def picture(content: bytes, name: str = "code.png", kind: str = "image/png") -> dict:
    return {"name": name, "mimeType": kind, "buffer": content}


def draw(page, *strokes) -> None:
    """Strokes on the paper, in shares of its side."""
    box = page.locator(".reader-paper").bounding_box()
    for stroke in strokes:
        places = [(box["x"] + x * box["width"], box["y"] + y * box["height"]) for x, y in stroke]
        page.mouse.move(*places[0])
        page.mouse.down()
        for place in places[1:]:
            page.mouse.move(*place, steps=4)
        page.mouse.up()


def seen(page) -> torch.Tensor:
    """The ink that the network sees, (1, 1, 32, 32)."""
    alpha = page.locator(".reader-seen").evaluate(
        "canvas => [...canvas.getContext('2d').getImageData(0, 0, 32, 32).data]"
    )
    return torch.tensor(alpha[3::4]).reshape(1, 1, 32, 32) / 255


def agrees(page) -> bool:
    """Whether what is on the screen is what Python's network answers to what is seen.

    The canvas rounds its ink to 255 steps; tests/device/test_program.py compares exactly.
    """
    wanted = READER((seen(page) - READER.mean) / READER.deviation)[0]
    texts = page.locator(".reader-logit").all_inner_texts()
    logits = [float(text.replace("−", "-")) for text in texts]
    if len(logits) != 10 or not np.allclose(logits, wanted, rtol=0.02, atol=0.3):
        return False
    named = page.locator(".prune-lab-verdict").inner_text()
    return named.startswith(f"It reads {int(wanted.argmax())} ")


ONE = [(0.5, 0.1), (0.5, 0.9)]
SEVEN = [(0.25, 0.15), (0.75, 0.15), (0.4, 0.9)]


def test_a_link_brings_a_network_that_reads_what_is_drawn(closed, reader) -> None:
    closed.goto(link(READER, reader.as_uri()))
    expect(status(closed)).to_contain_text(HERE)
    for stroke in (ONE, SEVEN):
        draw(closed, stroke)
        until(lambda: agrees(closed), True)
        closed.get_by_role("button", name="Clear").click()
        expect(closed.locator(".reader-logit")).to_have_count(0)


def test_small_and_aside_is_seen_as_the_data_is(closed, reader) -> None:
    closed.goto(link(READER, reader.as_uri()))
    draw(closed, [(0.1, 0.1), (0.1, 0.3)])
    expect(closed.locator(".reader-logit")).to_have_count(10)
    rows, columns = (seen(closed)[0, 0] > 0.5).nonzero(as_tuple=True)
    assert (int(rows.min()), int(rows.max())) in {(0, 31), (1, 31), (0, 30), (1, 30)}
    assert abs(float(columns.float().mean()) - 16) < 1  # the frame's middle


def test_the_keyboard_draws(closed, reader) -> None:
    closed.goto(link(READER, reader.as_uri()))
    closed.locator(".reader-paper").focus()
    for key in ["ArrowUp"] * 5 + [" "] + ["ArrowDown"] * 9 + [" ", "ArrowLeft"]:
        closed.keyboard.press(key)
    until(lambda: agrees(closed), True)
    rows, columns = (seen(closed)[0, 0] > 0.9).nonzero(as_tuple=True)
    assert len(rows.unique()) > 20 and len(columns.unique()) < 6  # a tall stroke


def test_a_picture_of_a_code_brings_it(closed, reader) -> None:
    closed.goto(reader.as_uri())
    expect(status(closed)).to_have_text(NONE_YET)
    draw(closed, SEVEN)  # before there is a network
    closed.locator("input[type=file]").set_input_files(code(PAYLOAD))
    expect(status(closed)).to_contain_text(HERE)
    until(lambda: agrees(closed), True)


def test_a_picture_of_a_links_code_brings_it_too(closed, reader) -> None:
    closed.goto(reader.as_uri())
    carried = link(READER, "https://example.org/reader.html").encode()
    closed.locator("input[type=file]").set_input_files(code(carried))
    expect(status(closed)).to_contain_text(HERE)


def test_a_page_with_its_own_network(closed, tmp_path) -> None:
    closed.goto(save_reader(tmp_path / "own.html", READER).as_uri())
    expect(status(closed)).to_contain_text(HERE)


def wide() -> bytes:
    return pack(Network([Linear((0,), torch.eye(3), None)], (3,)))


def one_class() -> bytes:
    return pack(Network([Flatten((0,)), Linear((1,), torch.ones(1, 1024), None)], (1, 32, 32)))


SVG = b"<svg xmlns='http://www.w3.org/2000/svg' onload='alert(1)'><script>alert(1)</script></svg>"


@pytest.mark.parametrize(
    ("file", "sentence"),
    [
        (picture(b"no picture"), "This file is no picture that the browser can show."),
        (picture(SVG, "code.svg", "image/svg+xml"), "This file is no picture"),
        (picture(b"", "empty.png"), "This file is no picture"),
        (code(b"javascript:alert(1)"), "A payload of version 1 is needed, this is version 106."),
        (code(b"https://example.org/?q=1"), "A payload of version 1 is needed"),
        (code(b"https://example.org/#AQ"), "cut or altered"),
        (code(PAYLOAD[:-1]), "The payload was cut or altered: its checksum does not fit."),
        (code(wide()), "The network reads (3), and what is drawn here is (1, 32, 32)."),
        (code(one_class()), "The network gives (1), and an answer is one of 2 to 100 classes."),
    ],
    ids=lambda part: part["name"] if isinstance(part, dict) else None,
)
def test_what_is_no_network_is_one_sentence_and_the_next_one_comes(
    closed, reader, file, sentence
) -> None:
    closed.goto(reader.as_uri())
    closed.locator("input[type=file]").set_input_files(file)
    expect(status(closed)).to_contain_text(sentence)
    assert status(closed).inner_text().count(". ") == 0
    draw(closed, ONE)
    expect(closed.locator(".prune-lab-verdict")).to_have_text("–")
    closed.locator("input[type=file]").set_input_files(code(PAYLOAD))
    expect(status(closed)).to_contain_text(HERE)
    until(lambda: agrees(closed), True)


@pytest.mark.parametrize(
    ("fragment", "sentence"),
    [
        ("<img src=x onerror=alert(1)>", "This link carries no network."),
        ("%3Cscript%3Ealert(1)%3C/script%3E", "This link carries no network."),
        ("A", "This link was cut or altered."),
        ("AQ", "The payload was cut or altered"),
        ("A" * 100_001, "This link carries no network."),
    ],
    ids=["markup", "percent", "letter", "head", "long"],
)
def test_a_link_that_carries_none_is_one_sentence(closed, reader, fragment, sentence) -> None:
    closed.goto(f"{reader.as_uri()}#{fragment}")
    expect(status(closed)).to_contain_text(sentence)
    # Another link in the same page: the fragment changes, and nothing is loaded.
    closed.evaluate("found => { location.hash = found; }", link(READER, "").lstrip("#"))
    expect(status(closed)).to_contain_text(HERE)


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_at_400_pixels_all_is_in_sight(closed, reader, scheme) -> None:
    closed.emulate_media(color_scheme=scheme)
    closed.set_viewport_size({"width": 400, "height": 900})
    closed.goto(link(READER, reader.as_uri()))
    draw(closed, SEVEN)
    expect(closed.locator(".reader-logit")).to_have_count(10)
    assert closed.evaluate("document.documentElement.scrollWidth") <= 400
    back = closed.evaluate("getComputedStyle(document.body).backgroundColor")
    assert (int(re.search(r"\d+", back).group()) > 127) is (scheme == "light")


def film(path: Path, image: np.ndarray) -> Path:
    """A picture as a film for Chromium's false camera: Y4M, two frames."""
    height, width = (side // 2 * 2 for side in image.shape)
    grey = bytes([128]) * (height * width // 4)
    frame = b"FRAME\n" + image[:height, :width].tobytes() + grey + grey
    path.write_bytes(f"YUV4MPEG2 W{width} H{height} F5:1 Ip A1:1 C420jpeg\n".encode() + 2 * frame)
    return path


def test_the_camera_sees_a_code(browser, chromium_path, reader, tmp_path) -> None:
    paper = np.full((600, 800), 200, dtype=np.uint8)
    image = QRCode(PAYLOAD).image(4)
    paper[20 : 20 + len(image), 100 : 100 + len(image)] = image
    arguments = [
        *chromium.ARGUMENTS,
        "--use-fake-device-for-media-stream",
        "--use-fake-ui-for-media-stream",
        f"--use-file-for-fake-video-capture={film(tmp_path / 'code.y4m', paper)}",
    ]
    seeing = browser.browser_type.launch(executable_path=chromium_path, args=arguments)
    page = seeing.new_page()
    page.goto(reader.as_uri())
    page.get_by_role("button", name="Camera").click()
    expect(status(page)).to_contain_text(HERE)
    expect(page.get_by_role("button", name="Camera", exact=True)).to_be_visible()
    seeing.close()


def test_without_a_camera_one_sentence_says_so(closed, reader) -> None:
    closed.goto(reader.as_uri())
    closed.get_by_role("button", name="Camera").click()
    expect(status(closed)).to_have_text("There is no camera here, or the browser may not use it.")


def test_the_whole_thing_in_one_address(closed) -> None:
    """Page, program and network: 360 test digits are put on its paper, and it reads them."""
    alpha = ink()
    closed.goto(address(READER))
    expect(closed.get_by_role("status")).to_have_text("Draw a digit")
    found = closed.evaluate(ON_PAPER, alpha.tolist())
    wanted = READER(((alpha / 255 - READER.mean) / READER.deviation).reshape(-1, 1, 32, 32))
    assert found == wanted.argmax(1).tolist()
    right = sum(a == b for a, b in zip(found, load_digits().test_labels.tolist(), strict=True))
    assert right / 360 >= 0.98
    closed.get_by_role("button", name="Clear").click()
    expect(closed.get_by_role("status")).to_have_text("")
    box = closed.locator("canvas").bounding_box()
    closed.mouse.move(box["x"] + box["width"] / 2, box["y"] + 20)
    closed.mouse.down()
    closed.mouse.move(box["x"] + box["width"] / 2, box["y"] + box["height"] - 20, steps=5)
    closed.mouse.up()
    expect(closed.get_by_role("status")).to_have_text(re.compile(r"^\d$"))


def test_accuracy_is_measured_in_a_worker_and_the_last_move_is_always_answered(
    closed, tmp_path
) -> None:
    model = trained_lenet()
    orders = {
        name: model.get_parameter(name).detach().abs().flatten().argsort(stable=True).argsort()
        for name in ("fc1.weight", "fc3.weight")
    }
    content = given(model, orders)
    closed.goto(measuring_page(tmp_path / "measuring.html", content).as_uri())
    closed.evaluate("move(0)")
    until(lambda: closed.evaluate("heard.length"), 1)
    # A drag: while the first of these is measured the others wait, and the last is asked.
    closed.evaluate("""() => {
        for (const count of [10000, 20000, 47500]) ask({ "fc1.weight": count });
        ask({ "fc1.weight": 47500, "fc3.weight": 500 });
    }""")
    until(lambda: closed.evaluate("heard.length"), 3)
    first, _second, last = closed.evaluate("heard")
    assert (first["right"], first["of"], first["bytes"]) == (
        right_of(model), 360, 4 * 61_706,
    )  # fmt: skip
    with torch.no_grad():
        for name, count in (("fc1.weight", 47_500), ("fc3.weight", 500)):
            weight = model.get_parameter(name)
            weight *= (orders[name] >= count).reshape(weight.shape)
    assert last["right"] == right_of(model)
    kept = [4 * 500 + 48_000 // 8, 4 * 340 + 840 // 8]
    assert last["bytes"] == 4 * (61_706 - 48_000 - 840) + sum(kept)
    assert first["milliseconds"] > 0
    closed.evaluate("stop()")
