"""The demo's mail server is an extra."""

from importlib.util import find_spec

from postroom.errors import Misconfigured
from postroom.settings import PREFIX


def check_extra() -> None:
    """Raises Misconfigured unless pymap and aiosmtpd are installed."""
    missing = [name for name in ("pymap", "aiosmtpd") if find_spec(name) is None]
    if missing:
        raise Misconfigured(
            "extra",
            f"the demo's mail server needs {' and '.join(missing)}: pip install 'postroom[demo]', "
            f"or give an accounts file ({PREFIX}ACCOUNTS=accounts.yaml)",
        )
