"""Learning without labels: clusters of images stand in for people."""
