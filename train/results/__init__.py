"""The figures of ``RESULTS.md``, each part measured by one command."""
