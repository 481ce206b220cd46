"""The processor: the only code that decides."""
