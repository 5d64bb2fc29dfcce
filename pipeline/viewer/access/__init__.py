"""Who may use the viewer, and who looked at whom.

=============  ==================================================================================
``roles``      what a viewer, an operator and an administrator may
``database``   ``access.sqlite``, apart from the store, which only the matcher writes; ``schema``
``passwords``  argon2; ``secret`` those that we make ourselves
``users``      who there is; ``sessions`` who has logged in; ``tokens`` for programs
``log``        who looked at whom, and what was done to users; ``history`` puts it beside what the
               store knows of corrections
``limits``     how often somebody may try
``asker``      who asks, known to all that is done for a request
``access``     all of it together
``gate``       lets requests in, or asks for a login
``routes``     login, logout and the audit under ``/api/v1``
``command``    `camtrail users`, `camtrail tokens`, `camtrail audit`
=============  ==================================================================================
"""
