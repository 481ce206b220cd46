"""What the fault tests share: the same stacks as the tests of the whole way."""

from tests.e2e.conftest import open_stack

__all__ = ["open_stack"]
