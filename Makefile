# make help lists the targets.

SHELL := /bin/bash
.SHELLFLAGS := -o pipefail -ec
.DEFAULT_GOAL := build
MAKEFLAGS += --no-builtin-rules

GO      ?= go
PREFIX  ?= /usr/local
DESTDIR ?=
VERSION := $(shell cat VERSION)
COMMIT  := $(shell git rev-parse --short=12 HEAD 2>/dev/null)

export KATA_CACHE ?= /var/cache/kata-runtime
export SOURCE_DATE_EPOCH ?= 0
export PREFIX GO

BUILD   := build
GUEST   := $(BUILD)/guest
# Our own QEMU for the tests of what only it can; the others are with the one that
# is configured.
OWN     := $(BUILD)/own
BIN     := $(PREFIX)/bin
LIBEXEC := $(PREFIX)/libexec/kata-containers
SHARE   := $(PREFIX)/share/kata-containers
DEFAULT := $(PREFIX)/share/defaults/kata-containers
MAN     := $(PREFIX)/share/man

MODULE  := github.com/kata-go/kata-runtime
GOBUILD := $(GO) build -trimpath -buildvcs=false
LDFLAGS := -s -w -X main.version=$(VERSION)
HOSTLD  := $(LDFLAGS) -X main.commit=$(COMMIT) -X $(MODULE)/config.prefix=$(PREFIX)
STATIC  := -extldflags "-static"
# Without its generator of man pages, urfave/cli starts a millisecond faster.
HOST_TAGS := netgo osusergo urfave_cli_no_docs
AGENT_TAGS := netgo osusergo seccomp runc_nocriu

.PHONY: help all build kata-runtime kata-shim kata-proxy containerd-shim-kata-v2 kata-agent kata-agent-ctl osbuilder \
	man generate check check-format check-generated check-agent lint unit guest integration test \
	test-docker test-docker-13 test-docker-28 test-podman test-podman-13 test-containerd-13 test-containerd-2 test-integration-13 test-containerd test-systemd test-crio test-cri test-pods test-fresh test-conformance test-full \
	prerequisites prerequisites-kernel prerequisites-qemu image kernel qemu own-qemu config config-13 install uninstall quickstart bench bench-pods bench-scale clean

help: ## list the targets
	@awk -F ':.*## ' '/^[a-z0-9-]+:.*## / {printf "  %-22s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

all: build

# Go's own cache decides what is compiled again.
build: kata-runtime kata-shim kata-proxy containerd-shim-kata-v2 kata-agent kata-agent-ctl osbuilder ## build every binary into build/ (default)

# With cgo: libcontainer's specconv does not compile without. Static all the
# same, so that it needs nothing of the host.
kata-runtime: ## build the runtime
	@echo 'build  $@'; CGO_ENABLED=1 $(GOBUILD) -tags "$(HOST_TAGS)" -ldflags '$(HOSTLD) $(STATIC)' -o $(BUILD)/$@ ./cli

kata-shim: ## build the stand-in for a container's process
	@echo 'build  $@'; CGO_ENABLED=0 $(GOBUILD) -ldflags '$(HOSTLD)' -o $(BUILD)/$@ ./shim

kata-proxy: ## build the proxy
	@echo 'build  $@'; CGO_ENABLED=0 $(GOBUILD) -ldflags '$(HOSTLD)' -o $(BUILD)/$@ ./proxy

containerd-shim-kata-v2: ## build containerd's shim
	@echo 'build  $@'; CGO_ENABLED=0 $(GOBUILD) -ldflags '$(HOSTLD)' -o $(BUILD)/$@ ./containerd-shim-v2

# No commit in it: the guest's image changes only when the agent does. Go's
# signals to goroutines that run for more than 10 ms are off: in an emulated
# guest all of them do when they start, and nothing in the agent loops without
# calls, where it can be stopped as well.
kata-agent: ## build the agent
	@echo 'build  $@'; CGO_ENABLED=1 $(GOBUILD) -tags "$(AGENT_TAGS)" -ldflags '$(LDFLAGS) -X runtime.godebugDefault=asyncpreemptoff=1 $(STATIC)' -o $(BUILD)/$@ ./agent

kata-agent-ctl: ## build the tool that drives an agent by hand
	@echo 'build  $@'; CGO_ENABLED=0 $(GOBUILD) -ldflags '$(HOSTLD)' -o $(BUILD)/$@ ./agent-ctl

osbuilder: ## build the tool that makes guest images and kernels, and what it puts in
	@CGO_ENABLED=0 $(GOBUILD) -ldflags '-s -w' -o $(BUILD)/osbuilder ./osbuilder
	@CGO_ENABLED=0 $(GOBUILD) -ldflags '-s -w' -o $(BUILD)/kata-probe ./osbuilder/probe
	@CGO_ENABLED=0 $(GOBUILD) -ldflags '-s -w' -o $(BUILD)/kata-modprobe ./osbuilder/modprobe

