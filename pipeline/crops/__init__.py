"""``camtrail crops export``: the crops that the cameras collected, as material to train on.

The folder that it writes
=========================
Market-1501's layout, so that any toolkit reads it, with a table and a description:

=========================  =======================================================================
``bounding_box_train/``    crops to learn from, called ``IDENTITY_cCAMERAsRUN_FRAME_INDEX.jpg``
``bounding_box_test/``     all crops of the identities that are kept for testing, if there are any
``query/``                 of these the best crop of each identity in each camera, once more
``crops.csv``              a row for each file, see `pipeline.crops.folder.COLUMNS`
``dataset.json``           what the folder is: format, site, labels, cameras, counts
=========================  =======================================================================

Labels
======
``confirmed`` takes tracklets that a person confirmed, ``matched`` all that have an identity (the
person's word where there is one, else the matcher's), ``tracklet`` makes each tracklet an identity
of its own, which is certain but says nothing across cameras. The table says of each crop which of
the three its label is.
"""

from pipeline.crops.export import Summary, export
from pipeline.crops.selection import Labels, Selection

__all__ = ["Labels", "Selection", "Summary", "export"]
