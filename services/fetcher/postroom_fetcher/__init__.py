"""The fetcher: the only code that speaks IMAP."""
