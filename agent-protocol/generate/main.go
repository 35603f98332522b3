// Command generate turns proto/agent.proto into agentpb/agent.pb.go, within
// one Go program so that go.mod pins every tool: the parser is protocompile,
// the generator gogo/protobuf's, with the plugin calls. Run it by "make
// generate", from the repository's root.
package main

import (
	"context"
	"fmt"
	"os"
	"path/filepath"

	"github.com/bufbuild/protocompile"
	"github.com/bufbuild/protocompile/protoutil"
	gogo "github.com/gogo/protobuf/proto"
	descriptor "github.com/gogo/protobuf/protoc-gen-gogo/descriptor"
	"github.com/gogo/protobuf/protoc-gen-gogo/generator"
	plugin "github.com/gogo/protobuf/protoc-gen-gogo/plugin"
	"github.com/gogo/protobuf/vanity"
	"github.com/gogo/protobuf/vanity/command"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protoreflect"
)

const (
	protoDir  = "agent-protocol/proto"
	protoFile = "agent.proto"
	outDir    = "agent-protocol/agentpb"
)

func main() {
	if err := generate(); err != nil {
		fmt.Fprintln(os.Stderr, "generate:", err)
		os.Exit(1)
	}
}

func generate() error {
	file, err := parse()
	if err != nil {
		return err
	}
	// Plain structs with a hand-written-like codec: no reflection when a
	// message is encoded, no bookkeeping fields in it.
	for _, turn := range []func(*descriptor.FileDescriptorProto){
		vanity.TurnOnMarshalerAll, vanity.TurnOnSizerAll, vanity.TurnOnUnmarshalerAll,
		vanity.TurnOffGoUnrecognizedAll, vanity.TurnOffGoUnkeyedAll, vanity.TurnOffGoSizecacheAll,
	} {
		turn(file)
	}
	parameter := "plugins=calls,paths=source_relative"
	reply := command.Generate(&plugin.CodeGeneratorRequest{
		FileToGenerate: []string{protoFile},
		Parameter:      &parameter,
		ProtoFile:      []*descriptor.FileDescriptorProto{file},
	})
	if reply.Error != nil {
		return fmt.Errorf("%s: %s", protoFile, *reply.Error)
	}
	for _, f := range reply.File {
		if err := os.WriteFile(filepath.Join(outDir, f.GetName()), []byte(f.GetContent()), 0o644); err != nil {
			return err
		}
	}
	return nil
}

// parse compiles the .proto file and hands it over in gogo's descriptor type,
// comments included: they become the Go comments.
func parse() (*descriptor.FileDescriptorProto, error) {
	compiled, err := compile(&protocompile.SourceResolver{ImportPaths: []string{protoDir}})
	if err != nil {
		return nil, err
	}
	raw, err := proto.Marshal(protoutil.ProtoFromFileDescriptor(compiled))
	if err != nil {
		return nil, err
	}
	file := new(descriptor.FileDescriptorProto)
	return file, gogo.Unmarshal(raw, file)
}

// compile compiles the .proto file that the resolver has.
func compile(resolver protocompile.Resolver) (protoreflect.FileDescriptor, error) {
	compiler := protocompile.Compiler{Resolver: resolver, SourceInfoMode: protocompile.SourceInfoStandard}
	files, err := compiler.Compile(context.Background(), protoFile)
	if err != nil {
		return nil, err
	}
	return files[0], nil
}

func init() { generator.RegisterPlugin(new(calls)) }
