"""Short clips of what live cameras showed around the people they saw; off by default.

One process a camera copies the camera's own stream, undecoded and without sound, into segments of a
few seconds (see `pipeline.store.recordings`), and keeps those that somebody is in.
"""
