package main

import (
	"context"
	"log/slog"
	"os"
	"os/exec"
	"strings"

	"github.com/kata-go/kata-runtime/shim/follow"
	"github.com/kata-go/kata-runtime/shim/names"
)

// helps: the shim stands for no process; it serves the guest out of the
// sandbox's network namespace.
func (o *options) helps() bool { return o.names != "" || o.changesFD >= 0 }

// help is what such a shim does until the VM ends.
func (o *options) help(log *slog.Logger) int {
	ready := func() {}
	if started := os.NewFile(uintptr(o.startFD), "started"); started != nil {
		defer started.Close()
		ready = func() {
			started.Write([]byte{1}) // who waited for it may have gone
			started.Close()
		}
	}
	lent := make(chan struct{})
	go func() {
		defer close(lent)
		if o.names == "" {
			return
		}
		r := &names.Resolver{Agent: o.agent, Servers: strings.Split(o.names, ","), Log: log}
		if err := r.Run(context.Background(), ready); err != nil {
			log.Debug("name servers are no longer lent", "err", err)
		}
	}()
	if o.changesFD >= 0 {
		if err := o.follow(log); err != nil {
			log.Error("changes of the network are no longer followed", "err", err)
		} else {
			return 0 // the VM has ended
		}
	}
	<-lent
	return 0
}

// watch runs the command if who has started us ends without a word.
func (o *options) watch(log *slog.Logger) int {
	if told(o.startFD) {
		return 0
	}
	if err := exec.Command(o.command[0], o.command[1:]...).Run(); err != nil {
		log.Error("what was left stays", "command", o.command, "error", err)
		return notStarted
	}
	return 0
}

func (o *options) follow(log *slog.Logger) error {
	links, err := follow.Scan(o.ownLinks)
	if err != nil {
		return err
	}
	f := &follow.Follower{
		Changes: os.NewFile(uintptr(o.changesFD), "changes"), VM: os.NewFile(uintptr(o.vmFD), "vm"),
		Links: links, Log: log,
		Run: func() error {
			// It has our mark, so that it ends with the sandbox, too.
			return exec.Command(o.command[0], o.command[1:]...).Run()
		},
	}
	return f.Follow()
}