image: kata-agent osbuilder ## build the guest image with Debian's kernel (a minute the first time)
	@$(BUILD)/osbuilder image --out $(GUEST) --agent $(BUILD)/kata-agent --version $(VERSION)

kernel: osbuilder ## build a small guest kernel of our own (ten minutes the first time)
	@packaging/prerequisites.sh kernel
	@$(BUILD)/osbuilder kernel --out $(GUEST) --version $(VERSION)

qemu: osbuilder ## build a QEMU of our own, which starts guests faster without KVM (three minutes the first time)
	@packaging/prerequisites.sh qemu
	@$(BUILD)/osbuilder qemu --out $(GUEST) --version $(VERSION)

own-qemu: osbuilder
	@packaging/prerequisites.sh qemu
	@$(BUILD)/osbuilder qemu --out $(OWN) --version $(VERSION)

config: ## write build/configuration.toml, for running from build/
	@packaging/configure.sh configuration.toml.in $(BUILD)/configuration.toml $(CURDIR)/$(GUEST) $(CURDIR)/$(BUILD)

# Debian 13's suites are there to try Debian 13's QEMU.
config-13:
	@QEMU=stock packaging/configure.sh configuration.toml.in $(BUILD)/configuration-13.toml $(CURDIR)/$(GUEST) $(CURDIR)/$(BUILD)

