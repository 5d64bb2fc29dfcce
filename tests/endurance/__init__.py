"""Programs that run for a chosen time, break things, and print what became of it.

``python -m tests.endurance.chaos``, ``failover``, ``namespaces``, ``day``, ``workers``; each with
``--help`` and ``--json``. Their short forms are tests, so that they cannot rot.
"""
