# make demo | test | bench | stack | lint: each sets up what it needs in .venv first.

PYTHON ?= python3
BIN := .venv/bin
RUN := $(BIN)/python -m cddfm
STACK ?= cddfm/embedded
PRESET ?= small

.PHONY: demo test bench lint stack setup

setup: .venv/.installed
.venv/.installed: pyproject.toml constraints.txt
	test -x $(BIN)/python || $(PYTHON) -m venv .venv
	$(BIN)/python -m pip install --quiet --constraint constraints.txt --editable . beartype hypothesis pytest ruff
	touch $@

demo: setup
	$(RUN) demo -o demo.png

test: setup
	$(BIN)/python -m pytest

# Minutes, on a machine that does nothing else.
bench: setup
	$(BIN)/python -m benchmarks.generator --compile --json benchmarks/results/generator.json
	$(BIN)/python -m benchmarks.interactive --json benchmarks/results/interactive.json
	$(BIN)/python -m benchmarks.rasterizer --json benchmarks/results/rasterizer.json
	$(BIN)/python -m benchmarks.world --json benchmarks/results/world.json

lint: setup
	$(BIN)/ruff check .

# Everything the embedded stack consists of, from nothing, with the public commands. Interrupted? Run it again.
stack: setup
	$(RUN) train-reconstruction --preset $(PRESET) --stack $(STACK)
	$(RUN) train-reconstruction --preset $(PRESET) --stack $(STACK) --role judge
	$(RUN) train-landmarks      --preset $(PRESET) --stack $(STACK)
	$(RUN) train-recognition    --preset $(PRESET) --stack $(STACK) --role identity_judge
	$(RUN) train-generator      --preset $(PRESET) --stack $(STACK)
	$(RUN) adapt-domain portrait --preset $(PRESET) --stack $(STACK)
	$(RUN) train-base           --preset $(PRESET) --stack $(STACK)
	$(RUN) train-base           --preset $(PRESET) --stack $(STACK) --set space=w_plus
	$(RUN) train-linear         --preset $(PRESET) --stack $(STACK)
	$(RUN) select-layers        --preset $(PRESET) --stack $(STACK)
	$(RUN) train-editor         --preset $(PRESET) --stack $(STACK)
	for domain in toon clay painting sketch; do \
		$(RUN) adapt-domain $$domain --preset $(PRESET) --stack $(STACK) || exit $$?; \
	done
	$(RUN) evaluate             --stack $(STACK)
