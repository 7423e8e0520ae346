"""Events that partner systems send, and the entities that they speak of."""
