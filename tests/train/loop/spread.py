"""Run by torchrun: trains the toy, and writes what each process saw and ended with."""

from __future__ import annotations

import json
import sys
from pathlib import Path

from tests.train.loop.toy import Toy, loop_settings, make_loop, silent


def main() -> None:
    out = Path(sys.argv[1])
    loop = make_loop(out / "run", settings=loop_settings(accumulation=2))
    loop.fit(silent)
    assert isinstance(loop.method, Toy)
    result = {
        "seen": loop.method.seen,
        "weights": {name: value.tolist() for name, value in loop.weights().items()},
        "losses": [epoch.losses["loss"] for epoch in loop.history],
    }
    (out / f"{loop.accelerator.process_index}.json").write_text(json.dumps(result))


if __name__ == "__main__":
    main()
