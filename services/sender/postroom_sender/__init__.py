"""The sender: the only code that speaks SMTP."""
