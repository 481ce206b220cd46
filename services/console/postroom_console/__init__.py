"""The operator's side: the `postroom` command."""
