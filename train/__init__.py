"""Offline: data, losses, methods and evaluation of re-identification; `camtrail-train`."""
