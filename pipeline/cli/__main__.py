"""`python -m pipeline.cli` is `camtrail`."""

from pipeline.cli import main

main()
