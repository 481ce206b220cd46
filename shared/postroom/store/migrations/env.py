"""Alembic's entry: runs on the connection that `postroom.store.migrate` hands over."""

from alembic import context

from postroom.store.schema import metadata

context.configure(
    connection=context.config.attributes["connection"],
    target_metadata=metadata,
    transactional_ddl=True,
    render_as_batch=True,
)
context.run_migrations()
