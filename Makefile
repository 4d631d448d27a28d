# Each target works alone in a fresh clone: Python 3.10 or later, make and a package index are enough.
#
#   make demo     send this repository's own files through a queue, and compare what comes back
#   make test     formats, types, all tests, and the tests beside the official SDK
#   make fuzz     20,000 examples of malformed input, other ones every time; some minutes
#   make check    formats and types only
#   make bench    our client and broker against a bare grpcio loop and the official SDK
#   make completions  generate completions/, man/ and kubemqctl/cli/reference.md from the command tree
#   make proto    generate kubemqctl/wire/kubemq_pb2.py from proto/kubemq.proto
#   make clean    remove what these made

# The first of these that is 3.10 or later; or name one: make PYTHON=/opt/python3.12/bin/python3 test
PYTHONS = python3 python3.13 python3.12 python3.11 python3.10
NEW_ENOUGH = import sys; sys.exit(sys.version_info < (3, 10))
ifndef PYTHON
PYTHON := $(shell for p in $(PYTHONS); do $$p -c '$(NEW_ENOUGH)' 2>/dev/null && echo $$p && break; done)
endif
ifeq ($(PYTHON),)
PYTHON := python3
endif
# Three times as many as cores that we count on: most tests wait, for a second to pass or a process to end.
JOBS = 6
# A busy double changes the order of what it gives, as its server does; and what `make fuzz` does waits for nothing.
FEWER_JOBS = 4

# Some machines set it, and every start of the program would compile it anew: +40 ms each.
unexport PYTHONDONTWRITEBYTECODE

VENV = .venv/bin/python
SDK = .venv-sdk/bin/python
PROTO = .venv-proto/bin/python

# The official SDK of the side-by-side check: it asks for protobuf below 6, while .venv has the current one.
# There every start of the program is a new interpreter; elsewhere most fork from a warm one.
SDK_VERSION = 4.1.5
BESIDE_SDK = tests/interop tests/project/test_generated_code.py tests/conformance/test_03_sending_to_queues.py

# What is tried on `broker run --like community-2.4` too: the facts, and what a worker or a mover must survive.
ON_THE_DOUBLE = tests/conformance tests/commands/test_queue_worker.py tests/commands/test_queue_move.py \
	tests/commands/test_queue_receive.py tests/commands/test_queue_peek.py

KUBEMQ_JS_VERSION = 1.2.3

# The oldest protobuf whose generated code we read is 4.25, and this is the grpcio-tools that writes it.
PROTOC_VERSION = 1.62.3

.PHONY: node-client demo test fuzz check bench completions proto clean

demo: .venv/made
	@PATH="$$PWD/.venv/bin:$$PATH" sh tests/demo/demo.sh

test: check .venv-sdk/made node-client
	$(VENV) -m pytest -n $(JOBS) --dist loadgroup
	KUBEMQ_TEST_LIKE=community-2.4 $(VENV) -m pytest -n $(FEWER_JOBS) --dist loadgroup -q $(ON_THE_DOUBLE)
	KUBEMQ_TEST_FRESH=1 $(SDK) -m pytest -n $(JOBS) --dist loadgroup $(BESIDE_SDK)

# What is played in rounds, each with a seed of its own; `make fuzz` plays more of them.
ROUNDS = tests/faults/test_seeded_faults.py tests/faults/test_broken_networks.py tests/faults/test_kills.py

# Each property by itself takes longer than a test usually may.
fuzz: .venv/made
	KUBEMQ_TEST_FUZZ=17 $(VENV) -m pytest tests/fuzz $(ROUNDS) -n $(FEWER_JOBS) -q --timeout=900 -o faulthandler_timeout=900
	KUBEMQ_TEST_FUZZ=5 $(VENV) -m pytest tests/unit -m hypothesis -n $(FEWER_JOBS) -q --timeout=900 -o faulthandler_timeout=900

check: .venv/made
	$(VENV) -m ruff format --check
	$(VENV) -m ruff check
	$(VENV) -m mypy

bench: .venv/made .venv-sdk/made
	KUBEMQ_TEST_SDK_PYTHON="$$PWD/$(SDK)" $(VENV) -m tests.benchmarks

completions: .venv/made
	$(VENV) -m tests.generated

proto: .venv-proto/made
	$(PROTO) -m grpc_tools.protoc -Iproto --python_out=kubemqctl/wire --pyi_out=kubemqctl/wire proto/kubemq.proto

clean:
	rm -rf .venv .venv-sdk .venv-node .venv-proto .mypy_cache .ruff_cache .pytest_cache .hypothesis build dist

# A stamp is written last, so an environment that was broken off is made again.
.venv/made: pyproject.toml
	@$(call require_python,sys.version_info >= (3, 10),Python 3.10 or later is needed)
	$(PYTHON) -m venv --clear .venv
	$(VENV) -m pip install --quiet --upgrade 'pip>=25.1'
	$(VENV) -m pip install --quiet --editable . --group dev
	@touch $@

.venv-sdk/made: pyproject.toml
	@$(call require_python,sys.version_info >= (3, 10),Python 3.10 or later is needed)
	$(PYTHON) -m venv --clear .venv-sdk
	$(SDK) -m pip install --quiet --upgrade 'pip>=25.1'
	$(SDK) -m pip install --quiet --editable . 'kubemq==$(SDK_VERSION)' 'pytest>=9' 'pytest-timeout>=2.3' 'pytest-xdist>=3.6'
	@touch $@

# Another client, of another gRPC stack: its tests are skipped, and say so, where it cannot be had.
node-client:
	@if ! command -v npm >/dev/null; then echo "there is no npm: the tests beside kubemq-js are skipped" >&2; \
	else $(MAKE) --no-print-directory .venv-node/made || \
	echo "kubemq-js cannot be installed: the tests beside it are skipped" >&2; fi

.venv-node/made: Makefile
	@mkdir -p .venv-node
	@npm install --prefix .venv-node --silent --no-audit --no-fund --ignore-scripts kubemq-js@$(KUBEMQ_JS_VERSION)
	@touch $@

.venv-proto/made: Makefile
	@$(call require_python,(3, 10) <= sys.version_info[:2] <= (3, 12),\
	grpcio-tools $(PROTOC_VERSION) has wheels for Python 3.10 to 3.12 only)
	$(PYTHON) -m venv --clear .venv-proto
	$(PROTO) -m pip install --quiet --only-binary :all: 'grpcio-tools==$(PROTOC_VERSION)' 'setuptools<81'
	@touch $@

# $(call require_python,CONDITION,SENTENCE): end with the sentence when PYTHON is missing or does not fit.
define require_python
$(PYTHON) -c 'import sys; sys.exit(not ($(1)))' 2>/dev/null || { \
echo "$(strip $(2)), and \`$(PYTHON)\` is $$($(PYTHON) --version 2>/dev/null || echo not there)." >&2; \
echo "Name another one: make PYTHON=python3.12 $(MAKECMDGOALS)" >&2; exit 1; }
endef
