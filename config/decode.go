package config

import (
	"cmp"
	"errors"
	"fmt"
	"maps"
	"path/filepath"
	"reflect"
	"slices"
	"strings"

	"github.com/BurntSushi/toml"
)

// problem is what is wrong at a line of a file.
type problem struct {
	at   Origin
	text string
}

func (p problem) Error() string { return p.at.String() + ": " + p.text }

// decode reads one document into values by full key name, each of its key's
// type and within its limits. The error is the first problem by line.
func decode(file, text string) (map[string]value, error) {
	var tree map[string]any
	if _, err := toml.Decode(text, &tree); err != nil {
		var bad toml.ParseError
		if errors.As(err, &bad) {
			return nil, problem{Origin{file, bad.Position.Line}, firstLine(bad.Message)}
		}
		return nil, fmt.Errorf("%s: %s", file, firstLine(err.Error()))
	}
	d := decoder{file: file, lines: lines(text), values: map[string]value{}}
	d.table(nil, tree)
	if len(d.problems) > 0 {
		slices.SortStableFunc(d.problems, func(a, b problem) int { return cmp.Compare(a.at.Line, b.at.Line) })
		first := d.problems[0]
		if more := len(d.problems) - 1; more > 0 {
			first.text += fmt.Sprintf(" (and %d more in this file)", more)
		}
		return nil, first
	}
	return d.values, nil
}

func firstLine(s string) string {
	s, _, _ = strings.Cut(s, "\n")
	return s
}

type decoder struct {
	file     string
	lines    map[string]int
	values   map[string]value
	problems []problem
}

// origin is the place of a key, or of the inline table that it stands in.
func (d *decoder) origin(path []string) Origin {
	for n := len(path); n > 0; n-- {
		if line := d.lines[dotted(path[:n])]; line > 0 {
			return Origin{d.file, line}
		}
	}
	return Origin{File: d.file}
}

func (d *decoder) table(path []string, tree map[string]any) {
	for _, name := range slices.Sorted(maps.Keys(tree)) {
		v, at := tree[name], append(slices.Clone(path), name)
		full := dotted(at)
		sub, isTable := v.(map[string]any)
		switch {
		case find(full) != nil:
			d.key(find(full), d.origin(at), v)
		case tables()[full] && isTable:
			d.table(at, sub)
		case tables()[full]:
			d.problem(at, fmt.Sprintf("%s has to be a table, not a %s", full, typeWords(v)))
		default:
			d.problem(at, unknown(at, isTable))
		}
	}
}

func (d *decoder) problem(path []string, text string) {
	d.problems = append(d.problems, problem{d.origin(path), text})
}

// unknown is the message about a key or table that is not in the schema.
func unknown(path []string, table bool) string {
	full := dotted(path)
	if len(path) == 2 && path[0] == "hypervisor" && slices.Contains(otherHypervisors, path[1]) {
		return fmt.Sprintf("table [%s]: this runtime drives QEMU only: use [hypervisor.qemu]", full)
	}
	var candidates []string
	for _, k := range schema() {
		candidates = append(candidates, k.Name)
	}
	if table {
		candidates = slices.Collect(maps.Keys(tables()))
		slices.Sort(candidates)
		return fmt.Sprintf("unknown table [%s]%s", full, suggestion(full, candidates))
	}
	// The table is mostly right, so the key alone is compared first.
	base, where := path[len(path)-1], dotted(path[:len(path)-1])
	var siblings, elsewhere []string
	for _, k := range schema() {
		if k.Table() == where {
			siblings = append(siblings, k.Base())
		}
		if k.Base() == base {
			elsewhere = append(elsewhere, k.Name)
		}
	}
	if near := nearest(base, siblings); near != "" {
		return fmt.Sprintf("unknown key %q in [%s]: did you mean %q?", base, where, near)
	}
	if len(elsewhere) > 0 {
		return fmt.Sprintf("unknown key %q: did you mean %q?", full, elsewhere[0])
	}
	// What is right in the table's name must not outweigh a key like no other.
	if near := nearestWithin(len(base)/3+1, full, candidates); near != "" {
		return fmt.Sprintf("unknown key %q: did you mean %q?", full, near)
	}
	return fmt.Sprintf("unknown key %q", full)
}

