package main

import (
	"flag"
	"fmt"
	"io"
	"os"
	"path/filepath"

	"google.golang.org/protobuf/proto"

	"github.com/containerd/containerd/api/types"

	"github.com/kata-go/kata-runtime/agent-protocol/wire"
)

// options are the command line, as containerd's runtime/v2 README describes it.
type options struct {
	debug, version, info bool
	namespace, id        string
	bundle               string
	// address is containerd's own; it tells one containerd from another.
	address string
	// socket is where the service listens: for its removal at the end.
	socket string
	// events is where containerd takes events (TTRPC_ADDRESS).
	events string
}

// root is where the state of all containers of a containerd namespace lies:
// "kata-runtime --root ROOT list" shows them.
func (o *options) root() string { return filepath.Join("/run/kata-containers/containerd", o.namespace) }

func parse(args []string) (*options, string, error) {
	o := &options{events: os.Getenv("TTRPC_ADDRESS")}
	f := flag.NewFlagSet(name, flag.ContinueOnError)
	f.BoolVar(&o.debug, "debug", false, "log more")
	f.BoolVar(&o.version, "v", false, "print the version")
	f.BoolVar(&o.info, "info", false, "print what this shim is, as containerd 2 asks for it")
	f.StringVar(&o.namespace, "namespace", "", "containerd's `namespace` of the container")
	f.StringVar(&o.id, "id", "", "the container's `id`")
	f.StringVar(&o.bundle, "bundle", "", "the container's `folder`; the working directory without")
	f.StringVar(&o.address, "address", "", "`address` of containerd")
	f.StringVar(&o.socket, "socket", "", "`path` of the service's socket")
	f.String("publish-binary", "", "accepted for compatibility: events go to TTRPC_ADDRESS")
	f.String("debug-socket", "", "accepted for compatibility")
	if err := f.Parse(args); err != nil {
		return nil, "", err
	}
	if o.version || o.info {
		return o, "", nil
	}
	// They become parts of paths.
	if err := wire.ValidID(o.namespace); err != nil {
		return nil, "", fmt.Errorf("-namespace: %w", err)
	}
	if err := wire.ValidID(o.id); err != nil {
		return nil, "", fmt.Errorf("-id: %w", err)
	}
	if o.bundle == "" {
		dir, err := os.Getwd()
		if err != nil {
			return nil, "", err
		}
		o.bundle = dir
	}
	return o, f.Arg(0), nil
}

// printInfo answers a RuntimeInfo. The options that containerd gives on
// standard input change nothing of it.
func printInfo(_ io.Reader, out io.Writer) error {
	data, err := proto.Marshal(&types.RuntimeInfo{
		Name:    "io.containerd.kata.v2",
		Version: &types.RuntimeVersion{Version: version, Revision: commit},
	})
	if err != nil {
		return err
	}
	_, err = out.Write(data)
	return err
}
