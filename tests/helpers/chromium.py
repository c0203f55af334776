"""Chromium, driven by selenium: pages as their readers use them."""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
DRIVER = shutil.which("chromedriver")

NO_BROWSER = "no browser: the extra browser, and chromium with chromedriver (apt install chromium chromium-driver)"


@contextmanager
def chromium(profile: Path) -> Iterator[Any]:
    """Start Chromium with a new profile, or skip the test where there is none."""
    webdriver = pytest.importorskip("selenium.webdriver", reason=NO_BROWSER)
    if CHROMIUM is None or DRIVER is None:
        pytest.skip(NO_BROWSER)
    options = webdriver.ChromeOptions()
    options.binary_location = CHROMIUM
    for option in (
        "headless",
        "disable-gpu",
        "no-first-run",
        "disable-background-networking",
        f"user-data-dir={profile}",
    ):
        options.add_argument(f"--{option}")
    if hasattr(os, "geteuid") and os.geteuid() == 0:
        options.add_argument("--no-sandbox")
    options.set_capability("goog:loggingPrefs", {"browser": "ALL", "performance": "ALL"})
    driver = webdriver.Chrome(options=options, service=webdriver.ChromeService(DRIVER))
    try:
        yield driver
    finally:
        driver.quit()


def requests(driver: Any) -> list[str]:
    """List the addresses that were asked for since the last time, those within the page aside."""
    events = [json.loads(entry["message"])["message"] for entry in driver.get_log("performance")]
    urls = [e["params"]["request"]["url"] for e in events if e["method"] == "Network.requestWillBeSent"]
    return [url for url in urls if not url.startswith(("data:", "about:", "blob:"))]
