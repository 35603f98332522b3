package config

import (
	"cmp"
	"fmt"
	"maps"
	"slices"
)

// Origin is where a value was set. The zero value means the built-in default.
type Origin struct {
	// File is a path, or "annotation NAME".
	File string
	// Line counts from 1; 0 if there is none.
	Line int
}

func (o Origin) String() string {
	switch {
	case o.File == "":
		return "default"
	case o.Line == 0:
		return o.File
	}
	return fmt.Sprintf("%s:%d", o.File, o.Line)
}

// Origins tells for each setting where its value comes from.
type Origins struct {
	// Files are the files that were read, the first first.
	Files []string
	// Warnings are about keys that are set but have no effect, one line each.
	Warnings []string

	values map[string]value
}

// value is a decoded, checked value and its place.
type value struct {
	v  any
	at Origin
}

// Of answers where the key of that full name was set.
func (o *Origins) Of(name string) Origin {
	if o == nil {
		return Origin{}
	}
	return o.values[name].at
}

// Setting is one key with its value in force.
type Setting struct {
	Key *Key
	// Value is of the type of Key.Default.
	Value  any
	Origin Origin
}

// Settings answers every key that has an effect, in the schema's order, with
// the value that c has, and where it comes from.
func (o *Origins) Settings(c *Config) []Setting {
	var all []Setting
	for i := range schema() {
		if k := &schema()[i]; k.Inert == "" {
			all = append(all, Setting{k, get(c, k), o.Of(k.Name)})
		}
	}
	return all
}

// sorted answers the names of what was set in a file, by file and line.
func (o *Origins) sorted() []string {
	return slices.SortedFunc(maps.Keys(o.values), func(a, b string) int {
		x, y := o.values[a].at, o.values[b].at
		return cmp.Or(cmp.Compare(x.File, y.File), cmp.Compare(x.Line, y.Line), cmp.Compare(a, b))
	})
}
