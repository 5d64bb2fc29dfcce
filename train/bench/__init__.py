"""What is timed, against the limit of the same work and against the plain way to do it."""
