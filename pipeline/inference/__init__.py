"""Runtimes of the networks that a camera's process uses: person detector and encoder."""
