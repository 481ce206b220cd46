"""The durable state of all services: SQLAlchemy Core on SQLite or PostgreSQL.

`schema` has every table, `engine` the transactions, `outbox`, `inbox` and `attempts` what each service needs
to hand messages on exactly once. What a service asks of its own tables is in the service.
"""

from postroom.store.engine import Store

__all__ = ["Store"]
