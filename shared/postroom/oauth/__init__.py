"""OAuth 2 for mail accounts: signing in, and access tokens for IMAP and SMTP."""
