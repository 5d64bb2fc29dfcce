# make demo and make test set up all that they need; the second time they are quick.
SHELL := /bin/bash
.DELETE_ON_ERROR:
.PHONY: setup setup-system setup-test demo test test-all lint format bench fuzz lock licences sbom audit \
	clean help

# Else each process that starts compiles its libraries anew, where this is set.
export PYTHONDONTWRITEBYTECODE =

PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
STAMP := $(VENV)/.installed
# Debian packages, installed only where one is missing and we are root (or told what to install).
RUN_PACKAGES := python3-venv libgl1 libglib2.0-0
TEST_PACKAGES := python3-gi gir1.2-gst-rtsp-server-1.0 gstreamer1.0-plugins-base \
	gstreamer1.0-plugins-good gstreamer1.0-plugins-bad gstreamer1.0-plugins-ugly gstreamer1.0-libav
# Many tests wait for real processes, so two files at a time; their threads sleep while they wait.
# What fails beside others is tried once more alone, and the suite with it.
SIDE_BY_SIDE := -n 2 --dist loadfile --no-loadscope-reorder
ALONE := --last-failed --last-failed-no-failures none
test test-all: export OMP_WAIT_POLICY = passive

help:  ## this list
	@grep -hE '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 14

setup: $(STAMP)  ## virtual environment with everything (quick when nothing changed)

$(STAMP): pyproject.toml
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || \
	  { echo "camtrail needs Python 3.11 or later; set PYTHON=python3.12, say" >&2; exit 1; }
	@$(PYTHON) -c 'import ensurepip' 2>/dev/null || deploy/debian-packages $(RUN_PACKAGES)
	@test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check uv
	@$(BIN)/uv pip install --quiet --python $(BIN)/python -e '.[dev]' || \
	  $(BIN)/python -m pip install --quiet -e '.[dev]'
	@$(BIN)/python -c 'import cv2' 2>/dev/null || deploy/debian-packages $(RUN_PACKAGES)
	@$(BIN)/python -c 'import cv2, torch, torchvision'
	@touch $@

setup-test: $(STAMP)
	@/usr/bin/python3 -c 'import gi; gi.require_version("GstRtspServer", "1.0")' 2>/dev/null || \
	  deploy/debian-packages $(TEST_PACKAGES) || echo "the RTSP tests will be skipped" >&2
	@command -v chromium >/dev/null || deploy/debian-packages chromium || \
	  echo "the browser tests will be skipped" >&2
	@command -v redis-check-rdb >/dev/null || deploy/debian-packages redis-tools || \
	  echo "the tests of Redis with TLS will be skipped" >&2
	@command -v fusermount3 >/dev/null || deploy/debian-packages fuse3 || \
	  echo "the tests of a read-only disk will be skipped" >&2
	@command -v promtool >/dev/null || deploy/debian-packages prometheus || \
	  echo "the tests of alert rules will be skipped" >&2
	@PATH=$$PATH:/usr/sbin command -v mosquitto >/dev/null || deploy/debian-packages mosquitto || \
	  echo "the MQTT tests will be skipped" >&2
	@ls /usr/lib/postgresql/*/bin/initdb >/dev/null 2>&1 || \
	  deploy/debian-packages postgresql || echo "the PostgreSQL tests will be skipped" >&2

demo: setup  ## three simulated cameras, end to end, measured against the truth
	$(BIN)/camtrail demo --out demo

test: setup-test  ## the test suite (under 15 minutes on two cores)
	$(BIN)/python -m pytest $(SIDE_BY_SIDE) || $(BIN)/python -m pytest $(ALONE)

test-all: setup-test  ## the slow tests as well
	$(BIN)/python -m pytest $(SIDE_BY_SIDE) -m '' || $(BIN)/python -m pytest $(ALONE) -m ''

lint: setup  ## style, types, and who may import whom
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports

format: setup
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

bench: setup  ## what is timed, against the limit of the same work
	$(BIN)/python -m tests.benchmarks.worker
	$(BIN)/python -m tests.benchmarks.matcher

fuzz: setup  ## bytes that nobody made with care, a minute for each reader
	@$(BIN)/python -c 'import atheris' 2>/dev/null || \
	  $(BIN)/uv pip install --quiet --python $(BIN)/python -e '.[fuzz]'
	$(BIN)/python -m tests.fuzz --seconds 60

lock: setup  ## the locked dependencies of the images
	deploy/lock $(BIN)/uv

licences: setup  ## the licences of all that camtrail needs; fails where one is not allowed
	$(BIN)/python deploy/licences.py

sbom: setup  ## what is in the images, as CycloneDX: build/camtrail-{cpu,cuda}.cdx.json
	mkdir -p build
	for image in cpu cuda; do $(BIN)/cyclonedx-py requirements deploy/requirements-$$image.txt \
	  -o build/camtrail-$$image.cdx.json || exit; done

audit: setup  ## known weaknesses of the locked dependencies (asks a public service)
	$(BIN)/pip-audit --require-hashes --disable-pip -r deploy/requirements-cuda.txt

clean:  ## removes what make made
	rm -rf $(VENV) demo build *.egg-info .pytest_cache .mypy_cache .ruff_cache .hypothesis
	find . -name __pycache__ -type d -prune -exec rm -rf {} +
