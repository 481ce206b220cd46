"""The notifier: the only code that speaks HTTP to others' servers."""
