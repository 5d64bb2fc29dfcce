"""Watching and searching in a browser: pages and the API that they use.

===============  ===========================================================================
``command``      `camtrail viewer`: binds the port, runs the server
``app``          puts the application together; ``state`` is what its routes share
``security``     headers, and from where it may be asked; ``access`` users, logins, the audit
``api``          the routes under ``/api/v1`` that read; ``models`` what they answer
``corrections``  those by which people put identities right; ``review`` asks them to
``clips``        what was recorded, from ``footage``; ``plan`` the ground with the cameras
``search``       the one that searches by picture; ``pictures`` reads uploads within limits,
                 ``finder`` finds and embeds persons, ``prototypes`` compares with FAISS
``events``       live changes; ``live`` frames while somebody watches; ``health`` the cameras'
``pages``        the pages, from ``templates`` and ``static``
``records``      the store, opened when it is there
``catalogue``    who was where, as columns in memory that follow the store
``listing``      sorting, filtering and paging over it
``details``      what the store knows of a few identities or tracklets
===============  ===========================================================================
"""
