# `make run` and `make test` are all a newcomer needs; `make help` lists the rest.
#
# CONFIG=file     merged into config.yaml, for example CONFIG=presets/coco_val2017.yaml
# CORES=n         cores to use (default: all)
# PROFILE=folder  run the jobs elsewhere, in place of CORES: PROFILE=profiles/slurm
# A=dir B=dir     the two result folders of `make compare`
# PEERS=1         let `make bench` measure other projects, too
# ARGS="..."      more arguments for snakemake, for example ARGS="--config dataset=local"

.DEFAULT_GOAL := help
SHELL := /bin/bash
CORES ?= all
CONFIG ?=
PROFILE ?=
ARGS ?=
BIN := .venv/bin
CONFIGFILE := $(if $(CONFIG),--configfile $(CONFIG))
# --configfile first: it would swallow a target in ARGS that follows it
OPTIONS := $(CONFIGFILE) $(if $(PROFILE),--profile $(PROFILE),--cores $(CORES)) $(ARGS)
RUN := $(BIN)/python workflow/scripts/run_workflow.py $(OPTIONS)
PYTHONS := python3.13 python3.12 python3.11 python3 python

.PHONY: help run plan retry compare bench test test-full test-quick soak lint lock clean

help:  ## this list
	@grep -hE '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/^([a-z-]+):[^#]*## /\1\t/' | expand -t 14

run: .venv/run.stamp  ## fetch, convert, measure, report: the matrix of config.yaml
	@$(RUN)

plan: .venv/run.stamp  ## say what `make run` would do: cells, downloads, disk, rough time
	@$(BIN)/python workflow/scripts/plan.py $(CONFIGFILE) --cores $(CORES) $(ARGS)

retry: .venv/run.stamp  ## run the failed cells again, and only those
	@$(BIN)/python workflow/scripts/forget_failed.py $(CONFIGFILE) --cores $(CORES) $(ARGS)
	@$(RUN)

A ?=
B ?=
compare: .venv/run.stamp  ## set two result folders side by side: make compare A=results_a B=results_b
	@$(BIN)/python workflow/scripts/compare_results.py "$(A)" "$(B)" $(ARGS)

PEERS ?=
bench: .venv/run.stamp  ## measure this project against its own bars: writes bench/RESULTS.md (about 30 min, nothing else running); PEERS=1: beside other projects, too
	@PYTHONPATH=workflow/scripts $(BIN)/python bench/measure.py $(if $(PEERS),--peers) $(ARGS)

TESTS := $(BIN)/python -m pytest --durations=25 --durations-min=1
# A file's tests share what it has run, so files and not tests go to the two workers; the longest come first.
SIDE_BY_SIDE := -n 2 --dist loadfile --no-loadscope-reorder

test: .venv/test.stamp lint  ## linters and tests, the default matrix included (about 10 min on 2 cores)
	$(TESTS) -m "not full" $(SIDE_BY_SIDE)

test-full: .venv/test.stamp  ## what `make test` leaves out: cluster, kills, published rows, memory, fuzzing (about 30 min)
	$(TESTS) -m full $(SIDE_BY_SIDE)

test-quick: .venv/test.stamp lint  ## linters and unit tests (2 to 3 min)
	$(TESTS) -m "not slow and not full" $(SIDE_BY_SIDE)

soak: .venv/test.stamp  ## 200 random kills and faults, and a table of what became of them (about 40 min, needs root)
	$(BIN)/python tests/soak.py $(ARGS)

lint: .venv/test.stamp
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/snakefmt --check Snakefile workflow
	$(BIN)/mypy
	$(BIN)/snakemake --lint

lock:  ## pin envs/*.in anew, with hashes (needs uv)
	for name in requirements requirements-dev; do \
	  uv pip compile envs/$$name.in -o envs/$$name.txt --universal --python-version 3.11 \
	    --generate-hashes --no-emit-index-url --no-header --no-annotate --quiet; \
	done
	python3 envs/conda.py

clean:  ## remove results, logs and everything fetched or converted; keeps the venv
	rm -rf results resources logs .snakemake

.venv/bin/python:
	@case "$$PWD" in *[!A-Za-z0-9@%+=:,./_-]*) echo "The path of this folder, $$PWD, has a space or another character that" \
	  "a shell reads, which Snakemake cannot cope with. Move the project to a folder whose path has none." >&2; exit 1;; esac
	@for python in $(PYTHONS); do \
	  if $$python -c 'import sys, venv, ensurepip; sys.exit(not (3, 11) <= sys.version_info[:2] <= (3, 13))' 2>/dev/null; \
	  then $$python -m venv .venv && exit 0; fi; \
	done; \
	echo "No Python from 3.11 to 3.13 with venv was found (looked for: $(PYTHONS)); install one, on Debian: apt-get install python3-venv." >&2; \
	exit 1

.venv/run.stamp: envs/requirements.txt | .venv/bin/python
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes -r $<
	@touch $@

.venv/test.stamp: envs/requirements-dev.txt | .venv/bin/python
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes -r $<
	@touch $@ .venv/run.stamp
