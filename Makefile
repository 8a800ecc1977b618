# The front door. Each target is one script; `make help` lists them.
.DEFAULT_GOAL := help
.PHONY: help up router down clean-cloud install uninstall test load-test bench gates tools fmt

help: ## this list
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  make %-11s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

up: ## build and start the whole cloud, push a sample app; prints how to log in (DOMAIN, LISTEN, STATE, ports)
	@DOMAIN='$(DOMAIN)' LISTEN='$(LISTEN)' STATE='$(STATE)' PORT='$(PORT)' ADMIN_PORT='$(ADMIN_PORT)' \
		NATS_PORT='$(NATS_PORT)' API_PORT='$(API_PORT)' HEALTH_PORT='$(HEALTH_PORT)' DEA_PORT='$(DEA_PORT)' scripts/cloud.sh

router: ## build, start nats-server, the router and a sample app; prints a curl line that works
	@PORT='$(PORT)' ADMIN_PORT='$(ADMIN_PORT)' NATS_PORT='$(NATS_PORT)' scripts/up.sh

down: ## stop what `make up` or `make router` started, and nothing else
	@STATE='$(STATE)' scripts/down.sh

clean-cloud: ## remove the data, images, configuration and logs of the cloud, and nothing else
	@STATE='$(STATE)' scripts/clean_cloud.sh

install: ## build for production; program, manual, completions, unit and configuration into PREFIX (DESTDIR)
	@PREFIX='$(PREFIX)' SYSCONFDIR='$(SYSCONFDIR)' DESTDIR='$(DESTDIR)' BINARY='$(BINARY)' scripts/install.sh

uninstall: ## remove what `make install` put there, but for the configuration
	@PREFIX='$(PREFIX)' SYSCONFDIR='$(SYSCONFDIR)' DESTDIR='$(DESTDIR)' scripts/uninstall.sh

test: ## everything CI runs
	@scripts/test.sh

load-test: ## the router beside HAProxy and nginx, short set, under five minutes (ARGS="--full")
	@scripts/load-test.sh $(ARGS)

bench: ## the criterion benches (ARGS="lookup" for some)
	@scripts/bench.sh $(ARGS)

gates: ## instructions and allocations per request against their limits
	@scripts/gates.sh

tools: ## build oha and cargo-deny into .tools/
	@scripts/tools.sh oha cargo-deny

fmt: ## format the sources
	@cargo fmt --all