func suggestion(word string, candidates []string) string {
	if near := nearest(word, candidates); near != "" {
		return fmt.Sprintf(": did you mean %q?", near)
	}
	return ""
}

// key checks a value and keeps it.
func (d *decoder) key(k *Key, at Origin, v any) {
	v, err := k.check(v)
	if err != nil {
		d.problems = append(d.problems, problem{at, k.Name + ": " + err.Error()})
		return
	}
	d.values[k.Name] = value{v, at}
}

// check answers the value in the key's type, or what is wrong with it.
func (k *Key) check(v any) (any, error) {
	if list, ok := v.([]any); ok {
		if strs, ok := stringList(list); ok {
			v = strs
		}
	}
	if reflect.TypeOf(v) != reflect.TypeOf(k.Default) {
		want := k.Type()
		if k.Unit != "" {
			want += " (" + k.Unit + ")"
		}
		return nil, fmt.Errorf("want a value of type %s, not %s", want, show(v))
	}
	switch v := v.(type) {
	case int64:
		if k.Range() != "" && (v < k.Min || v > k.Max) {
			return nil, fmt.Errorf("%d is outside of the range %s%s", v, k.Range(), unit(k))
		}
	case string:
		if strings.ContainsAny(v, "\x00\n\r") {
			return nil, fmt.Errorf("%q has a line break or a NUL in it", v)
		}
		if _, old := k.Old[v]; old {
			return v, nil
		}
		if len(k.Enum) > 0 && !slices.Contains(k.Enum, v) {
			return nil, fmt.Errorf("%q is none of %s%s", v, quoted(k.Enum), suggestion(v, k.Enum))
		}
		if (k.Path == HostPath || k.Path == GuestPath) && v != "" && !filepath.IsAbs(v) {
			return nil, fmt.Errorf("%q is not an absolute path", v)
		}
	case []string:
		for _, s := range v {
			if k.Name == enableAnnotations {
				if _, err := annotationPattern(s); err != nil {
					return nil, err
				}
			}
			if strings.ContainsRune(s, 0) {
				return nil, fmt.Errorf("%q has a NUL in it", s)
			}
			if k.Path != HostGlobs {
				continue
			}
			if s != "" && !filepath.IsAbs(s) { // Kata files have [""]: it matches no path
				return nil, fmt.Errorf("%q is not an absolute path", s)
			}
			if _, err := filepath.Match(s, "/"); err != nil {
				return nil, fmt.Errorf("%q is not a valid glob", s)
			}
		}
	}
	return v, nil
}

func unit(k *Key) string {
	if k.Unit == "" {
		return ""
	}
	return " " + k.Unit
}

func quoted(list []string) string {
	var b []string
	for _, s := range list {
		if s != "" {
			b = append(b, fmt.Sprintf("%q", s))
		}
	}
	return strings.Join(b, ", ")
}

// show describes a value of the wrong type without printing much of it.
func show(v any) string {
	switch v := v.(type) {
	case string:
		if len(v) > 40 {
			v = v[:40] + "..."
		}
		return fmt.Sprintf("the string %q", v)
	case int64, bool, float64:
		return fmt.Sprintf("%v", v)
	}
	return "a " + typeWords(v)
}

func stringList(list []any) ([]string, bool) {
	strs := make([]string, len(list))
	for i, e := range list {
		s, ok := e.(string)
		if !ok {
			return nil, false
		}
		strs[i] = s
	}
	return strs, true
}

// equal and empty compare values of the schema's types.
func equal(a, b any) bool { return reflect.DeepEqual(a, b) }

func empty(v any) bool {
	r := reflect.ValueOf(v)
	return r.IsZero() || r.Kind() == reflect.Slice && r.Len() == 0
}
