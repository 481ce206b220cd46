"""What every Postroom service uses: contracts, broker, store, spool, settings. Imports no service."""
