package config

import (
	"fmt"
	"strings"
)

// Key describes one setting. The list of all of them (Schema) is the only
// place that knows defaults, limits and documentation; the structs that hold
// the values belong to the packages that use them.
type Key struct {
	// Name is the full name, tables and key joined by dots:
	// "hypervisor.qemu.default_memory".
	Name string
	// Default is what holds without a file. Its Go type is the key's type:
	// string, int64, bool or []string.
	Default any
	// Doc is one or more sentences for the documentation, without default,
	// range and unit, which are added to it.
	Doc string
	// Unit is what a number counts ("MiB"); empty for a bare number.
	Unit string
	// Min and Max limit a number, both inclusive; both 0 for no limit.
	Min, Max int64
	// Enum lists the values that a string may have; empty for any.
	Enum []string
	// Old are values of Kata 1.x and what is taken in their place, with a warning.
	Old map[string]string
	// Path says what kind of path a string is.
	Path PathKind
	// Sample is the placeholder that stands in configuration.toml.in, to be
	// replaced when it is installed ("@QEMU@"). Without one the key is there
	// as a comment with its default.
	Sample string
	// Inert is why the key is accepted though nothing reads it: it was one of
	// Kata 1.x, whose files have to load. A file that sets it to something
	// else than what holds anyway gets a warning with this reason. Empty for a
	// key that works.
	Inert string
	// Annotation is the name behind "io.katacontainers.config." if it differs
	// from component and key ("hypervisor.default_max_vcpus").
	Annotation string
	// NoAnnotation forbids to change the key by an annotation at all.
	NoAnnotation bool
	// AllowList is the full name of the key with the globs that a path from an
	// annotation has to match; for paths of the host only.
	AllowList string
}

// PathKind tells what a string names.
type PathKind int

const (
	// NoPath is a string that is not a path.
	NoPath PathKind = iota
	// HostPath is an absolute path on the host, or empty for none.
	HostPath
	// GuestPath is an absolute path in the guest, or empty for none.
	GuestPath
	// HostGlobs is a list of globs of absolute paths on the host.
	HostGlobs
)

// Table is the name of the table that the key stands in ("hypervisor.qemu").
func (k *Key) Table() string { return k.Name[:strings.LastIndexByte(k.Name, '.')] }

// Base is the key's name in its table ("default_memory").
func (k *Key) Base() string { return k.Name[strings.LastIndexByte(k.Name, '.')+1:] }

// Type is the key's type in words for a person ("whole number").
func (k *Key) Type() string { return typeWords(k.Default) }

// Range is the permitted range in words, empty without one.
func (k *Key) Range() string {
	if k.Min == 0 && k.Max == 0 {
		return ""
	}
	return fmt.Sprintf("%d to %d", k.Min, k.Max)
}

// typeWords names the TOML type of a decoded value.
func typeWords(v any) string {
	switch v.(type) {
	case string:
		return "string"
	case int64:
		return "whole number"
	case bool:
		return "true or false"
	case []string:
		return "list of strings"
	case float64:
		return "number with a fraction"
	case map[string]any:
		return "table"
	case []any:
		return "list"
	case []map[string]any:
		return "list of tables"
	}
	return fmt.Sprintf("%T", v)
}

// find answers the key of that full name, or nil.
func find(name string) *Key { return schemaIndex()[name] }
