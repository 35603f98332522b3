package main

import (
	"fmt"
	"strings"

	descriptor "github.com/gogo/protobuf/protoc-gen-gogo/descriptor"
	"github.com/gogo/protobuf/protoc-gen-gogo/generator"
)

// callImport is what the generated code calls.
const callImport = "github.com/kata-go/kata-runtime/agent-protocol/call"

// calls is a plugin of the generator: for each service a client, an interface
// for its server, and the handler that leads calls to that.
type calls struct {
	*generator.Generator
	context, call string
}

func (c *calls) Name() string                              { return "calls" }
func (c *calls) Init(g *generator.Generator)               { c.Generator = g }
func (c *calls) GenerateImports(*generator.FileDescriptor) {}

func (c *calls) Generate(file *generator.FileDescriptor) {
	if len(file.Service) == 0 {
		return
	}
	c.context = string(c.AddImport("context"))
	c.call = string(c.AddImport(callImport))
	for i, s := range file.Service {
		c.service(s, i)
	}
}

// method is what the templates of one call are filled with.
type method struct {
	name, request, reply string
	// in, out: the host, the agent sends a stream.
	in, out bool
}

func (c *calls) methods(s *descriptor.ServiceDescriptorProto) []method {
	var all []method
	for _, m := range s.Method {
		all = append(all, method{
			name: m.GetName(), in: m.GetClientStreaming(), out: m.GetServerStreaming(),
			request: c.TypeName(c.ObjectNamed(m.GetInputType())), reply: c.TypeName(c.ObjectNamed(m.GetOutputType())),
		})
	}
	return all
}

func (c *calls) service(s *descriptor.ServiceDescriptorProto, index int) {
	name, methods := s.GetName(), c.methods(s)
	comment := func(i int) {
		// 6 is the field of services in a file, 2 that of methods in a service
		// (descriptor.proto).
		c.PrintComments(fmt.Sprintf("6,%d,2,%d", index, i))
	}

	c.P("// ", name, "Client makes the calls of ", name, ".")
	c.P("type ", name, "Client interface {")
	for i, m := range methods {
		comment(i)
		c.P(m.fill(name, "NAME(ctx CONTEXT.Context CLIENTARGS) CLIENTRESULT", c))
	}
	c.P("}")
	c.P()
	c.P("// New", name, "Client makes one of a connection.")
	c.P("func New", name, "Client(c *", c.call, ".Client) ", name, "Client { return ", lower(name), "Client{c} }")
	c.P()
	c.P("type ", lower(name), "Client struct { c *", c.call, ".Client }")
	c.P()
	for _, m := range methods {
		c.P(m.fill(name, "func (c "+lower(name)+"Client) NAME(ctx CONTEXT.Context CLIENTARGS) CLIENTRESULT {", c))
		if !m.in && !m.out {
			c.P("reply := new(", m.reply, ")")
			c.P(`if err := c.c.Call(ctx, "`, m.name, `", in, reply); err != nil {`)
			c.P("return nil, err")
			c.P("}")
			c.P("return reply, nil")
		} else {
			request := "in"
			if m.in {
				request = "nil"
			}
			c.P(`s, err := c.c.Open(ctx, "`, m.name, `", `, request, `)`)
			c.P("if err != nil {")
			c.P("return nil, err")
			c.P("}")
			c.P("return ", c.call, ".TypedClient[", m.request, ", ", m.reply, "](s), nil")
		}
		c.P("}")
		c.P()
	}
	for _, m := range methods {
		if !m.in && !m.out {
			continue
		}
		c.P("// ", name, "_", m.name, "Client is the caller's end of ", m.name, ".")
		c.P("type ", name, "_", m.name, "Client = ", c.call, ".ClientSide[", m.request, ", ", m.reply, "]")
		c.P()
		c.P("// ", name, "_", m.name, "Server is the agent's end of ", m.name, ".")
		c.P("type ", name, "_", m.name, "Server = ", c.call, ".Stream[", m.reply, ", ", m.request, "]")
		c.P()
	}
	c.server(name, methods, comment)
}

func (c *calls) server(name string, methods []method, comment func(int)) {
	c.P("// ", name, "Server answers the calls of ", name, ".")
	c.P("type ", name, "Server interface {")
	for i, m := range methods {
		comment(i)
		c.P(m.fill(name, "NAME(SERVERARGS) SERVERRESULT", c))
	}
	c.P("}")
	c.P()
	c.P("// ", name, "Handler leads calls to s.")
	c.P("func ", name, "Handler(s ", name, "Server) ", c.call, ".Handler {")
	c.P("return func(c *", c.call, ".ServerCall) error {")
	c.P("switch c.Method {")
	for _, m := range methods {
		c.P(`case "`, m.name, `":`)
		stream := c.call + ".Typed[" + m.reply + ", " + m.request + "](c.Stream())"
		if m.in {
			c.P("return s.", m.name, "(", stream, ")")
			continue
		}
		c.P("in := new(", m.request, ")")
		c.P("if err := c.Request(in); err != nil {")
		c.P("return err")
		c.P("}")
		if m.out {
			c.P("return s.", m.name, "(in, ", stream, ")")
			continue
		}
		c.P("reply, err := s.", m.name, "(c.Context(), in)")
		c.P("return c.Reply(reply, err)")
	}
	c.P("}")
	c.P("return c.Unknown()")
	c.P("}")
	c.P("}")
	c.P()
	c.P("// Unimplemented", name, "Server answers Unimplemented to every call; embed it in servers of a few.")
	c.P("type Unimplemented", name, "Server struct{}")
	c.P()
	for _, m := range methods {
		c.P(m.fill(name, "func (Unimplemented"+name+"Server) NAME(SERVERARGS) SERVERRESULT {", c))
		fail := c.call + `.Errorf(` + c.call + `.Unimplemented, "` + m.name + ` is not implemented")`
		if m.in || m.out {
			c.P("return ", fail)
		} else {
			c.P("return nil, ", fail)
		}
		c.P("}")
		c.P()
	}
}

// fill replaces the words in capitals.
func (m method) fill(service, template string, c *calls) string {
	end := service + "_" + m.name
	clientArgs, clientResult := ", in *"+m.request, "(*"+m.reply+", error)"
	serverArgs, serverResult := "ctx CONTEXT.Context, in *"+m.request, "(*"+m.reply+", error)"
	switch {
	case m.in:
		clientArgs, clientResult = "", "("+end+"Client, error)"
		serverArgs, serverResult = "stream "+end+"Server", "error"
	case m.out:
		clientResult = "(" + end + "Client, error)"
		serverArgs, serverResult = "in *"+m.request+", stream "+end+"Server", "error"
	}
	for _, r := range [][2]string{
		{"CLIENTARGS", clientArgs}, {"CLIENTRESULT", clientResult}, {"SERVERARGS", serverArgs}, {"SERVERRESULT", serverResult},
		{"NAME", m.name}, {"CONTEXT", c.context},
	} {
		template = strings.ReplaceAll(template, r[0], r[1])
	}
	return template
}

func lower(s string) string { return strings.ToLower(s[:1]) + s[1:] }
