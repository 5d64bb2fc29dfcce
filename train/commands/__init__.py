"""The subcommands of `camtrail-train`, one a module; `train.cli` registers them."""
