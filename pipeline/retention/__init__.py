"""How long each kind of data is kept: what there is, what is too old, and who deletes it.

The matcher deletes what it is the only one to write (the store, crops, the dead letters) and what
has no process of its own any more (recordings of cameras that are not recorded now, spools of
cameras that are not in ``site.yaml``); recorders, the viewer, the notifier and `camtrail run`
delete what is theirs.
"""
