"""Messaging: RabbitMQ and the embedded broker behind one publisher and one consumer (on kombu)."""
