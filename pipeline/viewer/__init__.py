"""Watching and searching in a browser: pages and the API that they use.

=============  =============================================================================
``command``    `camtrail viewer`: binds the port, runs the server
``app``        puts the application together
``security``   headers, and who may ask
``api``        the routes under ``/api/v1``, ``models`` what they answer
``pages``      the pages, from ``templates`` and ``static``
``catalogue``  who was where, as columns in memory that follow the store
``listing``    sorting, filtering and paging over it
``details``    what the store knows of a few identities or tracklets
``pictures``   uploaded pictures, within limits
``finder``     who is on a picture: detector, encoder, FAISS
``live``       what the workers say now: health, and frames while somebody watches
=============  =============================================================================
"""
