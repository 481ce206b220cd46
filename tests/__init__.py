"""The tests of Postroom."""
