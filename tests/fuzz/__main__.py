"""Fuzzes everything that is read from others, guided by coverage; prints a table.

    python -m tests.fuzz --seconds 60            # each target
    python -m tests.fuzz picture config --seconds 600

What ends in another error than the reader's own, takes longer than ten seconds for one input, or
more than 2 GiB, is kept in ``build/fuzz/TARGET`` and shown; exit status 1. It needs `atheris`.
"""

from __future__ import annotations

import argparse
import re
import subprocess
import sys
import time
from pathlib import Path
from tempfile import TemporaryDirectory

FOUND = Path("build/fuzz")


def main() -> int:
    """Runs a process for each target, one after the other."""
    options = _parser().parse_args()
    if options.inside:
        _fuzz(options.targets[0], options.seconds)
    names = options.targets or _names()
    print(f"{'target':12}{'inputs':>10}{'seconds':>9}  found")
    failed = False
    for name in names:
        started = time.monotonic()
        command = [sys.executable, "-m", "tests.fuzz", name, "--inside"]
        done = subprocess.run(
            [*command, "--seconds", str(options.seconds)], capture_output=True, text=True
        )
        runs = re.findall(r"^(?:#|stat::number_of_executed_units:\s*)(\d+)", done.stderr, re.M)
        what = "nothing" if done.returncode == 0 else _reason(done.stderr)
        failed |= done.returncode != 0
        seconds = time.monotonic() - started
        print(f"{name:12}{max(map(int, runs), default=0):10}{seconds:9.0f}  {what}", flush=True)
    return int(failed)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m tests.fuzz", description=__doc__)
    parser.add_argument("targets", nargs="*", help="by default all")
    parser.add_argument("--seconds", type=int, default=60, help="for each")
    parser.add_argument("--inside", action="store_true", help=argparse.SUPPRESS)
    return parser


def _names() -> list[str]:
    from tests.fuzz.targets import targets

    with TemporaryDirectory() as folder:
        return list(targets(Path(folder)))


def _fuzz(name: str, seconds: int) -> None:
    """Does not return: the fuzzer ends the process."""
    import atheris

    with atheris.instrument_imports(include=["pipeline", "reid_models"]):
        from tests.fuzz.targets import targets

    with TemporaryDirectory() as folder:
        target = targets(Path(folder))[name]
        corpus = Path(folder) / "corpus"
        corpus.mkdir()
        for number, sample in enumerate(target.samples):
            (corpus / str(number)).write_bytes(sample)
        kept = FOUND / name
        kept.mkdir(parents=True, exist_ok=True)
        limits = [f"-max_total_time={seconds}", "-timeout=10", "-rss_limit_mb=2048"]
        atheris.Setup(
            [
                sys.argv[0],
                str(corpus),
                f"-artifact_prefix={kept}/",
                "-print_final_stats=1",
                *limits,
            ],
            target,
        )
        atheris.Fuzz()


def _reason(text: str) -> str:
    """The last error of the reader, and where the input is."""
    errors = re.findall(r"^(\w+(?:\.\w+)*(?:Error|Exception|Warning)\b.*)$", text, re.M)
    errors += re.findall(r"(ERROR: libFuzzer: [^(]*)", text)
    kept = re.findall(r"written to (\S+)", text)
    return " | ".join([*(error[:100] for error in errors[:2]), *kept[-1:]]) or text[-300:]


if __name__ == "__main__":
    sys.exit(main())
