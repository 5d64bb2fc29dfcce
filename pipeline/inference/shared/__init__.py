"""One process that runs detector and encoder for all cameras of a host.

Chosen by ``inference: shared`` in ``site.yaml``. Pictures go through memory that both sides see,
everything else through a Unix socket under ``data_dir``.
"""
