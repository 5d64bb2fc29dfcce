"""What is timed or measured; never part of pass or fail. Each module is a program."""
