#!/usr/bin/env python3
"""Makes docs/page.png: the fleet as `tidings up` shows it, with forty devices beside this machine.

    cargo build -p tidings && .tools/venv/bin/python tests/third_party/screenshot.py
"""

import pathlib
import tempfile

import fleet
from browser import Visit, chromium
from conftest import ROOT

SIZE = {"width": 1200, "height": 760}
MOST_BYTES = 150_000


def main():
    with tempfile.TemporaryDirectory() as name:
        up = fleet.start(pathlib.Path(name))
        try:
            with chromium() as browser:
                visit = Visit(browser, up.place["page"], color_scheme="light", viewport=SIZE)
                page = visit.go("/", "tbody tr:nth-child(15) .spark")
                # All lines that are on the screen.
                page.wait_for_timeout(2000)
                picture = page.screenshot()
                visit.check()
        finally:
            up.process.terminate()
            up.process.wait()
    assert len(picture) < MOST_BYTES, f"{len(picture)} bytes"
    path = ROOT / "docs" / "page.png"
    path.write_bytes(picture)
    print(f"{path}: {len(picture)} bytes")


if __name__ == "__main__":
    main()
