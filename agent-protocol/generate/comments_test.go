package main

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/bufbuild/protocompile"
	"google.golang.org/protobuf/reflect/protoreflect"
)

// uncommented says where a file has something without a comment of its own:
// before it, without an empty line between, or behind it on its line.
func uncommented(file protoreflect.FileDescriptor) []string {
	var found []string
	check := func(kind string, d protoreflect.Descriptor) {
		at := file.SourceLocations().ByDescriptor(d)
		if strings.TrimSpace(at.LeadingComments+at.TrailingComments) == "" {
			found = append(found, fmt.Sprintf("%s/%s:%d: %s %s has no comment", protoDir, file.Path(), at.StartLine+1, kind, d.FullName()))
		}
	}
	for i := range file.Services().Len() {
		s := file.Services().Get(i)
		check("service", s)
		for i := range s.Methods().Len() {
			check("rpc", s.Methods().Get(i))
		}
	}
	enums := func(list protoreflect.EnumDescriptors) {
		for i := range list.Len() {
			e := list.Get(i)
			check("enum", e)
			for i := range e.Values().Len() {
				check("value", e.Values().Get(i))
			}
		}
	}
	var messages func(protoreflect.MessageDescriptors)
	messages = func(list protoreflect.MessageDescriptors) {
		for i := range list.Len() {
			m := list.Get(i)
			if m.IsMapEntry() {
				continue // made by the compiler
			}
			check("message", m)
			for i := range m.Fields().Len() {
				check("field", m.Fields().Get(i))
			}
			messages(m.Messages())
			enums(m.Enums())
		}
	}
	messages(file.Messages())
	enums(file.Enums())
	return found
}

func TestEverythingHasAComment(t *testing.T) {
	file, err := compile(&protocompile.SourceResolver{ImportPaths: []string{"../proto"}})
	if err != nil {
		t.Fatal(err)
	}
	for _, missing := range uncommented(file) {
		t.Error(missing)
	}
}

// What the test above finds, and what it takes for a comment.
func TestUncommented(t *testing.T) {
	source := `syntax = "proto3";
package p;

// A service.
service S {
  // A call.
  rpc Good(M) returns (M);
  rpc Bad(M) returns (M);
}
service Bare {}

// --- a section, no comment ---

message M {
  // Of the first, not of both.
  string first = 1;
  string second = 2;
  string third = 3; // behind it
  map<string, string> fourth = 4;
  //
  string fifth = 5;
  message Inner {
    string sixth = 6;
  }
  enum Kind {
    ZERO = 0;
    // One.
    ONE = 1;
  }
}
// An enum.
enum E {
  NONE = 0;
}
`
	file, err := compile(&protocompile.SourceResolver{
		Accessor: protocompile.SourceAccessorFromMap(map[string]string{protoFile: source}),
	})
	if err != nil {
		t.Fatal(err)
	}
	var want []string
	for _, w := range []string{
		"8: rpc p.S.Bad", "10: service p.Bare", "14: message p.M", "17: field p.M.second", "19: field p.M.fourth",
		"21: field p.M.fifth", "22: message p.M.Inner", "23: field p.M.Inner.sixth", "25: enum p.M.Kind",
		"26: value p.M.ZERO", "33: value p.NONE",
	} {
		want = append(want, protoDir+"/"+protoFile+":"+w+" has no comment")
	}
	if got := uncommented(file); !slices.Equal(got, want) {
		t.Errorf("got:\n%s\nwant:\n%s", strings.Join(got, "\n"), strings.Join(want, "\n"))
	}
}
