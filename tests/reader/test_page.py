"""The reader's page as a file: what is in it, and what its policy lets in."""

from __future__ import annotations

import base64
import hashlib
import re
from pathlib import Path

import pytest
import torch

import prune_lab.reader.page as reader
from prune_lab.device.operations import Flatten, Linear, Network
from prune_lab.device.packing import pack, unpack
from prune_lab.reader.page import link, save_reader

DOCS = Path(__file__).parents[2] / "docs"


def network() -> Network:
    weight = torch.eye(10, 1024)
    return Network([Flatten((0,)), Linear((1,), weight, None)], (1, 32, 32))


def test_the_policy_names_the_pages_own_script_and_style(tmp_path) -> None:
    text = save_reader(tmp_path / "reader.html", network()).read_text(encoding="utf-8")
    policy = re.search(r'Security-Policy" content="([^"]*)"', text)[1]
    assert policy.startswith("default-src 'none'; script-src 'sha256-")
    assert "unsafe" not in policy and "http" not in policy and "*" not in policy
    for tag in ("script", "style"):
        (body,) = re.findall(rf"<{tag}[^>]*>(.*?)</{tag}>", text, re.S)
        digest = base64.b64encode(hashlib.sha256(body.encode()).digest()).decode()
        assert f"{tag}-src 'sha256-{digest}'" in policy
    assert not re.search(r"\b(src|href)=|@import|url\(|^import ", text, re.M)


def test_the_decoder_of_codes_is_the_one_that_was_looked_at() -> None:
    """qr 0.7.0 from npm, its parts put into one file:

    esbuild 0.25.0, qr/decode.js --bundle --minify --target=es2022 --format=iife --global-name=qr
    --legal-comments=none --banner:js='// @ts-nocheck'
    --footer:js='export const decodeQR = qr.decodeQR;'
    """
    vendor = Path(reader.__file__).parent / "static" / "vendor"
    assert {file.name for file in vendor.iterdir()} == {"LICENSE", "qr-decode.js"}
    digest = hashlib.sha256((vendor / "qr-decode.js").read_bytes()).hexdigest()
    assert digest == "fe5494ab53c5186cf180ee099729445cb58e374cf47aefa5eaa881edd1ef8c32"
    assert "Paul Miller" in (vendor / "LICENSE").read_text()


def test_the_licence_goes_with_the_decoder(tmp_path) -> None:
    text = save_reader(tmp_path / "reader.html").read_text(encoding="utf-8")
    assert "Permission is hereby granted, free of charge" in text


def test_a_link_carries_the_network_and_nothing_else() -> None:
    page, _, fragment = link(network(), "https://example.org/reader.html").partition("#")
    assert page == "https://example.org/reader.html"
    assert re.fullmatch(r"[\w-]+", fragment)
    payload = base64.urlsafe_b64decode(fragment + "=" * (-len(fragment) % 4))
    assert payload == pack(network()) and pack(unpack(payload)) == payload


def test_a_page_with_a_fragment_and_weights_on_no_grid_are_refused(tmp_path) -> None:
    with pytest.raises(ValueError, match="has a # already"):
        link(network(), "reader.html#part")
    fine = Network([Flatten((0,)), Linear((1,), torch.rand(10, 1024), None)], (1, 32, 32))
    with pytest.raises(ValueError, match="on no grid"):
        save_reader(tmp_path / "reader.html", fine)
    assert not (tmp_path / "reader.html").exists()


def test_the_code_of_the_documentation_runs(tmp_path, monkeypatch) -> None:
    code = re.findall(r"^```python\n(.*?)^```", (DOCS / "reader.md").read_text(), re.M | re.S)
    text = "\n".join(code).replace('"reader.html"', f'"{(tmp_path / "reader.html").as_posix()}"')
    monkeypatch.chdir(DOCS.parent)
    found: dict[str, object] = {}
    exec(compile(text, "reader.md", "exec"), found)
    assert (tmp_path / "reader.html").exists()
    kilobytes = [round(len(found[parcel]) / 1000) for parcel in ("network", "pictures")]
    assert kilobytes == [214, 38]  # as it says there
    assert found["code"].version == 40
