"""Who is who over all cameras: one process a site, the single owner of identities."""
