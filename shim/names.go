package main

import (
	"context"
	"log/slog"
	"os"
	"strings"

	"github.com/kata-go/kata-runtime/shim/names"
)

// lendNames is what the shim does with --names, until the VM ends.
func (o *options) lendNames(log *slog.Logger) int {
	ready := func() {}
	if started := os.NewFile(uintptr(o.startFD), "started"); started != nil {
		defer started.Close()
		ready = func() {
			started.Write([]byte{1}) // who waited for it may have gone
			started.Close()
		}
	}
	r := &names.Resolver{Agent: o.agent, Servers: strings.Split(o.names, ","), Log: log}
	if err := r.Run(context.Background(), ready); err != nil {
		log.Debug("name servers are no longer lent", "err", err)
	}
	return 0
}
