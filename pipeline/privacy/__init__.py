"""Making people unrecognisable in pictures, where `privacy` in ``site.yaml`` says so.

There is no detector of faces: a face is the upper part of a person's box (see
`pipeline.privacy.regions`), so who is not detected at all is not hidden either.
"""
