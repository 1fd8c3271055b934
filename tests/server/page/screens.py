"""What the page's tests need of the machine, and the screens they look at it on."""

from __future__ import annotations

from typing import Any

import pytest
from tests.evaluation.browser import CHROMIUM

PHONE: dict[str, Any] = {
    "viewport": {"width": 390, "height": 844}, "is_mobile": True, "has_touch": True, "device_scale_factor": 2,
}  # fmt: skip
NEEDS_BROWSER = [
    pytest.mark.system,
    pytest.mark.skipif(CHROMIUM is None, reason="Chromium is not installed (make system installs it)"),
]