man: ## make the manual pages
	@mkdir -p $(BUILD)/man
	@for page in docs/man/*.md; do \
		[ -e "$$page" ] || continue; \
		out=$(BUILD)/man/$$(basename "$$page" .md); \
		[ "$$out" -nt "$$page" ] || $(GO) run github.com/cpuguy83/go-md2man/v2 -in "$$page" -out "$$out"; \
	done

generate: ## generate code and documents from their sources
	$(GO) run ./agent-protocol/generate
	$(GO) run ./config/generate

check: check-format lint check-generated check-agent ## format, vet, staticcheck, shellcheck, stale generated files, the agent's size

check-format: ## gofmt
	@bad=$$(gofmt -l $$(git ls-files '*.go')); [ -z "$$bad" ] || { echo "not formatted by gofmt:"; echo "$$bad"; exit 1; }

lint: ## vet, staticcheck, shellcheck
	$(GO) vet ./...
	$(GO) tool staticcheck ./...
	shellcheck packaging/*.sh .ci/run $$(find tests -name '*.sh' -o -name '*.bash' -o -name '*.bats')

check-generated: ## is what is generated up to date?
	@sums() { git ls-files -z | xargs -0 sha256sum; }; \
	before=$$(sums); $(MAKE) --no-print-directory generate; after=$$(sums); \
	[ "$$before" = "$$after" ] || { echo "stale until now (commit what changed):"; \
		diff <(echo "$$before") <(echo "$$after") | sed -n 's/^> [0-9a-f]*  /  /p'; exit 1; }

# A start runs through much of the agent once, and pays for each instruction of
# it (docs/performance.md): bytes, and what must not come back into it.
AGENT_BYTES   := 10000000
AGENT_WITHOUT := regexp|net/http|text/template|google.golang.org/grpc
check-agent: kata-agent ## the agent's size, and what it must not depend on
	@size=$$(stat -c %s $(BUILD)/kata-agent); [ "$$size" -le $(AGENT_BYTES) ] || { echo "kata-agent has $$size bytes, more than $(AGENT_BYTES)"; exit 1; }
	@deps=$$($(GO) list -deps -tags "$(AGENT_TAGS)" ./agent); bad=$$(grep -xE '$(AGENT_WITHOUT)' <<<"$$deps") || true; [ -z "$$bad" ] || { echo "kata-agent depends on $$bad"; exit 1; }

unit: ## run the unit tests
	@mkdir -p $(BUILD)/tally
	@$(GO) test -race -json ./... | $(GO) run ./tests/tally --save $(BUILD)/tally/unit go

integration: export KATA_TEST_QEMU = $(CURDIR)/$(OWN)/qemu/qemu-system-x86_64
integration: build image config own-qemu ## run the tests that boot VMs
	@packaging/prerequisites.sh run test
	@mkdir -p $(BUILD)/tally
	@KATA_RUNTIME=$(CURDIR)/$(BUILD)/kata-runtime KATA_CONF_FILE=$(CURDIR)/$(BUILD)/configuration.toml \
		tests/integration/run.sh | $(GO) run ./tests/tally --save $(BUILD)/tally/integration tap

guest: export KATA_TEST_QEMU = $(CURDIR)/$(OWN)/qemu/qemu-system-x86_64
guest: image own-qemu ## run the tests of agent and hypervisor in VMs
	@packaging/prerequisites.sh run
	@mkdir -p $(BUILD)/tally
	@export KATA_TEST_KERNEL=$(CURDIR)/$(GUEST)/debian/vmlinux KATA_TEST_INITRD=$(CURDIR)/$(GUEST)/debian/initrd.img; \
	export KATA_TEST_TUNED_KERNEL=$(wildcard $(CURDIR)/$(GUEST)/tuned/vmlinux); code=0; \
	{ $(GO) test -count=1 -timeout 20m -json ./agent/vmtest || code=1; \
	$(GO) test -count=1 -timeout 10m -json -run '^(TestBoot|TestGuest)' ./virtcontainers/hypervisor || code=1; \
	$(GO) test -count=1 -timeout 10m -json -run '^TestRestore' ./tests/bench/floor || code=1; exit $$code; } | $(GO) run ./tests/tally --save $(BUILD)/tally/guest go

# $(1) starts an engine of its own; nothing of one that runs already is touched.
# $(2) names the results, if not the engine does.
define with-engine
@packaging/prerequisites.sh run test $(1)
@mkdir -p $(BUILD)/tally
@KATA_RUNTIME=$(CURDIR)/$(BUILD)/kata-runtime KATA_CONF_FILE=$(CURDIR)/$(BUILD)/configuration.toml \
	bats --tap tests/engines/$(1) | $(GO) run ./tests/tally --save $(BUILD)/tally/$(or $(2),$(1)) tap
endef

test-docker: build image config ## run the tests with Debian's Docker (DOCKER_VERSION=v28.5.2 builds that one)
	$(call with-engine,docker)

test-docker-28: export DOCKER_VERSION = v28.5.2
test-docker-28: build image config ## run the same tests with Docker 28, built from its Go modules
	$(call with-engine,docker,docker-28)

test-podman: build image config ## run the tests with Debian's Podman
	$(call with-engine,podman)

test-containerd: build image config ## run the tests with containerd and our shim (CONTAINERD_VERSION=v2.2.9 builds that one)
	$(call with-engine,containerd)

test-containerd-2: export CONTAINERD_VERSION = v2.2.9
test-containerd-2: build image config ## run the same tests with containerd 2, built from its Go module
	$(call with-engine,containerd,containerd-2)

# $(1) as Debian 13 has it, in a tree of Debian 13 that is made once and cached.
define with-engine-13
@packaging/prerequisites.sh run test debian13
@mkdir -p $(BUILD)/tally
@KATA_RUNTIME=$(CURDIR)/$(BUILD)/kata-runtime KATA_CONF_FILE=$(CURDIR)/$(BUILD)/configuration-13.toml \
	tests/engines/debian13.sh $(1) | $(GO) run ./tests/tally --save $(BUILD)/tally/$(notdir $(1))-13 tap
endef

test-docker-13: build image config-13 ## run the same tests with Debian 13's Docker
	$(call with-engine-13,docker)

test-podman-13: build image config-13 ## run the same tests with Debian 13's Podman
	$(call with-engine-13,podman)

test-containerd-13: build image config-13 ## run the tests with Debian 13's containerd
	$(call with-engine-13,containerd)

test-integration-13: export KATA_TEST_QEMU = $(CURDIR)/$(OWN)/qemu/qemu-system-x86_64
test-integration-13: build image config-13 own-qemu ## run the integration tests with Debian 13's QEMU and virtiofsd
	$(call with-engine-13,../integration)

# In a machine with systemd and cgroup v2, which this one need not have.
test-systemd: build image kernel man ## run verbs, Docker and Podman in an emulated machine with systemd and cgroup v2 (a quarter of an hour; needs 8 GiB)
	@packaging/prerequisites.sh run test debian13
	@mkdir -p $(BUILD)/tally
	@tests/engines/systemd/machine.sh | $(GO) run ./tests/tally --save $(BUILD)/tally/systemd tap

test-crio: build image config ## run the tests with CRI-O, built from its Go module (four minutes the first time)
	$(call with-engine,crio)

test-pods: build image config ## start twenty pods at once with containerd and CRI-O (needs 8 GiB)
	@packaging/prerequisites.sh run test cri crio
	@mkdir -p $(BUILD)/tally
	@KATA_TEST_FULL=1 KATA_RUNTIME=$(CURDIR)/$(BUILD)/kata-runtime KATA_CONF_FILE=$(CURDIR)/$(BUILD)/configuration.toml \
		bats --tap tests/engines/pods.bats | $(GO) run ./tests/tally --save $(BUILD)/tally/pods tap

bench-pods: build image config ## measure pods with containerd and CRI-O, beside runc (a quarter of an hour)
	@packaging/prerequisites.sh run test cri crio
	@KATA_RUNTIME=$(CURDIR)/$(BUILD)/kata-runtime KATA_CONF_FILE=$(CURDIR)/$(BUILD)/configuration.toml tests/bench/pods/run.sh

test-cri: build image config ## run critest: containerd and CRI-O, runc and kata (an hour); RUNS="crio/kata-vm" for one
	@packaging/prerequisites.sh run test cri crio
	@KATA_RUNTIME=$(CURDIR)/$(BUILD)/kata-runtime KATA_CONF_FILE=$(CURDIR)/$(BUILD)/configuration.toml \
		tests/conformance/run.sh $(CURDIR)/$(BUILD)/conformance $(RUNS)

test-fresh: ## follow the README on a fresh Debian 12 and 13, in trees of their own (a quarter of an hour)
	@packaging/prerequisites.sh debian13
	@tests/fresh/run.sh bookworm
	@tests/fresh/run.sh trixie

test-conformance: build image config ## run the OCI validation programs with runc, crun and kata (twelve minutes)
	@packaging/prerequisites.sh run bench
	@KATA_RUNTIME=$(CURDIR)/$(BUILD)/kata-runtime KATA_CONF_FILE=$(CURDIR)/$(BUILD)/configuration.toml \
		tests/conformance/programs/run.sh $(CURDIR)/$(BUILD)/programs

# What is too long for every change. The last two count by themselves.
SUITES := unit guest integration docker docker-13 docker-28 podman podman-13 integration-13 containerd containerd-13 containerd-2 crio pods systemd
test-full: prerequisites kernel qemu ## run every test, with the long ones of the engines (hours)
	@rm -rf $(BUILD)/tally; code=0; export KATA_TEST_FULL=1; \
	for t in $(SUITES) conformance cri; do \
		case $$t in unit | guest | integration) ;; *) t=test-$$t ;; esac; $(MAKE) --no-print-directory $$t || code=1; done; \
	$(GO) run ./tests/tally sum $(SUITES:%=$(BUILD)/tally/%) || code=1; \
	exit $$code

# All run even if the first fails, so that the total is one of all tests.
TESTS := unit guest integration
test: prerequisites ## run the unit tests and the integration tests
	@rm -rf $(BUILD)/tally; code=0; \
	for t in $(TESTS); do $(MAKE) --no-print-directory $$t || code=1; done; \
	$(GO) run ./tests/tally sum $(TESTS:%=$(BUILD)/tally/%) || code=1; \
	exit $$code

prerequisites: ## install the Debian packages that are missing
	@packaging/prerequisites.sh build image run test

prerequisites-kernel: ## the same for make kernel
	@packaging/prerequisites.sh kernel

prerequisites-qemu: ## the same for make qemu
	@packaging/prerequisites.sh qemu

quickstart: ## from a bare Debian to a first container in a VM
	@packaging/quickstart.sh

install: man ## install what is built (PREFIX, DESTDIR)
	@packaging/install.sh "$(DESTDIR)" "$(BUILD)" "$(BIN)" "$(LIBEXEC)" "$(SHARE)" "$(DEFAULT)" "$(MAN)"

uninstall: ## remove what install put there
	@packaging/uninstall.sh "$(DESTDIR)" "$(BIN)" "$(SHARE)"

bench: build kernel qemu image config ## measure, beside other runtimes and the bare floor, and pods (an hour; ONLY=commands,io for some parts)
	@packaging/prerequisites.sh run bench docker
	@$(GO) build -o $(BUILD)/bench ./tests/bench
	@for pace in 25:25: 50:50: 100:100: 400:400: limit:-1:8388608; do \
		IFS=: read -r folder percent limit <<<"$$pace"; for helper in shim proxy; do \
		CGO_ENABLED=0 $(GOBUILD) -ldflags "$(HOSTLD) -X $(MODULE)/internal/heap.percent=$$percent -X $(MODULE)/internal/heap.limit=$$limit" \
			-o $(BUILD)/heaps/$$folder/kata-$$helper ./$$helper || exit 1; done; done
	@runsc=$$(tests/bench/runsc.sh) || runsc=; \
	exec $(BUILD)/bench -kata $(BUILD)/kata-runtime -config $(BUILD)/configuration.toml -runsc "$$runsc" -heaps $(BUILD)/heaps \
		$(if $(ONLY),-only "$(ONLY)") $(if $(findstring -few,$(BENCHFLAGS)),,-out docs/performance.md) $(BENCHFLAGS)
	$(if $(ONLY),,@$(MAKE) --no-print-directory bench-pods)

bench-scale: build image config ## start up to a hundred sandboxes, ten at a time
	@packaging/prerequisites.sh run bench
	@$(GO) run ./tests/bench/scale -kata $(BUILD)/kata-runtime -config $(BUILD)/configuration.toml $(BENCHFLAGS)

clean: ## remove build/ (the cache stays)
	rm -rf $(BUILD)
