# The commands of this project. On a fresh Debian 12 or 13 (root, package mirror reachable) `make demo` and `make test` are
# all there is to know: each installs what is missing (tools/setup.sh), builds, and runs.

SHELL := /bin/bash
.DELETE_ON_ERROR:
.PHONY: help demo test check tsan release pgo dev soak fuzz bench interop format tidy docs clean

# Debian's own, because that is the one python3-yaml is for.
PYTHON := /usr/bin/python3
FUZZ_SECONDS ?= 1800
SOAK_MINUTES ?= 30

help: ## show this list
	@sed -n 's/^\([a-z]*\):.*## /\1\t/p' $(MAKEFILE_LIST) | expand -t 10

demo: ## the example of examples/mypaas with real DNS, kubectl and curl; ONCE=1 ends by itself and checks every step
	@tools/setup.sh build demo
	@$(MAKE) --no-print-directory build/release/sluice
	@$(PYTHON) tools/demo.py $(if $(ONCE),--once)

test: ## install, build with sanitizers, run every test; SUITES="unit fuzz scenarios e2e checks" picks some
	@tools/setup.sh build test demo
	@$(MAKE) --no-print-directory dev
	@$(PYTHON) tools/run_tests.py $(SUITES)

check: ## what a change may have broken, in under a minute: its unit tests and those above, layers, format; SINCE=COMMIT
	@tools/setup.sh build test
	@$(PYTHON) tools/check.py $(if $(SINCE),--since $(SINCE))

tsan: build/tsan/build.ninja ## unit tests and scenarios under the thread sanitizer
	@tools/setup.sh build test
	@cmake --build build/tsan
	@SLUICE_BIN=build/tsan/sluice $(PYTHON) tools/run_tests.py unit scenarios --build build/tsan

release: ## build what is shipped: build/release/sluice
	@tools/setup.sh build
	@$(MAKE) --no-print-directory build/release/sluice

# The build tools know best what is up to date, so this always asks them.
.PHONY: build/release/sluice
build/release/sluice: build/release/build.ninja
	@cmake --build build/release --target sluice

# Only what the program spends its time with under load; a minute of it.
PGO_SCENARIOS := s1,s2,s4a,s4c,s5a,s5b,s6a,s6b,s6e,s7a,s7b,s7c,s7d
pgo: build/profiled/build.ninja ## make release faster: measure what it does most in the benchmark's scenarios, build it by that
	@tools/setup.sh build bench
	@cmake --build build/profiled --target sluice
	@rm -rf build/profiled/raw && mkdir -p build/profiled/raw
	@SLUICE_BIN=build/profiled/sluice LLVM_PROFILE_FILE=$(CURDIR)/build/profiled/raw/%p.profraw \
	  $(PYTHON) bench/compare.py --peers sluice,sluice-epoll --scenarios $(PGO_SCENARIOS) --rounds 1 --seconds 2
	@llvm-profdata-19 merge -o build/sluice.profdata build/profiled/raw/*.profraw
	@rm -f build/release/build.ninja
	@$(MAKE) --no-print-directory build/release/sluice

dev: build/dev/build.ninja ## build everything with sanitizers, fuzz targets included: build/dev
	@cmake --build build/dev

build/%/build.ninja: CMakePresets.json | build
	@tools/setup.sh build
	@cmake --preset $* -Wno-dev >build/.$*.configure 2>&1 || { cat build/.$*.configure; exit 1; }
	@touch $@

soak: build/dev/build.ninja ## long tests with the release build: huge bodies, many swaps, leaks; 10,000 seeds of the simulation, 10,000 requests beside nginx and HAProxy; SOAK_MINUTES=30
	@tools/setup.sh build test demo soak
	@$(MAKE) --no-print-directory build/release/sluice
	@cmake --build build/dev --target simulation_test
	@SLUICE_BIN=build/release/sluice SLUICE_SOAK_MINUTES=$(SOAK_MINUTES) $(PYTHON) tools/run_tests.py soak

fuzz: build/fuzz/build.ninja ## long fuzzing of every target in turn; FUZZ_SECONDS=1800 each; finds go to build/fuzz/finds
	@tools/setup.sh build test
	@cmake --build build/fuzz
	@$(PYTHON) tools/run_tests.py fuzz --build build/fuzz --fuzz-seconds $(FUZZ_SECONDS) --keep-finds build/fuzz/finds

bench: ## compare CPU time per request with nginx, HAProxy and Envoy, judge it, write bench/results; SCENARIOS, ROUNDS, BENCH_SECONDS, PEER_DIRS
	@tools/setup.sh build bench
	@$(MAKE) --no-print-directory build/release/sluice
	@cmake --build build/release --target route_table_bench
	@$(MAKE) -s --no-print-directory -C bench/limit CXX=clang++-19
	@$(MAKE) -s --no-print-directory -C bench/load CXX=clang++-19
	@$(PYTHON) bench/judge.py $(if $(SCENARIOS),--scenarios $(SCENARIOS),--results bench/results) $(if $(ROUNDS),--rounds $(ROUNDS)) \
	  $(if $(BENCH_SECONDS),--seconds $(BENCH_SECONDS)) $(addprefix --peer-dir ,$(PEER_DIRS))

interop: ## the Kubernetes API with helm, client-go, Python's client and a current kubectl (KUBECTL_NEW=PATH names one)
	@tools/setup.sh build test demo interop
	@$(MAKE) --no-print-directory dev
	@export KUBECTL_NEW=$(or $(KUBECTL_NEW),$(CURDIR)/build/tools/kubectl-new/kubectl); \
	  SLUICE_KUBECTL=$$KUBECTL_NEW $(PYTHON) tools/run_tests.py unit e2e --only control_api,kubectl,mypaas,interop,remote_keys

format: ## clang-format every source in place
	@git ls-files -co --exclude-standard 'src/*.h' 'src/*.cc' | xargs -r clang-format-19 -i

tidy: build/dev/build.ninja ## clang-tidy over the sources changed since the last commit (else: in it); ALL=1 over all
	@tools/setup.sh build test
	@tools/tidy.sh $(if $(ALL),--all)

docs: build/release/sluice ## write the pages that are generated from the code (kinds, filters, metrics)
	@$(PYTHON) tools/write_docs.py build/release/sluice

clean: ## remove everything built (installed packages stay)
	rm -rf build

build:
	@mkdir -p $@
