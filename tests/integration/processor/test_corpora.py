import json
import subprocess
import sys
from typing import Any

import pytest

from tests.corpus import CPYTHON_PACKAGE, PACKAGE, ROOT, SHARED

# How many mails each corpus has, and why it may be missing.
SIZES = {
    "spam-assassin": (6046, f"the npm package {PACKAGE} cannot be had"),
    "cpython": (50, f"neither Python's own tests nor the Debian package {CPYTHON_PACKAGE} can be had"),
    "stalwart": (107, f"{SHARED / 'mime'} is not here"),
}
LONGEST_S = 0.5
LARGEST_MIB = 256


@pytest.mark.parametrize("corpus", SIZES)
def test_every_mail_of_a_corpus_is_read_in_bounded_time_and_memory(corpus: str) -> None:
    size, missing = SIZES[corpus]
    done = subprocess.run(
        [sys.executable, "-m", "tests.reading", corpus],
        cwd=ROOT,
        check=False,
        capture_output=True,
        text=True,
        timeout=300,
    )
    assert done.returncode == 0, done.stderr
    figures: dict[str, Any] = json.loads(done.stdout)
    print(f"{corpus}: {figures}")
    if not figures["count"]:
        pytest.skip(missing)
    assert figures["count"] >= size
    assert figures["slowest_s"] < LONGEST_S, figures["slowest"]
    assert figures["peak_mib"] < LARGEST_MIB
