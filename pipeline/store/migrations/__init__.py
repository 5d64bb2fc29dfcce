"""How each version of the schema came from the one before, in both directions, for Alembic.

A migration is never changed once a store has it: the tables stand in it as they were then, and not
as `pipeline.store.schema` has them today.
"""
