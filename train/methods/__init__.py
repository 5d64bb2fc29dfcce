"""Training methods, one a file, each with its settings in a YAML file of the same name."""
