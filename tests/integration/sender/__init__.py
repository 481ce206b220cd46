"""The sender on the embedded broker and SQLite, with real SMTP servers."""
