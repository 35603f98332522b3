package main

import (
	"context"
	"time"

	"github.com/urfave/cli"

	"github.com/kata-go/kata-runtime/agent-protocol/agentpb"
	"github.com/kata-go/kata-runtime/agent-protocol/dial"
)

// greeting is what hello shows.
type greeting struct {
	Release  string   `json:"release"`
	Features []string `json:"features"`
}

// method turns a method of the client into a function of the agent.
func method[Request, Reply any](m func(agentpb.AgentClient, context.Context, *Request) (*Reply, error)) func(*dial.Agent, context.Context, *Request) (*Reply, error) {
	return func(a *dial.Agent, ctx context.Context, r *Request) (*Reply, error) { return m(a.AgentClient, ctx, r) }
}

// calls are the commands that mirror one call each.
func calls() []cli.Command {
	type client = agentpb.AgentClient
	return []cli.Command{
		empty("hello", "show the agent's release and features", func(a *dial.Agent, _ context.Context, _ *agentpb.Empty) (*greeting, error) {
			return &greeting{a.Release, a.Features()}, nil
		}),
		empty("details", "show the guest's kernel, CPUs and memory", method(client.GuestDetails)),
		empty("metrics", "show the agent's metrics", method(client.Metrics)),
		empty("interfaces", "list the network interfaces", method(client.ListInterfaces)),
		empty("routes", "list the routes", method(client.ListRoutes)),

		command("create-sandbox", "prepare the guest for containers", document, method(client.CreateSandbox), nil),
		command("destroy-sandbox", "end every container", nothing, method(client.DestroySandbox),
			func(c *cli.Context, r *agentpb.DestroySandboxRequest) { r.PowerOff = c.Bool("power-off") },
			cli.BoolFlag{Name: "power-off", Usage: "power the guest off"}),

		command("create", "create a container", document, method(client.CreateContainer), nil),
		command("start", "start a created container", container, method(client.StartContainer), nil),
		command("remove", "kill and forget a container", container, method(client.RemoveContainer), nil),
		command("pause", "freeze a container", container, method(client.PauseContainer), nil),
		command("resume", "thaw a container", container, method(client.ResumeContainer), nil),
		command("stats", "show what a container uses", container, method(client.StatsContainer), nil),
		command("update", "change a container's limits", document, method(client.UpdateContainer), nil),
		command("list", "list a container's processes", container, method(client.ListProcesses), nil),

		command("exec-process", "start a process in a container without its streams", document, method(client.ExecProcess), nil),
		command("signal", "send a signal to a process", process, method(client.SignalProcess),
			func(c *cli.Context, r *agentpb.SignalProcessRequest) {
				r.Signal, r.All = uint32(c.Uint("signal")), c.Bool("all")
			},
			cli.UintFlag{Name: "signal, s", Value: 15, Usage: "`NUMBER` of the signal; 0 only probes"},
			cli.BoolFlag{Name: "all, a", Usage: "every process of the container"}),
		command("wait", "wait for a process's end (see --timeout)", process, method(client.WaitProcess), nil),
		command("remove-process", "forget an ended process", process, method(client.RemoveProcess), nil),
		command("resize", "set the size of a process's terminal", process, method(client.ResizeTTY),
			func(c *cli.Context, r *agentpb.ResizeTTYRequest) {
				r.Rows, r.Columns = uint32(c.Uint("rows")), uint32(c.Uint("columns"))
			},
			cli.UintFlag{Name: "rows", Value: 24}, cli.UintFlag{Name: "columns", Value: 80}),
		command("close-stdin", "close a process's standard input", process, method(client.CloseStdin), nil),

		command("add-storages", "mount storages", document, method(client.AddStorages), nil),
		command("remove-storage", "unmount a storage", document, method(client.RemoveStorage), nil),
		command("copy-file", "write a part of a file", document, method(client.CopyFile), nil),
		command("stat-volume", "show the space of a storage", document, method(client.StatVolume), nil),
		command("resize-volume", "grow a storage's file system", document, method(client.ResizeVolume), nil),

		command("update-interfaces", "configure interfaces", document, method(client.UpdateInterfaces), nil),
		command("remove-interface", "remove an interface", document, method(client.RemoveInterface), nil),
		command("update-routes", "replace the routes", document, method(client.UpdateRoutes), nil),
		command("add-neighbours", "add neighbours", document, method(client.AddNeighbours), nil),

		command("online", "bring hot-plugged CPUs and memory into use", nothing, method(client.OnlineResources),
			func(c *cli.Context, r *agentpb.OnlineResourcesRequest) {
				r.Cpus, r.Memory = uint32(c.Uint("cpus")), c.Bool("memory")
			},
			cli.UintFlag{Name: "cpus", Usage: "`NUMBER` of CPUs that shall be online; 0 leaves them"},
			cli.BoolFlag{Name: "memory", Usage: "bring all memory online"}),
		command("set-clock", "give the guest this machine's time", nothing, method(client.SetClock),
			func(_ *cli.Context, r *agentpb.SetClockRequest) { r.ClockNs = time.Now().UnixNano() }),
		command("add-entropy", "stir bytes into the guest's random pool", document, method(client.AddEntropy), nil),
	}
}
